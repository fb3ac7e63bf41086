/* Images seen through affine maps, as random rotations, zooms and translations see them.
 *
 *     for each image, row, column
 *         u = a0 * column + a1 * row + a2,    v = b0 * column + b1 * row + b2
 *         y[row, column] = the mean of the four pixels of x around (v, u), by their nearness
 *
 * or the nearest pixel alone. Around its edges x goes on as the mode says (``inside``). Numbers are
 * weighed in their own precision; bytes by whole numbers that add up to 1 << 22, so that the sum of
 * four still fits 31 bits, and rounded.
 */
#include "common.h"

#define BITS 22
#define ONE (1 << BITS)
#define BLOCK 128 /* columns whose places are found together, so that they are found in vectors */

enum { REFLECT, WRAP, NEAREST, CONSTANT }; /* MODES in pixels.py */

typedef struct {
    const uint8_t *x;
    uint8_t *y;
    const double *maps;
    const uint8_t *fill; /* the pixel that is everywhere outside, with CONSTANT */
    Index h, w, c, mode, nearest, bytes;
} Images;

/* A place in x: the pixel above and to the left, and how far it is from there, in ONEs for bytes. */
typedef struct {
    int32_t row[BLOCK], column[BLOCK];
    int32_t down[BLOCK], right[BLOCK];
    T below[BLOCK], beside[BLOCK];
} Places;

/* The pixel of 0 <= i < n that stands at place i, or -1 for the fill. */
RARE Index inside(Index i, Index n, Index mode) {
    if (i >= 0 && i < n)
        return i;
    switch (mode) {
    case REFLECT: /* d c b a | a b c d | d c b a */
        i %= 2 * n;
        i += i < 0 ? 2 * n : 0;
        return i < n ? i : 2 * n - 1 - i;
    case WRAP: /* a b c d | a b c d | a b c d */
        i %= n;
        return i < 0 ? i + n : i;
    case NEAREST: /* a a a a | a b c d | d d d d */
        return i < 0 ? 0 : n - 1;
    }
    return -1;
}

/* The largest whole number that is not above a; __builtin_floor keeps GCC from using vectors. */
INLINE int32_t floor_of(double a) {
    int32_t cut = (int32_t)a;
    return cut - (cut > a);
}

/* Where the pixels first, first + 1, ... of a row of y lie, along one axis of x. */
INLINE void places(double factor, double start, Index first, Index n, int nearest, int bytes,
                   int32_t *restrict whole, int32_t *restrict ones, T *restrict part) {
    for (Index i = 0; i < n; i++) {
        double at = factor * (double)(first + i) + start;
        whole[i] = floor_of(nearest ? at + 0.5 : at);
        if (bytes)
            ones[i] = (int32_t)((at - whole[i]) * ONE + 0.5);
        else
            part[i] = (T)(at - whole[i]);
    }
}

/* A pixel of y between four of x. */
INLINE void between_bytes(uint8_t *y, const uint8_t *const p[4], int32_t right, int32_t down,
                          Index c) {
    int32_t both = (int32_t)((int64_t)right * down >> BITS);
    int32_t beside = right - both, below = down - both, here = ONE - beside - down;
    for (Index k = 0; k < c; k++) {
        int32_t sum = p[0][k] * here + p[1][k] * beside + p[2][k] * below + p[3][k] * both;
        y[k] = (uint8_t)((sum + ONE / 2) >> BITS);
    }
}

INLINE void between(T *y, const T *const p[4], T right, T down, Index c) {
    T both = right * down, beside = right - both, below = down - both;
    T here = 1 - beside - down;
    for (Index k = 0; k < c; k++)
        y[k] = p[0][k] * here + p[1][k] * beside + p[2][k] * below + p[3][k] * both;
}

/* A row of y; ``c``, ``bytes`` and ``nearest`` are constants where it is called. */
INLINE void seen(const Images *images, Index number, Index c, int bytes, int nearest) {
    Index h = images->h, w = images->w, row = number % h, mode = images->mode;
    Index pixel = c * (bytes ? 1 : (Index)sizeof(T));
    const double *map = images->maps + number / h * 6;
    const uint8_t *x = images->x + number / h * h * w * pixel;
    uint8_t *y = images->y + number * w * pixel;
    double u = map[1] * (double)row + map[2], v = map[4] * (double)row + map[5];
    Places at;
    for (Index first = 0; first < w; first += BLOCK) {
        Index n = least(BLOCK, w - first);
        places(map[0], u, first, n, nearest, bytes, at.column, at.right, at.beside);
        places(map[3], v, first, n, nearest, bytes, at.row, at.down, at.below);
        for (Index i = 0; i < n; i++, y += pixel) {
            Index top = at.row[i], left = at.column[i];
            const uint8_t *p[4];
            if (top >= 0 && left >= 0 && top < h - 1 && left < w - 1) {
                p[0] = x + (top * w + left) * pixel;
                p[1] = p[0] + pixel;
                p[2] = p[0] + w * pixel;
                p[3] = p[2] + pixel;
            } else {
                for (Index k = 0; k < (nearest ? 1 : 4); k++) {
                    Index r = inside(top + k / 2, h, mode), s = inside(left + k % 2, w, mode);
                    p[k] = r < 0 || s < 0 ? images->fill : x + (r * w + s) * pixel;
                }
            }
            if (nearest)
                memcpy(y, p[0], (size_t)pixel);
            else if (bytes)
                between_bytes(y, p, at.right[i], at.down[i], c);
            else
                between((T *)y, (const T *const *)p, at.beside[i], at.below[i], c);
        }
    }
}

static void work(void *context, Index number, Index worker) {
    const Images *images = context;
    Index c = images->c;
    (void)worker;
    if (images->nearest)
        seen(images, number, c, 1, 1);
    else if (images->bytes)
        c == 3 ? seen(images, number, 3, 1, 0) : seen(images, number, c, 1, 0);
    else
        c == 3 ? seen(images, number, 3, 0, 0) : seen(images, number, c, 0, 0);
}

/* x and y are (n, h, w, c), maps (n, 2, 3), fill (c,). */
EXPORT void NAME(resample)(const void *x, const double *maps, const void *fill, Index n, Index h,
                           Index w, Index c, Index mode, Index nearest, Index bytes, void *y,
                           Index threads) {
    if (nearest && !bytes) /* pixels are only copied */
        c *= (Index)sizeof(T);
    Images images = {x, y, maps, fill, h, w, c, mode, nearest, bytes};
    minicnn_parallel_for(n * h, n * h * w < 4096 ? 1 : threads, work, &images);
}
