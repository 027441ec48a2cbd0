// The interface of PatchMatch for the page. Pixels are passed in memory that the page allocates with `malloc`.
#include <algorithm>
#include <cstring>

#include "inpaint.h"

namespace
{
    cv::Mat matrix(const unsigned char *pixels, int height, int width, int channels)
    {
        cv::Mat made(height, width, CV_8UC(channels));
        std::memcpy(made.ptr<unsigned char>(0), pixels, made.total() * channels);
        return made;
    }
} // namespace

// Fill the holes of photo, height x width x 3, in place, where hole, height x width, is not 0.
extern "C" void fill(unsigned char *photo, const unsigned char *hole, int height, int width, int radius, unsigned seed)
{
    const PatchSSDDistanceMetric metric(radius);
    Inpainting inpainting(matrix(photo, height, width, 3), matrix(hole, height, width, 1), &metric);
    const cv::Mat filled = inpainting.run(false, seed);
    std::memcpy(photo, filled.ptr<unsigned char>(0), filled.total() * 3);
}
