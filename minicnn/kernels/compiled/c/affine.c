/* Pictures turned, moved or zoomed as SciPy's ndimage does it, for ImageDataGenerator.
 *
 *     for each picture, row, column
 *         v = (b0 + row * m00) + column * m01,    u = (b1 + row * m10) + column * m11
 *         v, u = those places brought inside the picture, as the mode says
 *         y[row, column] = the pixel of x nearest to (v, u), or the four around it, lerp by lerp
 *
 * Halves and borders are decided by the last bits of a place. So every operation is rounded by
 * itself, in the order of minicnn/preprocessing/affine.py: the results are the same to the bit.
 */
#include "common.h"

#define BLOCK 128 /* columns whose places are found together, so that they are found in vectors */

enum { NEAREST, REFLECT, WRAP, CONSTANT }; /* MODES in affine.py */

typedef struct {
    const T *x;
    T *y;
    const double *matrices, *offsets;
    T outside;
    Index h, w, c, mode, order;
} Pictures;

/* A place along an axis of n pixels, brought to from -1/2 to n - 1/2. */
INLINE double brought(double at, Index n, Index mode) {
    if (mode == REFLECT && n > 1) {
        if (at < -n || at > 2 * n - 1) {
            at -= 2 * n * __builtin_trunc(at / (2 * n));
            at += at < -n ? 2 * n : 0;
        }
        at = at < 0 ? -1 - at : at;
        return at > n - 1 ? 2 * n - 1 - at : at;
    }
    if (mode == WRAP && n > 1) { /* the first and the last pixel fall together */
        Index period = n - 1;
        double turns = __builtin_trunc(at / period);
        return at < 0 ? at + period * (1 - turns) : at > period ? at - period * turns : at;
    }
    return at < 0 ? 0 : at > n - 1 ? n - 1 : at;
}

/* The pixel before each of some places, and how far behind it they are. */
INLINE void places(double start, double factor, Index first, Index count, Index n, Index mode,
                   Index order, int32_t *restrict whole, T *restrict part,
                   int32_t *restrict beyond) {
    for (Index i = 0; i < count; i++) {
        double at = start + (double)(first + i) * factor;
        beyond[i] |= (at < 0) | (at > n - 1);
        at = brought(at, n, mode);
        at = order ? at : at + 0.5;
        double floor = __builtin_floor(at);
        part[i] = (T)(at - floor);
        whole[i] = floor >= 0 ? floor < n ? (int32_t)floor : (int32_t)n : -1; /* -1 for NaN */
    }
}

INLINE Index within(Index i, Index n) { return i < 0 ? 0 : i < n ? i : n - 1; }

/* A row of y. */
static void row(void *context, Index number, Index worker) {
    const Pictures *them = context;
    Index h = them->h, w = them->w, c = them->c, picture = number / h;
    const double *m = them->matrices + picture * 4, *b = them->offsets + picture * 2;
    const T *x = them->x + picture * h * w * c;
    T *y = them->y + number * w * c;
    double r = (double)(number % h), v = b[0] + r * m[0], u = b[1] + r * m[2];
    int32_t top[BLOCK], left[BLOCK], beyond[BLOCK];
    T down[BLOCK], right[BLOCK];
    (void)worker;
    for (Index first = 0; first < w; first += BLOCK) {
        Index count = least(BLOCK, w - first);
        memset(beyond, 0, sizeof beyond);
        places(v, m[1], first, count, h, them->mode, them->order, top, down, beyond);
        places(u, m[3], first, count, w, them->mode, them->order, left, right, beyond);
        for (Index i = 0; i < count; i++, y += c) {
            Index t = within(top[i], h) * w, l = within(left[i], w);
            Index d = within(top[i] + 1, h) * w, s = within(left[i] + 1, w);
            for (Index k = 0; k < c; k++) {
                T here = x[(t + l) * c + k];
                if (them->mode == CONSTANT && beyond[i]) {
                    here = them->outside;
                } else if (them->order) {
                    T below = x[(d + l) * c + k];
                    here += (x[(t + s) * c + k] - here) * right[i];
                    below += (x[(d + s) * c + k] - below) * right[i];
                    here += (below - here) * down[i];
                }
                y[k] = here;
            }
        }
    }
}

/* x and y are (n, h, w, c), matrices (n, 2, 2), offsets (n, 2). */
EXPORT void NAME(affine)(const T *x, const double *matrices, const double *offsets, double outside,
                         Index n, Index h, Index w, Index c, Index mode, Index order, T *y,
                         Index threads) {
    Pictures them = {x, y, matrices, offsets, (T)outside, h, w, c, mode, order};
    minicnn_parallel_for(n * h, n * h * w < 4096 ? 1 : threads, row, &them);
}
