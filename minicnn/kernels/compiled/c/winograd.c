/* Windows of 3x3 with fewer multiplications, by Winograd's method.
 *
 * Two outputs of a filter of three, y0 and y1, over four numbers d take six multiplications:
 *
 *     y0 = d0 g0 + d1 g1 + d2 g2
 *     y1 = d1 g0 + d2 g1 + d3 g2
 *
 * and the same with four, where what is made of g alone is made once:
 *
 *     m0 = (d0 - d2) g0                      y0 = m0 + m1 + m2
 *     m1 = (d1 + d2) (g0 + g1 + g2) / 2      y1 = m1 - m2 - m3
 *     m2 = (d2 - d1) (g0 - g1 + g2) / 2
 *     m3 = (d1 - d3) g2
 *
 * In two dimensions, first along rows and then along columns, a tile of 4x4 numbers of an image
 * gives 2x2 outputs with 16 multiplications instead of 36. With many channels and filters the
 * multiplications are 16 products of matrices, (tiles, C) by (C, F), and the rest is cheap:
 *
 *     V = B' d B,   U = G g G',   M = V * U summed over channels,   Y = A' M A
 *
 * Some tiles (a "group") are taken through all steps at a time, so few that V and M stay in the
 * cache. Both lie there by blocks of tiles, of which a product takes all with the same numbers of U:
 *
 *     V[block][channel / LANES][point][tile in block][channel % LANES]
 *
 * so that the numbers of its tiles are at fixed places behind one pointer. Tiles are read where the
 * images are; what lies outside is 0.
 *
 * Rounding is a little larger than that of the loops: some units in the last place. And of a tile
 * that holds a NaN or an infinity all four outputs are NaN, whether their windows see it or not.
 *
 * Winograd (1980); Lavin and Gray (2016), "Fast algorithms for convolutional neural networks".
 */
#include "winograd.h"

enum {
    GROUP_BYTES = 160 << 10, /* V and M of a group of tiles */
    FEWEST_TILES = 32,
};

/* V of a tile, for a vector of channels. */
INLINE void to_points(Vector d[4][4], T *v) {
    Vector rows[4][4];
    FOUR(j) {
        rows[0][j] = d[0][j] - d[2][j];
        rows[1][j] = d[1][j] + d[2][j];
        rows[2][j] = d[2][j] - d[1][j];
        rows[3][j] = d[1][j] - d[3][j];
    }
    FOUR(i) {
        store(v + (4 * i + 0) * POINT, rows[i][0] - rows[i][2]);
        store(v + (4 * i + 1) * POINT, rows[i][1] + rows[i][2]);
        store(v + (4 * i + 2) * POINT, rows[i][2] - rows[i][1]);
        store(v + (4 * i + 3) * POINT, rows[i][1] - rows[i][3]);
    }
}

/* Y of a tile, for a vector of filters. */
INLINE void from_points(const T *m, Vector y[2][2]) {
    Vector rows[2][4];
    FOUR(j) {
        Vector m0 = load(m + j * POINT), m1 = load(m + (4 + j) * POINT),
               m2 = load(m + (8 + j) * POINT), m3 = load(m + (12 + j) * POINT);
        rows[0][j] = m0 + m1 + m2;
        rows[1][j] = m1 - m2 - m3;
    }
    for (int i = 0; i < 2; i++) {
        y[i][0] = rows[i][0] + rows[i][1] + rows[i][2];
        y[i][1] = rows[i][1] - rows[i][2] - rows[i][3];
    }
}

/* Where there are enough channels for products, but not so many that the 16 matrices, larger than the
 * kernel, are read from far away again and again; and enough tiles to make these matrices for. */
EXPORT Index NAME(winograd_pays)(const Convolution *it) {
    return it->n * tiles_of(it->oh, it->ow) >= FEWEST_TILES
           && it->c * it->filters <= 128 * 128 && it->kh == 3 && it->kw == 3 && it->sh == 1
           && it->sw == 1 && it->dh == 1 && it->dw == 1 && it->groups == 1 && it->c >= 16
           && it->filters >= 16 && it->oh > 2 && it->ow > 2;
}

/* U, 16 matrices (inputs, outputs), two vectors of outputs after the other. ``turned``: of the
 * kernel (3, 3, outputs, inputs), upside down and from right to left. */
void NAME(winograd_kernel)(const T *kernel, Index turned, T factor, Index inputs, Index outputs,
                           T *to) {
    Index apart = widened(inputs) * widened(outputs);
    for (Index f = 0; f < outputs; f += width_of(outputs - f))
        for (Index c = 0; c < widened(inputs); c++)
            for (Index q = f; q < f + width_of(outputs - f); q += LANES, to += LANES) {
                Vector g[3][3] = {{{0}}}, rows[4][3];
                for (int k = 0; k < 9 && c < inputs; k++)
                    if (!turned)
                        g[k / 3][k % 3] = load_some(kernel + (k * inputs + c) * outputs + q, outputs - q);
                    else
                        for (Index l = 0; l < least(LANES, outputs - q); l++)
                            g[k / 3][k % 3][l] = kernel[((8 - k) * outputs + q + l) * inputs + c] * factor;
                for (int j = 0; j < 3; j++) {
                    rows[0][j] = g[0][j];
                    rows[1][j] = (g[0][j] + g[1][j] + g[2][j]) / 2;
                    rows[2][j] = (g[0][j] - g[1][j] + g[2][j]) / 2;
                    rows[3][j] = g[2][j];
                }
                FOUR(i) {
                    Vector *r = rows[i];
                    store(to + (4 * i + 0) * apart, r[0]);
                    store(to + (4 * i + 1) * apart, (r[0] + r[1] + r[2]) / 2);
                    store(to + (4 * i + 2) * apart, (r[0] - r[1] + r[2]) / 2);
                    store(to + (4 * i + 3) * apart, r[2]);
                }
            }
}

/* How many numbers a group takes. */
Index NAME(winograd_numbers)(Index inputs, Index outputs) {
    Index tiles = blocks_in(GROUP_BYTES, inputs, outputs) * BLOCK;
    return 16 * tiles * (widened(inputs) + widened(outputs)) + widened(inputs);
}

/* V of a tile that begins at row r and column q. */
INLINE void tile_in(const Source *from, Index inputs, Index image, Index r, Index q, const T *zeros,
                    T *v) {
    Index line = from->row, whole = inputs % LANES == 0;
    const T *first = from->at + image * from->image + r * line + q * inputs;
    Vector d[4][4];
    if (r >= 0 && q >= 0 && r + 4 <= from->h && q + 4 <= from->w && whole) {
        for (Index c = 0; c < inputs; c += LANES, first += LANES, v += POINTS) {
            FOUR(i) FOUR(j) d[i][j] = load(first + i * line + j * inputs);
            to_points(d, v);
        }
        return;
    }
    const T *at[4][4];
    FOUR(i) FOUR(j) {
        int there = r + i >= 0 && r + i < from->h && q + j >= 0 && q + j < from->w;
        at[i][j] = there ? first + i * line + j * inputs : zeros;
    }
    for (Index c = 0; c < inputs; c += LANES, v += POINTS) {
        FOUR(i) FOUR(j) d[i][j] = whole ? load(at[i][j] + c) : load_some(at[i][j] + c, inputs - c);
        to_points(d, v);
    }
}

Tile NAME(winograd_tiles)(const Source *from, Index inputs, Tile tile, Index count, Index rows,
                          Index columns, const T *zeros, T *v) {
    for (Index t = 0; t < count; t++, tile = tile_after(tile, rows, columns))
        tile_in(from, inputs, tile.image, tile.row - from->top, tile.column - from->left, zeros,
                v + place_of(t, inputs));
    return tile;
}

/* Y of a tile, with bias and ReLU. */
INLINE void tile_out(const Winograd *it, const T *m, Index high, Index wide, Index columns, T *out) {
    Index whole = high == 2 && wide == 2 && it->outputs % LANES == 0;
    for (Index f = 0; f < it->outputs; f += LANES, m += POINTS, out += LANES) {
        Index left = it->outputs - f;
        Vector y[2][2], zero = {0}, bias = it->bias ? load_some(it->bias + f, left) : zero;
        from_points(m, y);
        EACH(i, 2) EACH(j, 2) {
            y[i][j] += bias;
            if (it->relu)
                y[i][j] = choose(y[i][j] < zero, zero, y[i][j]);
            T *to = out + (i * columns + j) * it->stride;
            if (whole)
                store(to, y[i][j]);
            else if (i < high && j < wide)
                store_some(to, y[i][j], left);
        }
    }
}

/* M of a block at a point, of TILES tiles for VECTORS vectors of filters. */
#define PRODUCT(name, TILES, VECTORS)                                                              \
    static void name(const T *v, const T *u, Index inputs, T *m) {                                 \
        Vector sum[TILES][VECTORS];                                                                \
        EACH(p, TILES)                                                                             \
            EACH(q, VECTORS) sum[p][q] = (Vector){0};                                              \
        for (Index c = 0; c < inputs; c += LANES, v += POINTS - LANES)                             \
            _Pragma("GCC unroll 4") for (Index l = 0; l < LANES; l++, v++, u += VECTORS * LANES) { \
                Vector weight[VECTORS];                                                            \
                EACH(q, VECTORS) weight[q] = load(u + q * LANES);                                  \
                EACH(p, TILES) {                                                                   \
                    Vector x = splat(v[p * LANES]);                                                \
                    EACH(q, VECTORS) sum[p][q] += x * weight[q];                                   \
                }                                                                                  \
            }                                                                                      \
        EACH(p, TILES)                                                                             \
            EACH(q, VECTORS) store(m + q * POINTS + p * LANES, sum[p][q]);                         \
    }

PRODUCT(product_1, BLOCK, 1)
PRODUCT(product_2, HALF, 2)

/* M of some blocks at a point. */
static void products(const Winograd *it, Index blocks, const T *v, const T *u, T *m) {
    Index inputs = it->inputs;
    for (Index b = 0; b < blocks; b++, v += widened(inputs) / LANES * POINTS) {
        const T *weights = u;
        for (Index f = 0, width; f < it->outputs; f += width) {
            width = width_of(it->outputs - f);
            if (width == LANES)
                product_1(v, weights, inputs, m);
            else {
                product_2(v, weights, inputs, m);
                product_2(v + HALF * LANES, weights, inputs, m + HALF * LANES);
            }
            weights += widened(inputs) * width;
            m += width / LANES * POINTS;
        }
    }
}

/* rows x columns pixels of each image. */
void NAME(winograd)(const Winograd *it, const Source *from, Index images, Index rows, Index columns,
                    T *out, T *scratch) {
    Index tiles = images * tiles_of(rows, columns), inputs = widened(it->inputs);
    Index outputs = widened(it->outputs);
    Index group = blocks_in(GROUP_BYTES, inputs, outputs) * BLOCK;
    T *v = scratch, *m = v + 16 * group * inputs, *zeros = m + 16 * group * outputs;
    memset(zeros, 0, inputs * sizeof(T));
    Tile read = {0}, tile = {0};
    for (Index first = 0; first < tiles; first += group) {
        Index count = least(group, tiles - first);
        read = NAME(winograd_tiles)(from, it->inputs, read, count, rows, columns, zeros, v);
        for (Index k = 0; k < 16; k++)
            products(it, (count + BLOCK - 1) / BLOCK, v + k * POINT, it->kernel + k * inputs * outputs,
                     m + k * POINT);
        for (Index t = 0; t < count; t++, tile = tile_after(tile, rows, columns)) {
            Index pixel = (tile.image * rows + tile.row) * columns + tile.column;
            tile_out(it, m + place_of(t, outputs), rows - tile.row > 1 ? 2 : 1,
                     columns - tile.column > 1 ? 2 : 1, columns, out + pixel * it->stride);
        }
    }
}
