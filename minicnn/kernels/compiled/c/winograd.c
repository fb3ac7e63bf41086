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
 * The gradient of the kernel goes the same way back: it is G' (V * (A dY A')) G, summed over tiles.
 * Rounding is a little larger than that of the loops: some units in the last place.
 *
 * Winograd (1980); Lavin and Gray (2016), "Fast algorithms for convolutional neural networks".
 */
#include "convolution.h"

/* Rows of what is made of four vectors that lie ``step`` apart, for each of the four columns. */
#define FOUR(i) for (int i = 0; i < 4; i++)

/* V of a tile, for a vector of channels: 16 vectors, ``apart`` numbers from each other. */
INLINE void to_points(const T *d, Index row, Index column, T *to, Index apart) {
    Vector rows[4][4];
    FOUR(j) {
        Vector d0 = load(d + j * column), d1 = load(d + row + j * column),
               d2 = load(d + 2 * row + j * column), d3 = load(d + 3 * row + j * column);
        rows[0][j] = d0 - d2;
        rows[1][j] = d1 + d2;
        rows[2][j] = d2 - d1;
        rows[3][j] = d1 - d3;
    }
    FOUR(i) {
        store(to + (4 * i + 0) * apart, rows[i][0] - rows[i][2]);
        store(to + (4 * i + 1) * apart, rows[i][1] + rows[i][2]);
        store(to + (4 * i + 2) * apart, rows[i][2] - rows[i][1]);
        store(to + (4 * i + 3) * apart, rows[i][1] - rows[i][3]);
    }
}

/* Y of a tile, for a vector of filters. */
INLINE void from_points(const T *m, Index apart, Vector y[2][2]) {
    Vector rows[2][4];
    FOUR(j) {
        Vector m0 = load(m + j * apart), m1 = load(m + (4 + j) * apart),
               m2 = load(m + (8 + j) * apart), m3 = load(m + (12 + j) * apart);
        rows[0][j] = m0 + m1 + m2;
        rows[1][j] = m1 - m2 - m3;
    }
    for (int i = 0; i < 2; i++) {
        y[i][0] = rows[i][0] + rows[i][1] + rows[i][2];
        y[i][1] = rows[i][1] - rows[i][2] - rows[i][3];
    }
}

/* A dY A' of a tile, for a vector of filters. */
INLINE void gradient_to_points(Vector y[2][2], T *to, Index apart) {
    Vector rows[4][2];
    for (int j = 0; j < 2; j++) {
        rows[0][j] = y[0][j];
        rows[1][j] = y[0][j] + y[1][j];
        rows[2][j] = y[0][j] - y[1][j];
        rows[3][j] = -y[1][j];
    }
    FOUR(i) {
        store(to + (4 * i + 0) * apart, rows[i][0]);
        store(to + (4 * i + 1) * apart, rows[i][0] + rows[i][1]);
        store(to + (4 * i + 2) * apart, rows[i][0] - rows[i][1]);
        store(to + (4 * i + 3) * apart, -rows[i][1]);
    }
}

/* Where there are enough channels for products, but not so many that the 16 matrices, larger than the
 * kernel, are read from far away again and again. */
Index NAME(winograd_pays)(const Convolution *it) {
    return it->c * it->filters <= 128 * 128 && it->kh == 3 && it->kw == 3 && it->sh == 1 && it->sw == 1 && it->dh == 1 && it->dw == 1
           && it->groups == 1 && it->c >= 32 && it->filters >= 32 && it->oh > 2 && it->ow > 2;
}

/* The 16 matrices (inputs, outputs), packed for correlate, from the kernel (3, 3, inputs, outputs),
 * packed in the same blocks. ``upside_down``: its rows are in reverse order. */
void NAME(winograd_kernel)(const T *kernel, Index upside_down, Index inputs, Index outputs, T *to) {
    Index apart = inputs * NAME(packed_filters)(outputs);
    T points[4][3][3 * VECTOR_BYTES / sizeof(T)];
    for (Index f = 0, block; f < outputs; f += block, kernel += 8 * inputs * block) {
        block = NAME(next_filters)(outputs - f);
        Index row = 3 * inputs * block, first = upside_down ? 2 * row : 0;
        row = upside_down ? -row : row;
        for (Index c = 0; c < inputs; c++, to += block, kernel += block) {
            for (int j = 0; j < 3; j++) {
                const T *g = kernel + first + j * inputs * block;
                for (Index q = 0; q < block; q++) {
                    T g0 = g[q], g1 = g[q + row], g2 = g[q + 2 * row];
                    points[0][j][q] = g0;
                    points[1][j][q] = (g0 + g1 + g2) / 2;
                    points[2][j][q] = (g0 - g1 + g2) / 2;
                    points[3][j][q] = g2;
                }
            }
            FOUR(i) {
                T *u = to + 4 * i * apart;
                for (Index q = 0; q < block; q++) {
                    T g0 = points[i][0][q], g1 = points[i][1][q], g2 = points[i][2][q];
                    u[q] = g0;
                    u[q + apart] = (g0 + g1 + g2) / 2;
                    u[q + 2 * apart] = (g0 - g1 + g2) / 2;
                    u[q + 3 * apart] = g2;
                }
            }
        }
    }
}

/* How far the matrices of the 16 points are apart: not by a power of two, as then the same numbers of
 * all would be kept in the same few places of the cache. */
Index NAME(points_apart)(Index tiles, Index numbers) {
    return (tiles * widened(numbers) / 1024 * 1024) + 1024 + 16;
}

/* How many numbers so many tiles take, as V and M. */
Index NAME(winograd_numbers)(Index tiles, Index inputs, Index outputs) {
    return 16 * (NAME(points_apart)(tiles, inputs) + NAME(points_apart)(tiles, outputs)) + 3 * LANES;
}

void NAME(winograd_tables)(Winograd *it, Index *from, Index *to) {
    for (Index t = 0; t < it->tiles; t++) {
        from[t] = t * widened(it->inputs);
        to[t] = t * widened(it->outputs);
    }
    it->from = from;
    it->to = to;
}

/* V of all tiles of a frame. */
static void all_to_points(const Winograd *it, Index images, Index rows, Index columns,
                          const T *frame, T *v) {
    Index inputs = widened(it->inputs), row = it->wide * it->inputs;
    Index apart = NAME(points_apart)(images * tiles_of(rows, columns), inputs);
    for (Index i = 0; i < images; i++, frame += it->high * row)
        for (Index a = 0; a < rows; a += 2)
            for (Index b = 0; b < columns; b += 2, v += inputs)
                for (Index c = 0; c < inputs; c += LANES)
                    to_points(frame + a * row + b * it->inputs + c, row, it->inputs, v + c, apart);
}

static void tile_out(const Winograd *it, Vector y[2][2], Index high, Index wide, Index columns,
                     Index f, T *out) {
    Index left = it->outputs - f;
    Vector zero = {0}, bias = it->bias ? load_some(it->bias + f, left) : zero;
    for (Index i = 0; i < high; i++)
        for (Index j = 0; j < wide; j++) {
            Vector z = y[i][j] + bias;
            if (it->relu)
                z = choose(z < zero, zero, z);
            T *to = out + (i * columns + j) * it->stride + f;
            store_some(to, z, left);
        }
}

/* rows x columns pixels of each image, of a frame that holds two rows and columns more, and another
 * for the last tile where they are odd. */
void NAME(winograd)(const Winograd *it, Index images, Index rows, Index columns, const T *frame,
                    T *out, T *scratch) {
    Index tiles = images * tiles_of(rows, columns), outputs = widened(it->outputs);
    Index v_apart = NAME(points_apart)(tiles, it->inputs), m_apart = NAME(points_apart)(tiles, outputs);
    T *v = scratch, *m = scratch + 16 * v_apart;
    all_to_points(it, images, rows, columns, frame, v);
    Index tap = 0, packed = NAME(packed_filters)(it->outputs);
    Correlation product = {it->from, it->to, 1, it->inputs, &tap, it->outputs, 0, 0, 0};
    for (Index k = 0; k < 16; k++) {
        product.kernel = it->kernel + k * it->inputs * packed;
        NAME(correlate)(&product, tiles, v + k * v_apart, m + k * m_apart);
    }
    for (Index i = 0; i < images; i++, out += rows * columns * it->stride)
        for (Index a = 0; a < rows; a += 2)
            for (Index b = 0; b < columns; b += 2, m += outputs)
                for (Index f = 0; f < it->outputs; f += LANES) {
                    Vector y[2][2];
                    from_points(m + f, m_apart, y);
                    tile_out(it, y, least(2, rows - a), least(2, columns - b), columns, f,
                             out + (a * columns + b) * it->stride);
                }
}

/* V of a frame, and A dY A' of the gradient dz of what was made of it, for the sums over tiles. */
void NAME(winograd_points)(const Winograd *it, Index images, Index rows, Index columns,
                           const T *frame, const T *dz, T *v, T *z) {
    Index outputs = widened(it->outputs);
    Index apart = NAME(points_apart)(images * tiles_of(rows, columns), outputs);
    all_to_points(it, images, rows, columns, frame, v);
    for (Index i = 0; i < images; i++, dz += rows * columns * it->outputs)
        for (Index a = 0; a < rows; a += 2)
            for (Index b = 0; b < columns; b += 2, z += outputs)
                for (Index f = 0; f < outputs; f += LANES) {
                    Vector y[2][2] = {{{0}}};
                    for (Index p = 0; p < 2 && a + p < rows; p++)
                        for (Index q = 0; q < 2 && b + q < columns; q++)
                            y[p][q] = load(dz + ((a + p) * columns + b + q) * it->outputs + f);
                    gradient_to_points(y, z + f, apart);
                }
}

/* G' S G: the gradient (3, 3, C, F) from the sums S at the 16 points, each (C, block) by blocks. */
void NAME(winograd_kernel_gradient)(const T *sums, Index inputs, Index outputs, T *dkernel) {
    Index apart = inputs * NAME(packed_filters)(outputs);
    for (Index f = 0, block; f < outputs; f += block) {
        block = NAME(next_filters)(outputs - f);
        for (Index c = 0; c < inputs; c++, sums += block)
            for (Index q = 0; q < least(block, outputs - f); q++) {
                T rows[3][4];
                FOUR(j) {
                    T s0 = sums[j * apart + q], s1 = sums[(4 + j) * apart + q],
                      s2 = sums[(8 + j) * apart + q], s3 = sums[(12 + j) * apart + q];
                    rows[0][j] = s0 + (s1 + s2) / 2;
                    rows[1][j] = (s1 - s2) / 2;
                    rows[2][j] = (s1 + s2) / 2 + s3;
                }
                for (Index i = 0; i < 3; i++) {
                    const T *r = rows[i];
                    T *to = dkernel + (i * 3 * inputs + c) * outputs + f + q;
                    to[0] = r[0] + (r[1] + r[2]) / 2;
                    to[inputs * outputs] = (r[1] - r[2]) / 2;
                    to[2 * inputs * outputs] = (r[1] + r[2]) / 2 + r[3];
                }
            }
    }
}
