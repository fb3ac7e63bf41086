/* The gradient of a kernel of 3x3 by Winograd's method: the way of winograd.c, back.
 *
 *     S = the sum over tiles of V * (A dY A'),    dkernel = G' S G
 *
 * where V = B' d B of the image's tiles as before, and the sums are again 16 products of matrices,
 * (C, tiles) by (tiles, F).
 */
#include "winograd.h"

enum { GROUP_BYTES = 320 << 10 }; /* V and A dY A' of a group of tiles */

/* Channels whose sums stay in registers, with one vector of filters or with two. */
#if MANY_REGISTERS
enum { CHANNELS_1 = 16 < LANES ? 16 : LANES, CHANNELS_2 = 8 < LANES ? 8 : LANES };
#else
enum { CHANNELS_1 = 8 < LANES ? 8 : LANES, CHANNELS_2 = 4 < LANES ? 4 : LANES };
#endif

/* A dY A' of a tile, for a vector of filters. */
INLINE void gradient_to_points(Vector y[2][2], T *to) {
    Vector rows[4][2];
    for (int j = 0; j < 2; j++) {
        rows[0][j] = y[0][j];
        rows[1][j] = y[0][j] + y[1][j];
        rows[2][j] = y[0][j] - y[1][j];
        rows[3][j] = -y[1][j];
    }
    FOUR(i) {
        store(to + (4 * i + 0) * POINT, rows[i][0]);
        store(to + (4 * i + 1) * POINT, rows[i][0] + rows[i][1]);
        store(to + (4 * i + 2) * POINT, rows[i][0] - rows[i][1]);
        store(to + (4 * i + 3) * POINT, -rows[i][1]);
    }
}

/* How many numbers a group takes. */
Index NAME(winograd_sums_numbers)(Index inputs, Index outputs) {
    Index tiles = blocks_in(GROUP_BYTES, inputs, outputs) * BLOCK;
    return 16 * tiles * (widened(inputs) + widened(outputs)) + widened(inputs);
}

/* A dY A' of a tile of the gradient dz, which has high x wide pixels. */
INLINE void gradient_in(const T *dz, Index outputs, Index columns, Index high, Index wide, T *z) {
    Index whole = high >= 2 && wide >= 2 && outputs % LANES == 0;
    for (Index f = 0; f < outputs; f += LANES, dz += LANES, z += POINTS) {
        Vector y[2][2] = {{{0}}};
        EACH(i, 2) EACH(j, 2) {
            const T *at = dz + (i * columns + j) * outputs;
            if (whole)
                y[i][j] = load(at);
            else if (i < high && j < wide)
                y[i][j] = load_some(at, outputs - f);
        }
        gradient_to_points(y, z);
    }
}

/* sums[i][q] += the sum over tiles of v[tile][i] * z[tile][vector q], at a point. */
#define SUMS(name, CHANNELS, VECTORS)                                                              \
    static void name(const T *v, Index v_block, const T *z, Index z_block, Index tiles, T *sums) { \
        Vector sum[CHANNELS][VECTORS];                                                             \
        EACH(i, CHANNELS)                                                                          \
            EACH(q, VECTORS) sum[i][q] = load(sums + (i * VECTORS + q) * LANES);                   \
        for (; tiles > 0; tiles -= BLOCK, v += v_block, z += z_block)                              \
            _Pragma("GCC unroll 2") for (Index p = 0; p < least(tiles, BLOCK); p++) {              \
                Vector w[VECTORS];                                                                 \
                EACH(q, VECTORS) w[q] = load(z + q * POINTS + p * LANES);                          \
                EACH(i, CHANNELS) {                                                                \
                    Vector x = splat(v[p * LANES + i]);                                            \
                    EACH(q, VECTORS) sum[i][q] += x * w[q];                                        \
                }                                                                                  \
            }                                                                                      \
        EACH(i, CHANNELS)                                                                          \
            EACH(q, VECTORS) store(sums + (i * VECTORS + q) * LANES, sum[i][q]);                   \
    }

SUMS(sums_1, CHANNELS_1, 1)
SUMS(sums_2, CHANNELS_2, 2)

/* The sums of a point: for two vectors of filters after the other, (inputs, these). */
static void sums_of_point(const Winograd *it, const T *v, const T *z, Index tiles, T *sums) {
    Index v_block = widened(it->inputs) / LANES * POINTS, z_block = widened(it->outputs) / LANES * POINTS;
    for (Index f = 0, width; f < it->outputs; f += width) {
        width = width_of(it->outputs - f);
        Index step = width == LANES ? CHANNELS_1 : CHANNELS_2;
        for (Index c = 0; c < widened(it->inputs); c += step, sums += step * width)
            (width == LANES ? sums_1 : sums_2)(v + c / LANES * POINTS + c % LANES, v_block,
                                               z + f / LANES * POINTS, z_block, tiles, sums);
    }
}

/* The sums at the 16 points over all tiles of rows x columns pixels of dz, of each image. */
void NAME(winograd_sums)(const Winograd *it, const Source *from, Index images, Index rows,
                         Index columns, const T *dz, T *sums, T *scratch) {
    Index tiles = images * tiles_of(rows, columns), inputs = widened(it->inputs);
    Index outputs = widened(it->outputs);
    Index group = blocks_in(GROUP_BYTES, inputs, outputs) * BLOCK;
    T *v = scratch, *z = v + 16 * group * inputs, *zeros = z + 16 * group * outputs;
    memset(zeros, 0, inputs * sizeof(T));
    Tile read = {0}, tile = {0};
    for (Index first = 0; first < tiles; first += group) {
        Index count = least(group, tiles - first);
        read = NAME(winograd_tiles)(from, it->inputs, read, count, rows, columns, zeros, v);
        for (Index t = 0; t < count; t++, tile = tile_after(tile, rows, columns)) {
            Index pixel = (tile.image * rows + tile.row) * columns + tile.column;
            gradient_in(dz + pixel * it->outputs, it->outputs, columns, rows - tile.row,
                        columns - tile.column, z + place_of(t, outputs));
        }
        for (Index k = 0; k < 16; k++)
            sums_of_point(it, v + k * POINT, z + k * POINT, count, sums + k * inputs * outputs);
    }
}

/* G' S G: the gradient (3, 3, C, F) from the sums S at the 16 points. */
void NAME(winograd_kernel_gradient)(const T *sums, Index inputs, Index outputs, T *dkernel) {
    Index apart = widened(inputs) * widened(outputs);
    for (Index f = 0, width; f < outputs; f += width, sums += (widened(inputs) - inputs) * width) {
        width = width_of(outputs - f);
        for (Index c = 0; c < inputs; c++)
            for (Index q = f; q < f + width; q += LANES, sums += LANES) {
                Vector rows[3][4];
                FOUR(j) {
                    Vector s0 = load(sums + j * apart), s1 = load(sums + (4 + j) * apart);
                    Vector s2 = load(sums + (8 + j) * apart), s3 = load(sums + (12 + j) * apart);
                    rows[0][j] = s0 + (s1 + s2) / 2;
                    rows[1][j] = (s1 - s2) / 2;
                    rows[2][j] = (s1 + s2) / 2 + s3;
                }
                for (Index i = 0; i < 3; i++) {
                    const Vector *r = rows[i];
                    T *to = dkernel + (i * 3 * inputs + c) * outputs + q;
                    store_some(to, r[0] + (r[1] + r[2]) / 2, outputs - q);
                    store_some(to + inputs * outputs, (r[1] - r[2]) / 2, outputs - q);
                    store_some(to + 2 * inputs * outputs, (r[1] + r[2]) / 2 + r[3], outputs - q);
                }
            }
    }
}
