/* Batch normalization: every channel brought to mean 0 and variance 1, scaled and shifted.
 *
 *     for (c = 0; c < C; c++) {
 *       mean[c] = sum over r of x[r][c] / R;
 *       variance[c] = sum over r of (x[r][c] - mean[c])^2 / R;
 *     }
 *     for (r = 0; r < R; r++)
 *       for (c = 0; c < C; c++)
 *         y[r][c] = relu((x[r][c] - mean[c]) * scale[c] + shift[c] + other[r][c]);
 *
 * The R rows are the pixels of all images. Backward, with g = dy where the ReLU let z through:
 *
 *     dx[r][c] = scale[c] * (g[r][c] - mean of g - x_hat[r][c] * mean of g * x_hat)
 *
 * There is next to nothing to compute, so what counts is how often the memory is gone through: once
 * for mean and variance, where the convolution that made x has not found them while its rows were
 * still in the cache; once for y with all that follows it; backward once for the two sums, once for
 * dx. Whether the ReLU let z through is computed anew from x, which is read anyway, but where
 * ``other`` was added, which nobody keeps: there y tells.
 *
 * Mean and variance in one pass: of a block of rows, x - near and its squares are summed, where
 * ``near`` is the mean of the block's first rows, so that no digits are lost if all numbers lie far
 * from 0; sum of (x - mean)^2 = sum of (x - near)^2 - (sum of x - near)^2 / n. Blocks are put
 * together by the formula of Chan, Golub and LeVeque (1979). Float sums run over a block's rows;
 * the sums of blocks are double.
 *
 * Few channels would leave most of a vector empty, so that several rows are taken as one wide row,
 * and mean, scale and shift are repeated to match. More channels than WIDEST are taken in turn.
 */
#include "normalization.h"

enum { WIDE = 128, BLOCK = 128, BLOCK_BYTES = 48 << 10 };

INLINE T after(T z, int kind, T most) {
    if (kind != NOTHING)
        z = z < 0 ? 0 : z; /* NaN stays */
    if (kind == CLIPPED)
        z = z > most ? most : z;
    return z;
}
/* Its derivative at z, or at y. */
INLINE T slope(T z, int kind, T most) {
    return kind == NOTHING ? 1 : kind == RELU ? z > 0 : (z > 0) & (z < most);
}

/* How the rows of a part are taken. */
typedef struct {
    Index first, last, column, columns, copies, width, block;
} Piece;

RARE Piece piece_of(const Norm *it, Index part, Index column) {
    Piece p = {.first = it->rows * part / it->parts, .column = column};
    p.last = it->rows * (part + 1) / it->parts;
    p.columns = least(WIDEST, it->c - column);
    p.copies = it->c < WIDE ? WIDE / it->c : 1;
    p.width = p.columns * p.copies;
    p.block = most(least(BLOCK, BLOCK_BYTES / (Index)(p.width * sizeof(T))), 1);
    return p;
}

/* The next rows: some wide ones, or at the end one that is shorter. */
typedef struct {
    Index at, rows, width, count;
} Block;

RARE int next_block(const Norm *it, const Piece *p, Block *b) {
    Index row = b->count ? b->at / it->c + b->count : p->first, left = p->last - row;
    if (left <= 0)
        return 0;
    Index wide = least(left / p->copies, p->block);
    b->at = row * it->c + p->column;
    b->rows = most(wide, 1);
    b->width = wide ? p->width : left * it->c;
    b->count = wide ? wide * p->copies : left;
    return 1;
}

/* A number for each channel, repeated for a wide row. */
RARE void widen(const Piece *p, const T *from, T *to) {
    for (Index k = 0; k < p->copies; k++)
        memcpy(to + k * p->columns, from + p->column, p->columns * sizeof(T));
}

/* The sums of a wide row, added to those of the channels. */
RARE void narrow(const Piece *p, const T *from, double *to) {
    for (Index k = 0; k < p->copies; k++)
        for (Index j = 0; j < p->columns; j++)
            to[j] += from[k * p->columns + j];
}

/* Mean and variance ------------------------------------------------------------------------- */

RARE void sum_rows(const T *restrict x, Index rows, Index width, Index stride, T *restrict sum) {
    for (Index r = 0; r < rows; r++, x += stride)
        for (Index q = 0; q < width; q++)
            sum[q] += x[q];
}

/* Sums of x - near and of its squares. */
static void sum_squares(const T *restrict x, const T *restrict near, const Block *b, Index stride,
                        T *restrict sum, T *restrict squares) {
    Index r = 0;
    for (; r + 4 <= b->rows; r += 4, x += 4 * stride)
        for (Index q = 0; q < b->width; q++) {
            T d0 = x[q] - near[q], d1 = x[q + stride] - near[q];
            T d2 = x[q + 2 * stride] - near[q], d3 = x[q + 3 * stride] - near[q];
            sum[q] += (d0 + d1) + (d2 + d3);
            squares[q] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
        }
    for (; r < b->rows; r++, x += stride)
        for (Index q = 0; q < b->width; q++) {
            T d = x[q] - near[q];
            sum[q] += d;
            squares[q] += d * d;
        }
}

/* The sums of a block's numbers, and of their squares about the block's mean. */
static void sums_of_block(const Norm *it, const Piece *p, const Block *b, double *sum, double *squares) {
    T wide[WIDEST] = {0}, wide_squares[WIDEST] = {0}, near[WIDEST];
    Index stride = p->copies > 1 ? p->width : it->c, few = least(b->rows, 4);
    Index n = b->rows > few ? few * p->copies : b->count;
    memset(sum, 0, WIDEST * sizeof(double));
    memset(squares, 0, WIDEST * sizeof(double));
    sum_rows(it->x + b->at, few, b->width, stride, wide);
    narrow(p, wide, sum);
    for (Index k = 0; k < p->copies; k++)
        for (Index j = 0; j < p->columns; j++) {
            T mean = sum[j] / n;
            near[k * p->columns + j] = mean - mean == 0 ? mean : 0; /* infinity is near nothing */
        }
    memset(wide, 0, sizeof(wide));
    memset(sum, 0, WIDEST * sizeof(double));
    sum_squares(it->x + b->at, near, b, stride, wide, wide_squares);
    narrow(p, wide, sum);
    narrow(p, wide_squares, squares);
    for (Index j = 0; j < p->columns; j++) {
        squares[j] -= sum[j] * sum[j] / b->count;
        sum[j] += (double)near[j] * b->count;
    }
}

/* Sums and squares of n numbers, and of m more, put together (Chan et al.). */
RARE void put_together(double *sum, double *squares, double n, const double *more,
                         const double *more_squares, double m, Index channels) {
    for (Index j = 0; j < channels; j++) {
        if (n > 0) {
            double apart = more[j] / m - sum[j] / n;
            squares[j] += more_squares[j] + apart * apart * (n * m / (n + m));
        } else
            squares[j] = more_squares[j];
        sum[j] += more[j];
    }
}

static void moments_of_part(void *context, Index part, Index worker) {
    const Norm *it = context;
    (void)worker;
    double *slot = it->sums + part * slot_of(it->c);
    double *sum = slot + NUMBERS_OF_SLOT, *squares = sum + it->c;
    slot[ROWS_OF_SLOT] = it->rows * (part + 1) / it->parts - it->rows * part / it->parts;
    memset(sum, 0, 2 * it->c * sizeof(double));
    for (Index column = 0; column < it->c; column += WIDEST) {
        Piece p = piece_of(it, part, column);
        double n = 0;
        for (Block b = {0}; next_block(it, &p, &b); n += b.count) {
            double more[WIDEST], more_squares[WIDEST];
            sums_of_block(it, &p, &b, more, more_squares);
            put_together(sum + column, squares + column, n, more, more_squares, b.count, p.columns);
        }
    }
}

void NAME(moments_of_rows)(const T *x, Index rows, Index c, double *slot) {
    Norm it = {.x = x, .rows = rows, .c = c, .parts = 1, .sums = slot};
    moments_of_part(&it, 0, 0);
}

void NAME(finish_moments)(double *slots, Index count, Index c, T *mean, T *variance) {
    double *all = slots + NUMBERS_OF_SLOT, rows = count ? slots[ROWS_OF_SLOT] : 0;
    for (Index k = 1; k < count; k++) {
        double *slot = slots + k * slot_of(c), *more = slot + NUMBERS_OF_SLOT, n = slot[ROWS_OF_SLOT];
        if (n > 0)
            put_together(all, all + c, rows, more, more + c, n, c);
        rows += n;
    }
    for (Index j = 0; j < c; j++) {
        mean[j] = (rows > 0 ? all[j] : 0) / rows;
        variance[j] = (rows > 0 ? all[c + j] : 0) / rows;
    }
}

/* Mean and variance of each channel; ``sums`` is (parts, 1 + 2 c). */
EXPORT void NAME(channel_moments)(const T *x, Index rows, Index c, Index parts, Index threads,
                                  double *sums, T *mean, T *variance) {
    Norm it = {.x = x, .rows = rows, .c = c, .parts = parts, .sums = sums};
    minicnn_parallel_for(parts, threads, moments_of_part, &it);
    NAME(finish_moments)(sums, parts, c, mean, variance);
}

/* The normalization -------------------------------------------------------------------------- */

INLINE void rows_of_y(const Norm *it, const Piece *p, int kind, int added) {
    T mean[WIDEST], scale[WIDEST], shift[WIDEST], limit = it->most;
    widen(p, it->mean, mean);
    widen(p, it->scale, scale);
    widen(p, it->shift, shift);
    for (Block b = {0}; next_block(it, p, &b);)
        for (Index r = 0; r < b.rows; r++) {
            Index at = b.at + r * (p->copies > 1 ? p->width : it->c);
            const T *x = it->x + at, *other = added ? it->other + at : 0;
            T *y = it->y + at;
            IN_PLACE /* y may be x or other itself */
            for (Index q = 0; q < b.width; q++) {
                T z = (x[q] - mean[q]) * scale[q] + shift[q];
                y[q] = after(added ? z + other[q] : z, kind, limit);
            }
        }
}

static void normalize_part(void *context, Index part, Index worker) {
    const Norm *it = context;
    (void)worker;
    for (Index column = 0; column < it->c; column += WIDEST) {
        Piece p = piece_of(it, part, column);
        switch (it->kind + (it->other ? 3 : 0)) {
        case NOTHING: rows_of_y(it, &p, NOTHING, 0); break;
        case RELU: rows_of_y(it, &p, RELU, 0); break;
        case CLIPPED: rows_of_y(it, &p, CLIPPED, 0); break;
        case NOTHING + 3: rows_of_y(it, &p, NOTHING, 1); break;
        case RELU + 3: rows_of_y(it, &p, RELU, 1); break;
        case CLIPPED + 3: rows_of_y(it, &p, CLIPPED, 1); break;
        }
    }
}

/* y = after((x - mean) * scale + shift + other); other may be NULL, y may be x or other. */
EXPORT void NAME(normalize)(const T *x, const T *other, Index rows, Index c, Index parts,
                            Index threads, const T *mean, const T *scale, const T *shift,
                            Index kind, double most, T *y) {
    Norm it = {.x = x, .other = other, .y = y, .mean = mean, .scale = scale, .shift = shift,
               .rows = rows, .c = c, .parts = parts, .kind = kind, .most = most};
    minicnn_parallel_for(parts, threads, normalize_part, &it);
}

/* Backward ------------------------------------------------------------------------------------ */

/* Sums of g and of g * (x - mean); of a sum with ``other``, where y tells, also g itself. */
INLINE void sums_of_rows(const Norm *it, const Piece *p, double *total, int kind, int added) {
    T mean[WIDEST], scale[WIDEST], shift[WIDEST], limit = it->most;
    widen(p, it->mean, mean);
    widen(p, it->scale, scale);
    widen(p, it->shift, shift);
    for (Block b = {0}; next_block(it, p, &b);) {
        T sum[WIDEST] = {0}, product[WIDEST] = {0};
        for (Index r = 0; r < b.rows; r++) {
            Index at = b.at + r * (p->copies > 1 ? p->width : it->c);
            const T *x = it->x + at, *dy = it->dy + at, *y = added ? it->y + at : 0;
            T *to = added ? it->g + at : 0;
            IN_PLACE /* g may be y itself */
            for (Index q = 0; q < b.width; q++) {
                T d = x[q] - mean[q];
                T g = dy[q] * slope(added ? y[q] : d * scale[q] + shift[q], kind, limit);
                sum[q] += g;
                product[q] += g * d;
                if (added)
                    to[q] = g;
            }
        }
        narrow(p, sum, total + p->column);
        narrow(p, product, total + it->c + p->column);
    }
}

static void sums_of_part(void *context, Index part, Index worker) {
    const Norm *it = context;
    (void)worker;
    double *total = it->sums + part * 2 * it->c;
    memset(total, 0, 2 * it->c * sizeof(double));
    for (Index column = 0; column < it->c; column += WIDEST) {
        Piece p = piece_of(it, part, column);
        switch (it->kind + (it->y ? 3 : 0)) {
        case RELU: sums_of_rows(it, &p, total, RELU, 0); break;
        case CLIPPED: sums_of_rows(it, &p, total, CLIPPED, 0); break;
        case RELU + 3: sums_of_rows(it, &p, total, RELU, 1); break;
        case CLIPPED + 3: sums_of_rows(it, &p, total, CLIPPED, 1); break;
        default: sums_of_rows(it, &p, total, NOTHING, 0);
        }
    }
}

INLINE void rows_of_dx(const Norm *it, const Piece *p, int kind, int batch) {
    T mean[WIDEST], scale[WIDEST], shift[WIDEST], pull[WIDEST], middle[WIDEST], limit = it->most;
    widen(p, it->mean, mean);
    widen(p, it->scale, scale);
    widen(p, it->shift, shift);
    widen(p, it->pull, pull);
    widen(p, it->middle, middle);
    for (Block b = {0}; next_block(it, p, &b);)
        for (Index r = 0; r < b.rows; r++) {
            Index at = b.at + r * (p->copies > 1 ? p->width : it->c);
            const T *x = it->x + at, *dy = it->dy + at;
            T *dx = it->dx + at;
            IN_PLACE /* dx may be x itself */
            for (Index q = 0; q < b.width; q++) {
                T d = x[q] - mean[q], g = dy[q] * slope(d * scale[q] + shift[q], kind, limit);
                dx[q] = (batch ? g - middle[q] + d * pull[q] : g) * scale[q];
            }
        }
}

static void dx_of_part(void *context, Index part, Index worker) {
    const Norm *it = context;
    (void)worker;
    for (Index column = 0; column < it->c; column += WIDEST) {
        Piece p = piece_of(it, part, column);
        switch (it->kind + (it->batch ? 3 : 0)) {
        case NOTHING: rows_of_dx(it, &p, NOTHING, 0); break;
        case RELU: rows_of_dx(it, &p, RELU, 0); break;
        case CLIPPED: rows_of_dx(it, &p, CLIPPED, 0); break;
        case NOTHING + 3: rows_of_dx(it, &p, NOTHING, 1); break;
        case RELU + 3: rows_of_dx(it, &p, RELU, 1); break;
        case CLIPPED + 3: rows_of_dx(it, &p, CLIPPED, 1); break;
        }
    }
}

void NAME(finish_sums)(const Norm *it, T *dshift, T *dscale, T *pull, T *middle) {
    Index c = it->c;
    for (Index j = 0; j < c; j++) {
        double sum = 0, product = 0;
        for (Index part = 0; part < it->parts; part++) {
            sum += it->sums[part * 2 * c + j];
            product += it->sums[part * 2 * c + c + j];
        }
        dshift[j] = sum;
        dscale[j] = it->rows ? product * it->inverse[j] : 0;
        middle[j] = sum / it->rows;
        pull[j] = -product * it->inverse[j] * it->inverse[j] / it->rows;
    }
}

/* dx, and the gradients of shift and scale, before the factor gamma: sums of g and of g * x_hat.
 *
 * Where ``other`` was added y is given, and g, its gradient, is made: it may be y itself. dx may be
 * x, or NULL if nobody wants it. ``batch``: whether mean and variance are those of x. ``two`` is
 * memory of (2, c), from which, with ``given``, dx is made: it holds then what the sums of all parts of
 * a batch give, of which this is one, and no sums are made here.
 */
EXPORT void NAME(normalize_backward)(const T *dy, const T *x, const T *y, Index rows, Index c,
                                     Index parts, Index threads, const T *mean, const T *inverse,
                                     const T *scale, const T *shift, Index kind, double most,
                                     Index batch, Index given, double *sums, T *two, T *dx, T *g,
                                     T *dshift, T *dscale) {
    Norm it = {.x = x, .dy = dy, .y = (T *)y, .dx = dx, .g = g, .mean = mean, .inverse = inverse,
               .scale = scale, .shift = shift, .pull = two, .middle = two + c, .sums = sums,
               .rows = rows, .c = c, .parts = parts, .kind = kind, .batch = batch, .most = most};
    if (!given) {
        minicnn_parallel_for(parts, threads, sums_of_part, &it);
        NAME(finish_sums)(&it, dshift, dscale, two, two + c);
    }
    if (!dx)
        return;
    if (y) { /* its ReLU is done with */
        it.dy = g;
        it.kind = NOTHING;
    }
    minicnn_parallel_for(parts, threads, dx_of_part, &it);
}
