/* Sums over many numbers: of each channel, over all pixels or over those of each image.
 *
 *     for (g = 0; g < GROUPS; g++)
 *       for (p = 0; p < PIXELS; p++)
 *         for (c = 0; c < C; c++)
 *           y[g][c] += x[g][p][c];
 *
 * A million numbers added one after the other in single precision lose three of its seven digits:
 * once the sum is large, most of what is added is rounded away. So a few are added in T, and the
 * sums of these in double. The few are some rows of many numbers: as many pixels side by side as
 * make long loops also where there are three channels. The rows of a group are cut into parts, by
 * the shape alone, for the threads; what the parts give is added up in order.
 */
#include "common.h"

enum { FEW = 64 };

typedef struct {
    const T *x;
    Index parts, rows, wide, numbers; /* of each group; the last row may hold less than ``wide`` */
    T *few;                           /* wide numbers for each worker */
    double *all;                      /* for each group and part */
} Pass;

static void add_part(void *context, Index task, Index worker) {
    const Pass *pass = context;
    Index group = task / pass->parts, part = task % pass->parts, wide = pass->wide;
    Index row = part * pass->rows / pass->parts, last = (part + 1) * pass->rows / pass->parts;
    const T *x = pass->x + group * pass->numbers;
    T *restrict few = pass->few + worker * wide;
    double *restrict all = pass->all + task * wide;
    memset(all, 0, wide * sizeof(double));
    while (row < last) {
        memset(few, 0, wide * sizeof(T));
        Index next = least(row + FEW, last);
        for (; row + 4 <= next && (row + 4) * wide <= pass->numbers; row += 4) {
            const T *restrict a = x + row * wide;
            for (Index k = 0; k < wide; k++)
                few[k] += (a[k] + a[wide + k]) + (a[2 * wide + k] + a[3 * wide + k]);
        }
        for (; row < next; row++) {
            Index count = least(wide, pass->numbers - row * wide);
            for (Index k = 0; k < count; k++)
                few[k] += x[row * wide + k];
        }
        for (Index k = 0; k < wide; k++)
            all[k] += few[k];
    }
}

/* y, (groups, c), of x, (groups, pixels, c), some pixels ``together`` at a time; over ``divisor``. */
EXPORT void NAME(sums)(Index groups, Index pixels, Index c, Index together, Index parts,
                       Index threads, double divisor, const T *x, T *y, T *few, double *all) {
    Index wide = together * c, numbers = pixels * c;
    Pass pass = {x, parts, (pixels + together - 1) / together, wide, numbers, few, all};
    minicnn_parallel_for(groups * parts, threads, add_part, &pass);
    for (Index g = 0; g < groups; g++) {
        double *sum = all + g * parts * wide;
        for (Index p = 1; p < parts * together; p++)
            for (Index k = 0; k < c; k++)
                sum[k] += sum[p * c + k];
        for (Index k = 0; k < c; k++)
            y[g * c + k] = (T)(sum[k] / divisor);
    }
}
