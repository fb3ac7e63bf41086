/* From pixels to planes, and from the planes that planar.c has made to the pixels of y.
 *
 *     for (w = 0; w < W; w++)
 *       for (f = 0; f < F; f++)
 *         to[w][f] = from[f][w];
 *
 * Some vectors of one filter's columns are zipped, the first half of them with the second half, until
 * the filters of a pixel are neighbours. Before that comes the pooling down the columns, where all
 * lanes are at work; after it, on fewer pixels, the pooling across them:
 *
 *     y[r][q][f] = the maximum, or the mean, over i < PH, j < PW of z[f][r * PH + i][q * PW + j]
 */
#include "convolution.h"

/* Two vectors as a zip closes: a0 b0 a1 b1 ..., of which this is the first half, or the second. */
#define LANES_HERE (VECTOR_BYTES / (DOUBLE ? 8 : 4))
#if LANES_HERE == 16
#define FIRST 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SECOND 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES_HERE == 8
#define FIRST 0, 8, 1, 9, 2, 10, 3, 11
#define SECOND 4, 12, 5, 13, 6, 14, 7, 15
#elif LANES_HERE == 4
#define FIRST 0, 4, 1, 5
#define SECOND 2, 6, 3, 7
#else
#define FIRST 0, 2
#define SECOND 1, 3
#endif
#if defined(__clang__)
#define HALF(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define HALF(a, b, ...) __builtin_shuffle(a, b, (Lanes){__VA_ARGS__})
#endif

/* Zipped ``times`` times: of a number's place among TURNED vectors of LANES, written in digits of 0
 * and 1, the first digits become the last ones. */
INLINE void zip(Vector v[TURNED], int times) {
    for (int some = 1; some < times; some *= 2) {
        Vector zipped[TURNED];
        for (int k = 0; k < TURNED / 2; k++) {
            zipped[2 * k] = HALF(v[k], v[k + TURNED / 2], FIRST);
            zipped[2 * k + 1] = HALF(v[k], v[k + TURNED / 2], SECOND);
        }
        memcpy(v, zipped, sizeof zipped);
    }
}

/* Columns of planes, which are ``apart``, as pixels, which are ``wide``: to[w * wide + f]. A pixel
 * may have room for filters that there are none of. */
static void turn(const T *from, Index apart, Index columns, Index filters, T *to, Index wide) {
    for (Index w = 0; w < columns; w += LANES)
        for (Index f = 0; f < filters; f += TURNED) {
            Vector v[TURNED];
            for (int k = 0; k < TURNED; k++)
                v[k] = f + k < filters ? load(from + (f + k) * apart + w) : (Vector){0};
            zip(v, TURNED);
            T *pixel = to + w * wide + f;
            Index left = least(wide - f, TURNED);
            if (wide == TURNED && columns - w >= LANES) {
                memcpy(pixel, v, sizeof v);
                continue;
            }
            for (Index p = 0; p < least(LANES, columns - w); p++, pixel += wide)
                if (left == TURNED)
                    memcpy(pixel, (const T *)v + p * TURNED, TURNED * sizeof(T));
                else
                    copy_some(pixel, (const T *)v + p * TURNED, left * sizeof(T), TURNED * sizeof(T));
        }
}

/* Pixels as planes: to[c * apart + w] = from[w * C + c]. */
static void turn_back(const T *from, Index columns, Index channels, T *to, Index apart) {
    for (Index w = 0; w < columns; w += LANES)
        for (Index c = 0; c < channels; c += TURNED) {
            Vector v[TURNED];
            Index real = least(TURNED, channels - c);
            for (Index p = 0; p < LANES; p++) { /* beyond the last: the last, again */
                const T *pixel = from + least(w + p, columns - 1) * channels + c;
                if (real == TURNED)
                    memcpy((T *)v + p * TURNED, pixel, TURNED * sizeof(T));
                else
                    copy_some((T *)v + p * TURNED, pixel, real * sizeof(T),
                              TURNED * sizeof(T));
            }
            zip(v, LANES);
            for (Index k = 0; k < real; k++)
                store_some(to + (c + k) * apart + w, v[k], columns - w);
        }
}

/* The same, of channels that are so few that they are sorted one by one. */
#define SORT(C)                                                                                    \
    for (Index c = 0; c < C; c++)                                                                  \
        for (Index w = 0; w < columns; w++)                                                        \
            to[c * apart + w] = from[w * C + c];
void NAME(to_planes)(const T *from, Index columns, Index channels, T *to, Index apart) {
    switch (channels) {
    case 1: SORT(1) break;
    case 2: SORT(2) break;
    case 3: SORT(3) break;
    case 4: SORT(4) break;
    default: turn_back(from, columns, channels, to, apart);
    }
}

/* The maximum down the columns of a row of windows, and the row it comes from, which is the first
 * that is as large; a NaN is larger than all. */
static void largest_down(const Planar *it, const T *z, Index filters, Index ph, T *best, T *place) {
    for (Index f = 0; f < filters; f++)
        for (Index w = 0; w < it->columns; w += LANES) {
            const T *from = z + f * it->apart + w;
            Vector largest = load(from);
            Lanes winner = {0};
            for (Index i = 1; i < ph; i++) {
                Vector y = load(from + i * it->columns);
                Lanes better = ~(y <= largest) & (largest == largest);
                largest = choose(better, y, largest);
                winner = (better & ((Lane)i - (Lanes){0})) | (winner & ~better);
            }
            store(best + f * it->columns + w, largest);
            store(place + f * it->columns + w, (Vector)winner);
        }
}

/* Rows of windows, which a byte holds; behind the last filter there may be anything. */
INLINE Lanes rows_at(const T *place) { return (Lanes)load(place) & 255; }

/* The same across the columns of a window, of a vector of filters. */
INLINE void largest_across(const Convolution *it, const T *best, const T *place, Index wide,
                           Index left, T *y, uint8_t *kept) {
    Vector largest = load(best), zero = {0};
    const Lanes across = (Lane)it->pw - (Lanes){0};
    Lanes winner = rows_at(place) * across;
    for (Index j = 1; j < it->pw; j++) {
        Vector z = load(best + j * wide);
        Lanes k = rows_at(place + j * wide) * across + (Lane)j;
        Lanes same = (z == largest) | ((z != z) & (largest != largest));
        Lanes better = (~(z <= largest) & (largest == largest)) | (same & (k < winner));
        largest = choose(better, z, largest);
        winner = (better & k) | (winner & ~better);
    }
    if (it->relu)
        largest = choose(largest < zero, zero, largest);
    store_some(y, largest, left);
    if (kept)
        store_bytes(kept, winner, left);
}

/* Which numbers of pixels are more than 0, a byte each. Eight are written at once where there is room
 * in what follows; those that are too many the next pixel writes over. */
static void keep_passed(const T *pixels, Index columns, Index filters, Index wide, uint8_t *bytes,
                        uint8_t *passed) {
    for (Index i = 0; i < columns * wide; i++)
        bytes[i] = pixels[i] > 0;
    Index w = 0;
    for (; wide == 8 && (columns - w) * filters >= 8; w++)
        memcpy(passed + w * filters, bytes + w * 8, 8);
    for (; w < columns; w++)
        memcpy(passed + w * filters, bytes + w * wide, filters);
}

/* The mean of windows, first down the columns and then across. */
static void sum_down(const Planar *it, const T *z, Index filters, Index ph, T *sums) {
    for (Index f = 0; f < filters; f++)
        for (Index w = 0; w < it->columns; w += LANES) {
            const T *from = z + f * it->apart + w;
            Vector sum = load(from);
            for (Index i = 1; i < ph; i++)
                sum += load(from + i * it->columns);
            store(sums + f * it->columns + w, sum);
        }
}

static void mean_across(const T *sums, Index pw, Index wide, T part, Index left, T *y) {
    Vector sum = load(sums);
    for (Index j = 1; j < pw; j++)
        sum += load(sums + j * wide);
    store_some(y, sum * splat(part), left);
}

/* A row of windows, of which z is the first row, pooled. */
static void pool(const Pass *pass, const Made *made, const T *z, T *y, uint8_t *kept) {
    const Convolution here = pass->it, *it = &here; /* which what is written to y cannot change */
    const Planar planar = pass->planar;
    Index filters = it->filters, wide = planar.wide;
    T part = (T)1 / (it->ph * it->pw);
    if (it->pool == MAX_POOL) {
        largest_down(&planar, z, filters, it->ph, made->best, made->place);
        turn(made->place, planar.columns, it->ow, filters, made->places, wide);
    } else
        sum_down(&planar, z, filters, it->ph, made->best);
    turn(made->best, planar.columns, it->ow, filters, made->pixels, wide);
    for (Index q = 0; q < it->ow / it->pw; q++, y += filters)
        for (Index f = 0; f < filters; f += LANES) {
            Index at = q * it->pw * wide + f;
            if (it->pool == MAX_POOL)
                largest_across(it, made->pixels + at, made->places + at, wide, filters - f, y + f,
                               kept ? kept + q * filters + f : 0);
            else
                mean_across(made->pixels + at, it->pw, wide, part, filters - f, y + f);
        }
}

/* Rows first <= r < first + rows of an image have been made: what follows, and y. */
void NAME(planar_tail)(const Pass *pass, const Made *made, Index image, Index first, Index rows) {
    const Convolution *it = &pass->it;
    Index filters = it->filters, down = pass->planar.columns, wide = pass->planar.wide;
    Index row = it->ow / it->pw * filters; /* of y */
    T *y = pass->y + (image * (it->oh / it->ph) + first / it->ph) * row;
    if (!it->pool) {
        for (Index r = 0; r < rows; r++, y += row)
            turn(made->z + r * down, pass->planar.apart, it->ow, filters, y, filters);
        return;
    }
    uint8_t *won = it->pool == MAX_POOL && pass->kept ? pass->kept + (y - pass->y) : 0;
    for (Index r = 0; r < rows; r += it->ph, y += row, won += won ? row : 0)
        pool(pass, made, made->z + r * down, y, won);
    if (it->pool == MEAN_POOL && it->relu && pass->kept)
        for (Index r = 0; r < rows; r++) {
            turn(made->z + r * down, pass->planar.apart, it->ow, filters, made->pixels, wide);
            keep_passed(made->pixels, it->ow, filters, wide, (uint8_t *)made->places,
                        pass->kept + (image * it->oh + first + r) * it->ow * filters);
        }
}

