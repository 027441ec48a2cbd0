// The few things of OpenCV that pypatchmatch's C++ uses, for a build without OpenCV (see ../build.sh).
// Names and meanings are OpenCV's own; pixels lie row by row without gaps, and copies of a matrix share them.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>

#define CV_8U 0
#define CV_32S 4
#define CV_32F 5
#define CV_64F 6
#define CV_MAKETYPE(depth, channels) ((depth) + (((channels)-1) << 3))
#define CV_8UC(channels) CV_MAKETYPE(CV_8U, channels)
#define CV_64FC(channels) CV_MAKETYPE(CV_64F, channels)
#define CV_8UC1 CV_8UC(1)
#define CV_8UC3 CV_8UC(3)
#define CV_32SC3 CV_MAKETYPE(CV_32S, 3)
#define CV_64FC2 CV_64FC(2)
#define CV_64FC3 CV_64FC(3)
// Callers have checked everything, and nothing catches exceptions.
#define CV_Assert(condition) ((condition) ? static_cast<void>(0) : std::abort())

namespace cv
{
    struct Size
    {
        Size() = default;
        Size(int width_, int height_) : width(width_), height(height_) {}
        bool operator==(const Size &other) const
        {
            return width == other.width && height == other.height;
        }
        int width = 0;
        int height = 0;
    };

    // One value for all channels: no other is used.
    struct Scalar
    {
        explicit Scalar(double value_) : value(value_) {}
        static Scalar all(double value)
        {
            return Scalar(value);
        }
        double value;
    };

    template <typename Value, int length>
    struct Vec
    {
        Vec() = default;
        template <typename... Values>
        explicit Vec(Value first, Values... others) : values{first, static_cast<Value>(others)...}
        {
        }
        Value &operator[](int index)
        {
            return values[index];
        }
        Value operator[](int index) const
        {
            return values[index];
        }
        Vec &operator+=(const Vec &other)
        {
            for (int index = 0; index < length; ++index)
                values[index] += other.values[index];
            return *this;
        }
        friend Vec operator+(Vec one, const Vec &two)
        {
            return one += two;
        }
        friend Vec operator-(Vec one, const Vec &two)
        {
            for (int index = 0; index < length; ++index)
                one.values[index] -= two.values[index];
            return one;
        }
        friend Vec operator*(Vec vector, double factor)
        {
            for (Value &value : vector.values)
                value *= factor;
            return vector;
        }
        friend Vec operator/(Vec vector, double divisor)
        {
            return vector * (1 / divisor);
        }
        std::array<Value, length> values{};
    };
    using Vec2d = Vec<double, 2>;
    using Vec3d = Vec<double, 3>;

    template <typename To>
    To saturate_cast(double value)
    {
        static_assert(sizeof(To) == 1, "only bytes are used");
        const double rounded = std::nearbyint(value); // to even, as cvRound does
        return static_cast<To>(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
    }

    class Mat
    {
    public:
        Mat() = default;
        Mat(int rows_, int cols_, int type) : rows(rows_), cols(cols_), m_type(type)
        {
            m_pixels.reset(new unsigned char[total() * elemSize()]);
        }
        Mat(int rows_, int cols_, int type, const Scalar &value) : Mat(rows_, cols_, type)
        {
            setTo(value);
        }
        Mat(Size size, int type) : Mat(size.height, size.width, type) {}
        Mat(Size size, int type, const Scalar &value) : Mat(size.height, size.width, type, value) {}

        Mat clone() const
        {
            if (empty())
                return {};
            Mat copy(rows, cols, m_type);
            std::memcpy(copy.m_pixels.get(), m_pixels.get(), total() * elemSize());
            return copy;
        }
        Mat &setTo(const Scalar &value)
        {
            const std::size_t count = total() * channels();
            switch (depth())
            {
            case CV_8U:
                std::fill_n(m_pixels.get(), count, static_cast<unsigned char>(value.value));
                break;
            case CV_32S:
                std::fill_n(reinterpret_cast<int *>(m_pixels.get()), count, static_cast<int>(value.value));
                break;
            default:
                std::fill_n(reinterpret_cast<double *>(m_pixels.get()), count, value.value);
            }
            return *this;
        }

        bool empty() const
        {
            return total() == 0;
        }
        Size size() const
        {
            return {cols, rows};
        }
        std::size_t total() const
        {
            return static_cast<std::size_t>(rows) * cols;
        }
        int type() const
        {
            return m_type;
        }
        int depth() const
        {
            return m_type & 7;
        }
        int channels() const
        {
            return (m_type >> 3) + 1;
        }
        std::size_t elemSize() const
        {
            const std::size_t value_size = depth() == CV_8U ? 1 : depth() == CV_64F ? 8 : 4;
            return value_size * channels();
        }

        template <typename Value>
        Value *ptr(int y, int x = 0)
        {
            return reinterpret_cast<Value *>(place(y, x));
        }
        template <typename Value>
        const Value *ptr(int y, int x = 0) const
        {
            return reinterpret_cast<const Value *>(place(y, x));
        }
        template <typename Value>
        Value &at(int y, int x)
        {
            return *ptr<Value>(y, x);
        }
        template <typename Value>
        const Value &at(int y, int x) const
        {
            return *ptr<Value>(y, x);
        }

        int rows = 0;
        int cols = 0;

    private:
        unsigned char *place(int y, int x) const
        {
            return m_pixels.get() + (static_cast<std::size_t>(y) * cols + x) * elemSize();
        }

        int m_type = 0;
        std::shared_ptr<unsigned char[]> m_pixels;
    };
} // namespace cv
