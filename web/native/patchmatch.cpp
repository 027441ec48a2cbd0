// PatchMatch for Python and the page: gives a filled hole the patches of its photo.
//
// Barnes et al. 2009, "PatchMatch: A Randomized Correspondence Algorithm for Structural Image Editing". It starts from
// a fill, at a sixteenth of the scale, so that no coarser scale has to lay out the hole. What a distance compares, and how
// patches vote for a pixel, follows pypatchmatch (MIT; Jiayuan Mao, Kyle Schouviller, Matthias Wild).
#include <emmintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <vector>

namespace
{
    using Bytes = std::vector<std::uint8_t>;
    using Floats = std::vector<float>;

    // What a distance compares of a pixel: three colours, the gradients along both axes, the texture; and two of 0.
    constexpr int FEATURES = 8, DOWN = 3, RIGHT = 4, TEXTURE = 5;
    // Of the sums of three differences over two pixels, so that a gradient counts as three of one channel.
    constexpr float GRADIENT = 0.2887F;
    // A source whose texture is less than six tenths of what is expected costs twice its square: smooth fills would match
    // smooth sources best, and stay smooth.
    constexpr float OFFERED = 1.4142F, EXPECTED = 0.6F * OFFERED;
    constexpr int TEXTURE_REACH = 2;

    // Patches whose mean squared difference is this share of the largest one hardly vote.
    constexpr float ALIKE = 0.041F, LARGEST = 9 * 255 * 255, MIN_WEIGHT = 1e-6F;

    // The largest shift of the colours of the final copies: where they differ more, the fill has lost a shape.
    constexpr float MAX_SHIFT = 12;

    constexpr int NEVER = INT32_MAX;
    constexpr int TRIES = 4, FIRST_PASSES = 4;

    // How a level is searched and voted for, from the finest one.
    struct Effort
    {
        int rounds, passes;
    };
    constexpr Effort EFFORTS[] = {{1, 1}, {2, 2}, {4, 2}, {5, 3}, {5, 3}};
    constexpr std::size_t LEVELS = std::size(EFFORTS);

    // The source of a patch; the cost is negative where there is none.
    struct Link
    {
        int row, column, cost;
    };

    struct Random
    {
        std::uint32_t state;

        int below(int count)
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            return static_cast<int>((std::uint64_t{state} * static_cast<std::uint32_t>(count)) >> 32);
        }
    };

    // A photo at one scale, row by row.
    struct Level
    {
        int height = 0, width = 0;
        Bytes pixels; // three channels; the fill so far in the holes
        Bytes hole;
        Floats texture;          // of the known pixels, carried into the holes
        Bytes offered, expected; // features of known pixels as sources, and of pixels near holes
        Bytes valid;             // centres of patches without holes
        std::vector<int> nodes;  // centres of the others, in reading order
        std::vector<Link> links; // of the nodes
        Floats weights;          // of the votes of the nodes
    };

    std::uint8_t to_byte(float value)
    {
        return static_cast<std::uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F));
    }

    // Calls visit(place) for the pixels within reach, also diagonally.
    template <typename Visit> void visit_square(const Level &level, int row, int column, int reach, Visit visit)
    {
        for (int y = std::max(row - reach, 0); y <= std::min(row + reach, level.height - 1); ++y)
            for (int x = std::max(column - reach, 0); x <= std::min(column + reach, level.width - 1); ++x)
                visit(y * level.width + x);
    }

    // Sums over the pixels within reach, by rows and then by columns.
    template <typename Values> Floats sum_squares(const Level &level, const Values &values, int reach)
    {
        const int height = level.height, width = level.width;
        Floats rows(values.size()), sums(values.size());
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x)
                for (int other = std::max(x - reach, 0); other <= std::min(x + reach, width - 1); ++other)
                    rows[y * width + x] += values[y * width + other];
        for (int y = 0; y < height; ++y)
            for (int other = std::max(y - reach, 0); other <= std::min(y + reach, height - 1); ++other)
                for (int x = 0; x < width; ++x)
                    sums[y * width + x] += rows[other * width + x];
        return sums;
    }

    Bytes find_near_holes(const Level &level, int reach)
    {
        const Floats sums = sum_squares(level, level.hole, reach);
        Bytes near(sums.size());
        std::transform(sums.begin(), sums.end(), near.begin(), [](float sum) { return sum > 0; });
        return near;
    }

    // ------------------------------------------------------------------------------------------------- texture

    // The mean of the known values (not negative) of the 2x2 pixels, or -1.
    float mean_of_known(const Floats &values, int height, int width, int row, int column)
    {
        float sum = 0;
        int count = 0;
        for (int y = row; y < std::min(row + 2, height); ++y)
            for (int x = column; x < std::min(column + 2, width); ++x)
                if (const float value = values[y * width + x]; value >= 0)
                {
                    sum += value;
                    ++count;
                }
        return count > 0 ? sum / count : -1;
    }

    // Replaces negative values by a pyramid of the others.
    void carry_in(Floats &values, int height, int width)
    {
        if (*std::min_element(values.begin(), values.end()) >= 0)
            return;
        if (values.size() == 1)
        {
            values[0] = 0;
            return;
        }
        const int rows = (height + 1) / 2, columns = (width + 1) / 2;
        Floats half(static_cast<std::size_t>(rows) * columns);
        for (int y = 0; y < rows; ++y)
            for (int x = 0; x < columns; ++x)
                half[y * columns + x] = mean_of_known(values, height, width, 2 * y, 2 * x);
        carry_in(half, rows, columns);
        for (int y = 0; y < height; ++y)
        {
            const float down = std::clamp(y / 2.0F - 0.25F, 0.0F, rows - 1.0F);
            const int above = static_cast<int>(down), below = std::min(above + 1, rows - 1);
            for (int x = 0; x < width; ++x)
            {
                if (values[y * width + x] >= 0)
                    continue;
                const float right = std::clamp(x / 2.0F - 0.25F, 0.0F, columns - 1.0F);
                const int before = static_cast<int>(right), after = std::min(before + 1, columns - 1);
                const auto between = [&half, columns, before, after, share = right - before](int row) {
                    return (1 - share) * half[row * columns + before] + share * half[row * columns + after];
                };
                values[y * width + x] = (1 - (down - above)) * between(above) + (down - above) * between(below);
            }
        }
    }

    struct Neighbours
    {
        int up, down, left, right;

        Neighbours(const Level &level, int row, int column)
            : up(std::max(row - 1, 0) * level.width + column),
              down(std::min(row + 1, level.height - 1) * level.width + column),
              left(row * level.width + std::max(column - 1, 0)),
              right(row * level.width + std::min(column + 1, level.width - 1))
        {
        }
    };

    // The mean magnitude of gradients around each pixel; gradients at holes do not count.
    void measure_texture(Level &level)
    {
        Floats magnitudes(level.hole.size()), counted(level.hole.size());
        const Bytes &hole = level.hole, &pixels = level.pixels;
        for (int y = 0; y < level.height; ++y)
            for (int x = 0; x < level.width; ++x)
            {
                const int at = y * level.width + x;
                const Neighbours near(level, y, x);
                if (hole[at] | hole[near.up] | hole[near.down] | hole[near.left] | hole[near.right])
                    continue;
                int sum = 0;
                for (int c = 0; c < 3; ++c)
                    sum += std::abs(pixels[3 * near.down + c] - pixels[3 * near.up + c]) +
                           std::abs(pixels[3 * near.right + c] - pixels[3 * near.left + c]);
                magnitudes[at] = sum / 2.0F;
                counted[at] = 1;
            }
        const Floats sums = sum_squares(level, magnitudes, TEXTURE_REACH);
        const Floats counts = sum_squares(level, counted, TEXTURE_REACH);
        level.texture.assign(hole.size(), -1);
        for (std::size_t at = 0; at < hole.size(); ++at)
            if (!hole[at] && counts[at] > 0)
                level.texture[at] = sums[at] / counts[at];
        carry_in(level.texture, level.height, level.width);
    }

    // ------------------------------------------------------------------------------------------------- scales

    // Half the scale: the known pixels under a kernel of 6x6, and those of the fill where there are none.
    void halve_pixel(const Level &fine, int row, int column, Level &half)
    {
        constexpr int KERNEL[] = {1, 5, 10, 10, 5, 1};
        int known[3] = {}, all[3] = {}, known_weight = 0, weight = 0;
        for (int y = std::max(2 * row - 2, 0); y <= std::min(2 * row + 3, fine.height - 1); ++y)
            for (int x = std::max(2 * column - 2, 0); x <= std::min(2 * column + 3, fine.width - 1); ++x)
            {
                const int at = y * fine.width + x;
                const int share = KERNEL[y - 2 * row + 2] * KERNEL[x - 2 * column + 2];
                const int seen = fine.hole[at] ? 0 : share;
                for (int c = 0; c < 3; ++c)
                {
                    all[c] += share * fine.pixels[3 * at + c];
                    known[c] += seen * fine.pixels[3 * at + c];
                }
                weight += share;
                known_weight += seen;
            }
        const int to = row * half.width + column;
        half.hole[to] = known_weight == 0;
        for (int c = 0; c < 3; ++c)
            half.pixels[3 * to + c] = known_weight > 0 ? known[c] / known_weight : all[c] / weight;
    }

    Level halve(const Level &fine)
    {
        Level half;
        half.height = fine.height / 2;
        half.width = fine.width / 2;
        const std::size_t size = static_cast<std::size_t>(half.height) * half.width;
        half.pixels.resize(3 * size);
        half.hole.resize(size);
        half.texture.resize(size);
        for (int y = 0; y < half.height; ++y)
            for (int x = 0; x < half.width; ++x)
            {
                halve_pixel(fine, y, x, half);
                half.texture[y * half.width + x] = mean_of_known(fine.texture, fine.height, fine.width, 2 * y, 2 * x);
            }
        return half;
    }

    // ------------------------------------------------------------------------------------------------- search

    void describe(const Level &level, int row, int column, float texture, std::uint8_t *features)
    {
        const Neighbours near(level, row, column);
        const std::uint8_t *pixels = level.pixels.data();
        const int at = row * level.width + column;
        int down = 0, right = 0;
        for (int c = 0; c < 3; ++c)
        {
            features[c] = pixels[3 * at + c];
            down += pixels[3 * near.down + c] - pixels[3 * near.up + c];
            right += pixels[3 * near.right + c] - pixels[3 * near.left + c];
        }
        features[DOWN] = to_byte(128 + GRADIENT * down);
        features[RIGHT] = to_byte(128 + GRADIENT * right);
        features[TEXTURE] = to_byte(texture * level.texture[at]);
    }

    // Describe the chosen pixels as sources, or as what is expected.
    void describe_all(const Level &level, const Bytes &chosen, float texture, Bytes &features)
    {
        features.resize(level.hole.size() * FEATURES);
        for (int y = 0; y < level.height; ++y)
            for (int x = 0; x < level.width; ++x)
                if (const std::size_t at = static_cast<std::size_t>(y) * level.width + x; chosen[at])
                    describe(level, y, x, texture, &features[at * FEATURES]);
    }

    // Finds sources for the patches of a level that have holes.
    class Search
    {
    public:
        Search(Level &level, int radius, Random &random) : m_level(level), m_radius(radius), m_random(random)
        {
            const Bytes near = find_near_holes(level, radius);
            level.valid.assign(near.size(), 0);
            level.links.assign(near.size(), {0, 0, -1});
            level.weights.assign(near.size(), 0);
            for (int y = radius; y < level.height - radius; ++y)
                for (int x = radius; x < level.width - radius; ++x)
                {
                    const int at = y * level.width + x;
                    level.valid[at] = !near[at];
                    (near[at] ? level.nodes : m_sources).push_back(at);
                }
        }

        std::size_t sources() const
        {
            return m_sources.size();
        }

        void start_randomly()
        {
            for (int node : m_level.nodes)
                choose_randomly(node, m_level.links[node] = {0, 0, NEVER});
        }

        // Start from the sources at half the scale, with the weights of their votes.
        void start_from(const Level &half)
        {
            for (int node : m_level.nodes)
            {
                Link &link = m_level.links[node] = {0, 0, NEVER};
                m_level.weights[node] = MIN_WEIGHT;
                const int row = node / m_level.width, column = node % m_level.width;
                if (const int from = nearest_node(half, row / 2, column / 2); from >= 0)
                {
                    m_level.weights[node] = half.weights[from];
                    const int down = half.links[from].row - from / half.width;
                    const int right = half.links[from].column - from % half.width;
                    choose_near(node, row + 2 * down, column + 2 * right, link);
                }
                if (link.cost == NEVER)
                    choose_randomly(node, link);
            }
        }

        // Measure the sources again, on a changed fill.
        void measure()
        {
            for (int node : m_level.nodes)
            {
                Link &link = m_level.links[node];
                link.cost = distance(node, link.row * m_level.width + link.column, NEVER);
            }
        }

        void improve(int passes)
        {
            for (int pass = 0; pass < passes; ++pass)
            {
                std::for_each(m_level.nodes.begin(), m_level.nodes.end(), [&](int node) { improve(node, -1); });
                std::for_each(m_level.nodes.rbegin(), m_level.nodes.rend(), [&](int node) { improve(node, 1); });
            }
            const float side = 2.0F * m_radius + 1;
            for (int node : m_level.nodes)
            {
                const float ratio = m_level.links[node].cost / (side * side * LARGEST * ALIKE);
                m_level.weights[node] = std::exp(-ratio * ratio * ratio * ratio * ratio) + MIN_WEIGHT;
            }
        }

    private:
        // A node of a level within two pixels, or -1.
        static int nearest_node(const Level &level, int row, int column)
        {
            for (int reach = 0; reach <= 2; ++reach)
            {
                int found = -1;
                visit_square(level, row, column, reach, [&level, &found](int at) {
                    if (found < 0 && level.links[at].cost >= 0)
                        found = at;
                });
                if (found >= 0)
                    return found;
            }
            return -1;
        }

        // Take the best source within the least of two pixels where there is any.
        void choose_near(int node, int row, int column, Link &link) const
        {
            for (int reach = 0; reach <= 2 && link.cost == NEVER; ++reach)
                for (int y = row - reach; y <= row + reach; ++y)
                    for (int x = column - reach; x <= column + reach; ++x)
                        try_place(node, y, x, link);
        }

        void choose_randomly(int node, Link &link)
        {
            for (int number = 0; number < TRIES; ++number)
            {
                const int source = m_sources[m_random.below(static_cast<int>(m_sources.size()))];
                try_place(node, source / m_level.width, source % m_level.width, link);
            }
        }

        void improve(int node, int further)
        {
            Link &link = m_level.links[node];
            continue_from(node + further, 0, further, node, link);
            continue_from(node + further * m_level.width, further, 0, node, link);
            int radius = std::max(m_level.height, m_level.width) / 2;
            for (; radius > 0 && link.cost > 0; radius /= 2)
            {
                const int row = link.row + m_random.below(2 * radius + 1) - radius;
                try_place(node, row, link.column + m_random.below(2 * radius + 1) - radius, link);
            }
        }

        // Try the source that continues that of a neighbour.
        void continue_from(int beside, int down, int right, int node, Link &link) const
        {
            const Link &other = m_level.links[beside]; // nodes have a margin, so that it is in the photo
            const int row = other.row - down, column = other.column - right;
            if (other.cost >= 0 && (row != link.row || column != link.column))
                try_place(node, row, column, link);
        }

        void try_place(int node, int row, int column, Link &link) const
        {
            if (row < 0 || column < 0 || row >= m_level.height || column >= m_level.width)
                return;
            const int source = row * m_level.width + column;
            if (!m_level.valid[source])
                return;
            const int cost = distance(node, source, link.cost);
            if (cost < link.cost)
                link = {row, column, cost};
        }

        // The squared distance of two patches, or `enough` if it is not less.
        int distance(int node, int source, int enough) const
        {
            const std::ptrdiff_t stride = static_cast<std::ptrdiff_t>(m_level.width) * FEATURES;
            const std::ptrdiff_t corner = m_radius * (stride + FEATURES);
            const std::uint8_t *wanted = &m_level.expected[static_cast<std::size_t>(node) * FEATURES] - corner;
            const std::uint8_t *offered = &m_level.offered[static_cast<std::size_t>(source) * FEATURES] - corner;
            int total = 0;
            for (int row = 0; row <= 2 * m_radius && total < enough; ++row, wanted += stride, offered += stride)
            {
                __m128i sum = squares<false>(wanted, offered);
                for (int column = 1; column < 2 * m_radius; column += 2)
                {
                    sum = _mm_add_epi32(sum, squares<false>(wanted + column * FEATURES, offered + column * FEATURES));
                    sum = _mm_add_epi32(sum, squares<true>(wanted + column * FEATURES, offered + column * FEATURES));
                }
                sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
                sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
                total += _mm_cvtsi128_si32(sum);
            }
            return std::min(total, enough);
        }

        // Squared differences of a pixel's features, or of the next one's; more texture than is wanted costs nothing.
        template <bool NEXT> static __m128i squares(const std::uint8_t *wanted, const std::uint8_t *offered)
        {
            const __m128i zero = _mm_setzero_si128();
            const __m128i least = _mm_setr_epi16(-256, -256, -256, -256, -256, 0, 0, 0);
            const auto load = [zero](const std::uint8_t *bytes) {
                const auto *at = reinterpret_cast<const __m128i *>(bytes);
                return NEXT ? _mm_unpackhi_epi8(_mm_loadu_si128(at), zero) : _mm_unpacklo_epi8(_mm_loadl_epi64(at), zero);
            };
            const __m128i difference = _mm_max_epi16(_mm_sub_epi16(load(wanted), load(offered)), least);
            return _mm_madd_epi16(difference, difference);
        }

        Level &m_level;
        int m_radius;
        Random &m_random;
        std::vector<int> m_sources;
    };

    // ------------------------------------------------------------------------------------------------- votes

    enum class Votes
    {
        MEAN,  // lays out the structure
        SPLIT, // the mean of low frequencies and the detail of the best vote: a mean of all is too smooth to match well
        BEST,  // is sharp
    };

    // The means of 3x3 pixels, without holes.
    Bytes blur_known(const Level &level)
    {
        Bytes low(level.pixels.size());
        for (int y = 0; y < level.height; ++y)
            for (int x = 0; x < level.width; ++x)
            {
                const int at = y * level.width + x;
                if (level.hole[at])
                    continue;
                int sums[3] = {}, count = 0;
                visit_square(level, y, x, 1, [&level, &sums, &count](int near) {
                    if (level.hole[near])
                        return;
                    for (int c = 0; c < 3; ++c)
                        sums[c] += level.pixels[3 * near + c];
                    ++count;
                });
                for (int c = 0; c < 3; ++c)
                    low[3 * at + c] = sums[c] / count;
            }
        return low;
    }

    // The mean difference in colour of each node's patch to its source, which copies add: the photo may be lighter there.
    Floats measure_shifts(const Level &level, int radius, float most)
    {
        Floats shifts(level.pixels.size());
        for (int node : level.nodes)
        {
            const int further = level.links[node].row * level.width + level.links[node].column - node;
            int sums[3] = {};
            visit_square(level, node / level.width, node % level.width, radius, [&level, &sums, further](int at) {
                for (int c = 0; c < 3; ++c)
                    sums[c] += level.pixels[3 * at + c] - level.pixels[3 * (at + further) + c];
            });
            const float count = (2.0F * radius + 1) * (2.0F * radius + 1);
            for (int c = 0; c < 3; ++c)
                shifts[3 * node + c] = std::clamp(sums[c] / count, -most, most);
        }
        return shifts;
    }

    class Ballot
    {
    public:
        Ballot(Level &level, int radius, Votes votes)
            : m_level(level), m_radius(radius), m_votes(votes),
              m_low(votes == Votes::SPLIT ? blur_known(level) : Bytes()),
              m_shifts(
                  votes == Votes::MEAN ? Floats(level.pixels.size())
                                       : measure_shifts(level, radius, votes == Votes::BEST ? MAX_SHIFT : 255))
        {
        }

        // Fill the holes; with set_texture, also expect twice the mean texture of the sources there.
        void fill(bool set_texture)
        {
            Bytes pixels = m_level.pixels;
            Floats texture = m_level.texture;
            for (int y = 0; y < m_level.height; ++y)
                for (int x = 0; x < m_level.width; ++x)
                    if (const int at = y * m_level.width + x; m_level.hole[at])
                        fill_pixel(at, count(y, x, at), &pixels[3 * at], texture[at]);
            m_level.pixels = std::move(pixels);
            if (set_texture)
                m_level.texture = std::move(texture);
        }

    private:
        struct Result
        {
            float sums[3] = {}, total = 0, texture = 0, best = 0;
            int best_node = -1;
        };

        int source_of(int node, int at) const
        {
            return m_level.links[node].row * m_level.width + m_level.links[node].column + at - node;
        }

        Result count(int row, int column, int at) const
        {
            Result result;
            const Bytes &colours = m_votes == Votes::SPLIT ? m_low : m_level.pixels;
            const int bottom = std::min(row + m_radius, m_level.height - 1 - m_radius);
            const int right = std::min(column + m_radius, m_level.width - 1 - m_radius);
            for (int y = std::max(row - m_radius, m_radius); y <= bottom; ++y)
                for (int x = std::max(column - m_radius, m_radius); x <= right; ++x)
                {
                    const int node = y * m_level.width + x;
                    const float weight = m_level.weights[node];
                    // Of almost equal votes that of the nearest patch: the first would make blocks.
                    const int apart = (y - row) * (y - row) + (x - column) * (x - column);
                    if (const float score = weight * (1 - 1e-5F * apart); score > result.best)
                    {
                        result.best = score;
                        result.best_node = node;
                    }
                    if (m_votes == Votes::BEST)
                        continue;
                    const int source = source_of(node, at);
                    result.total += weight;
                    result.texture += weight * m_level.texture[source];
                    for (int c = 0; c < 3; ++c)
                        result.sums[c] += weight * (colours[3 * source + c] + m_shifts[3 * node + c]);
                }
            return result;
        }

        void fill_pixel(int at, const Result &result, std::uint8_t *pixel, float &texture) const
        {
            if (result.best_node < 0) // in a corner that no patch reaches
                return;
            const int source = source_of(result.best_node, at);
            for (int c = 0; c < 3; ++c)
            {
                const std::uint8_t sharp = m_level.pixels[3 * source + c];
                if (m_votes == Votes::BEST)
                    pixel[c] = to_byte(sharp + m_shifts[3 * result.best_node + c]);
                else
                    pixel[c] = to_byte(
                        result.sums[c] / result.total + (m_votes == Votes::SPLIT ? sharp - m_low[3 * source + c] : 0));
            }
            texture = 2 * result.texture / result.total;
        }

        Level &m_level;
        int m_radius;
        Votes m_votes;
        Bytes m_low;
        Floats m_shifts;
    };

    // ------------------------------------------------------------------------------------------------- levels

    // Fill a level; from the one at half the scale if there is one.
    void fill_level(Level &level, int number, const Level *half, int radius, Search &search)
    {
        const Effort &effort = EFFORTS[number];
        const Votes votes = number <= 1 ? Votes::SPLIT : Votes::MEAN;
        Bytes known(level.hole.size());
        std::transform(level.hole.begin(), level.hole.end(), known.begin(), [](std::uint8_t hole) { return !hole; });
        describe_all(level, known, OFFERED, level.offered);
        describe_all(level, find_near_holes(level, 2 * radius), EXPECTED, level.expected);
        const Bytes changing = find_near_holes(level, 1);
        const auto vote = [&](Votes kind, bool set_texture) {
            Ballot(level, radius, kind).fill(set_texture);
            describe_all(level, changing, EXPECTED, level.expected);
            search.measure();
        };
        if (half)
        {
            search.start_from(*half);
            vote(votes, number == 0);
        }
        else
        {
            search.start_randomly();
            search.improve(FIRST_PASSES);
        }
        for (int round = 1; round < effort.rounds; ++round)
        {
            search.improve(effort.passes);
            vote(votes, false);
        }
        search.improve(effort.passes);
        if (number == 0)
            Ballot(level, radius, Votes::BEST).fill(false);
    }

    void clip_to_known(Level &level)
    {
        std::uint8_t low[] = {255, 255, 255}, high[] = {0, 0, 0};
        for (std::size_t at = 0; at < level.pixels.size(); ++at)
            if (!level.hole[at / 3])
            {
                low[at % 3] = std::min(low[at % 3], level.pixels[at]);
                high[at % 3] = std::max(high[at % 3], level.pixels[at]);
            }
        for (std::size_t at = 0; at < level.pixels.size(); ++at)
            if (level.hole[at / 3] && low[at % 3] <= high[at % 3])
                level.pixels[at] = std::clamp(level.pixels[at], low[at % 3], high[at % 3]);
    }
} // namespace

// Replace the fill of the holes of photo, height x width x 3, by patches of it, where hole, height x width, is not 0.
// Patches are 2 radius + 1 pixels a side. Where there is no whole patch of known pixels, the fill stays, clipped to them.
extern "C" void fill(unsigned char *photo, const unsigned char *hole, int height, int width, int radius, unsigned seed)
{
    Random random{seed * 2654435761U + 88172645U};
    if (random.state == 0)
        random.state = 1;
    std::vector<Level> levels(1);
    levels[0].height = height;
    levels[0].width = width;
    const std::size_t size = static_cast<std::size_t>(height) * width;
    levels[0].pixels.assign(photo, photo + 3 * size);
    levels[0].hole.assign(hole, hole + size);
    measure_texture(levels[0]);
    while (levels.size() < LEVELS && std::min(levels.back().height, levels.back().width) >= 3 * (2 * radius + 1))
        levels.push_back(halve(levels.back()));
    const Level *half = nullptr;
    for (int number = static_cast<int>(levels.size()) - 1; number >= 0; --number)
    {
        Level &level = levels[number];
        Search search(level, radius, random);
        // A coarser level that has few sources does not lead.
        const std::size_t needed = number > 0 && half == nullptr ? level.nodes.size() / 2 : 0;
        if (level.nodes.empty() || search.sources() == 0 || search.sources() < needed)
        {
            half = nullptr;
            continue;
        }
        fill_level(level, number, half, radius, search);
        half = &level;
    }
    clip_to_known(levels[0]);
    std::copy(levels[0].pixels.begin(), levels[0].pixels.end(), photo);
}
