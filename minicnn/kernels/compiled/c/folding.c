/* A normalization with known moments, folded into the convolution before it.
 *
 *     for each filter f
 *         scale = gamma[f] / sqrt(variance[f] + epsilon)
 *         kernel'[..., f] = kernel[..., f] * scale
 *         bias'[f] = (bias[f] - mean[f]) * scale + beta[f]
 *
 * bias, gamma and beta may be NULL: 0, 1 and 0.
 */
#include "common.h"

EXPORT void NAME(fold)(const T *kernel, const T *bias, const T *gamma, const T *beta, const T *mean,
                       const T *variance, double epsilon, Index rows, Index filters,
                       T *restrict folded, T *restrict shift) {
    for (Index f = 0; f < filters; f++) {
        double scale = 1 / __builtin_sqrt(variance[f] + epsilon);
        scale *= gamma ? gamma[f] : 1;
        shift[f] = ((bias ? bias[f] : 0) - (double)mean[f]) * scale + (beta ? beta[f] : 0);
        folded[f] = scale; /* the first row, for now */
    }
    for (Index row = rows - 1; row >= 0; row--)
        for (Index f = 0; f < filters; f++)
            folded[row * filters + f] = kernel[row * filters + f] * folded[f];
}
