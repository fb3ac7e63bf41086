/* What follows a convolution in the same pass, and back: ReLU, and pooling of windows side by side.
 *
 *     y[n][r][q][f] = the maximum, or the mean, over i < PH, j < PW
 *         of relu(z[n][r * PH + i][q * PW + j][f])
 *
 *     dz[n][r * PH + i][q * PW + j][f] = dy[n][r][q][f] if that pixel was the first maximum
 *                                        (dy / (PH * PW) for the mean), and z > 0; else 0
 *
 * Rows and columns that fill no window are left out, and have no gradient. The forward pass keeps of
 * z only which pixel won, or which passed the ReLU before a mean, a byte each.
 */
#include "convolution.h"

/* Rows of the convolution pooled, a vector of filters at a time: windows side by side.
 *
 *     winner = 0;
 *     for (k = 1; k < PH * PW; k++)
 *       if (z[k] > z[winner] || isnan(z[k]) && !isnan(z[winner]))
 *         winner = k;
 */
INLINE void pool_window(const Convolution *it, const T *made, Index wide, T part, Index left, T *y,
                        uint8_t *kept) {
    Vector best = load(made), zero = {0};
    Lanes winner = {0};
    for (Index i = 0, k = 0; i < it->ph; i++)
        for (Index j = 0; j < it->pw; j++, k++) {
            Vector z = load(made + (i * it->ow + j) * wide);
            if (it->pool == MAX_POOL) {
                Lanes better = ~(z <= best) & (best == best);
                best = choose(better, z, best);
                winner = (better & ((Lane)k - (Lanes){0})) | (winner & ~better);
            } else if (k)
                best += z;
        }
    if (it->pool == MEAN_POOL)
        best *= splat(part);
    else if (it->relu)
        best = choose(best < zero, zero, best);
    store_some(y, best, left);
    if (kept)
        store_bytes(kept, winner, left);
}

void NAME(pool_rows)(const Pass *pass, const T *made, Index first, Index rows, Index image) {
    const Convolution here = pass->it, *it = &here; /* which what is written to y cannot change */
    Index high = it->oh / it->ph, across = it->ow / it->pw, wide = pass->wide;
    uint8_t *kept = it->pool == MAX_POOL ? pass->kept : 0;
    T *y = pass->y, part = (T)1 / (it->ph * it->pw);
    for (Index r = 0; r < rows / it->ph; r++) {
        Index at = ((image * high + first / it->ph + r) * across) * it->filters;
        for (Index w = 0; w < across; w++, at += it->filters) {
            const T *from = made + (r * it->ph * it->ow + w * it->pw) * wide;
            for (Index f = 0; f < it->filters; f += LANES)
                pool_window(it, from + f, wide, part, it->filters - f, y + at + f,
                            kept ? kept + at + f : 0);
        }
    }
    if (it->pool == MEAN_POOL && it->relu && pass->kept)
        for (Index p = 0; p < rows * it->ow; p++) {
            uint8_t *passed = pass->kept + ((image * it->oh + first) * it->ow + p) * it->filters;
            for (Index f = 0; f < it->filters; f += LANES)
                store_bytes(passed + f, load(made + p * wide + f) > (Vector){0}, it->filters - f);
        }
}

/* Bytes as lanes, twice as wide in each step: GCC 12 takes one number at a time for more. */
INLINE Lanes load_bytes(const uint8_t *from, Index left) {
    typedef uint16_t Words __attribute__((vector_size(2 * VECTOR_BYTES / sizeof(T))));
    typedef uint32_t Wider __attribute__((vector_size(4 * VECTOR_BYTES / sizeof(T))));
    Bytes v = {0};
    if (left >= LANES)
        v = *(const Bytes *)from;
    else
        copy_some(&v, from, left, sizeof v);
    Words words = __builtin_convertvector(v, Words);
    return __builtin_convertvector(__builtin_convertvector(words, Wider), Lanes);
}

/* Columns first <= q < last of a row of dz, (q, f). A vector is written at a time, and what it has
 * written too much of is written over by the next. */
static void gradient_of_row(const Gradient *gradient, Index image, Index h, Index first, Index last,
                            T *dz) {
    const Gradient given = *gradient, *from = &given; /* which what is written cannot change */
    const Convolution here = *from->it, *it = &here;
    Index filters = it->filters, high = it->oh / it->ph, across = it->ow / it->pw;
    Index row = (image * high + h / it->ph) * across * filters; /* of dy */
    Index all = it->n * high * across * filters, down = h % it->ph * it->pw;
    const Vector zero = {0}, part = splat((T)1 / (it->ph * it->pw));
    for (Index q = first, w = first / it->pw, j = first % it->pw; q < last; q++, dz += filters) {
        Index at = row + w * filters, pixel = ((image * it->oh + h) * it->ow + q) * filters;
        Index pixels = it->n * it->oh * it->ow * filters;
        for (Index f = 0; f < filters; f += LANES) {
            Vector g = load_some(from->dy + at + f, all - at - f);
            if (it->pool == MAX_POOL) {
                Lanes won = load_bytes(from->kept + at + f, all - at - f)
                            == (Lane)(down + j) - (Lanes){0};
                if (it->relu)
                    won &= load_some(from->y + at + f, all - at - f) > zero;
                g = choose(won, g, zero);
            } else if (it->pool == MEAN_POOL) {
                g *= part;
                if (it->relu)
                    g = choose(load_bytes(from->kept + pixel + f, pixels - pixel - f) != 0, g, zero);
            } else
                g = choose(load_some(from->y + at + f, all - at - f) > zero, g, zero);
            store(dz + f, g);
        }
        if (++j == it->pw) {
            j = 0;
            w++;
        }
    }
}

void NAME(lay_gradient)(const Gradient *from, Index image, Index images, Index first, Index last,
                        Index before, Index wide, T *to) {
    const Convolution *it = from->it;
    Index filters = it->filters, plain = !it->relu && !it->pool;
    Index rows = it->oh / it->ph * it->ph, columns = it->ow / it->pw * it->pw;
    Index begin = most(before, 0), end = least(before + wide, columns);
    for (Index i = image; i < image + images; i++)
        for (Index r = first; r < last; r++, to += wide * filters) {
            if (r < 0 || r >= rows || begin >= end) {
                memset(to, 0, wide * filters * sizeof(T));
                continue;
            }
            T *inner = to + (begin - before) * filters, *behind = to + (end - before) * filters;
            if (plain)
                memcpy(inner, from->dy + ((i * rows + r) * columns + begin) * filters,
                       (end - begin) * filters * sizeof(T));
            else
                gradient_of_row(from, i, r, begin, end, inner);
            memset(to, 0, (begin - before) * filters * sizeof(T));
            memset(behind, 0, (before + wide - end) * filters * sizeof(T));
        }
}
