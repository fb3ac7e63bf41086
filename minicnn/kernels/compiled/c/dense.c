/* A fully connected layer, for few rows, and what surrounds its products for many.
 *
 *     for each row r, each unit u
 *         y[r][u] = bias[u]
 *         for each feature f
 *             y[r][u] += x[r][f] * kernel[f][u]
 *     y = the ReLU, or the softmax of each row
 *
 * For many rows a BLAS makes the products; ``dense_finish`` adds the bias and does the rest, and
 * ``dense_back`` is the way back: dz = dy where y > 0, dbias the sum of dz over the rows.
 */
#include "common.h"

#if DOUBLE
#define EXP __builtin_exp
#else
#define EXP __builtin_expf
#endif

#define BLOCK 128 /* features whose products are added up, before that sum is added to others */
#define WIDE 4    /* vectors of units side by side */

enum { NOTHING, RELU, SOFTMAX };

typedef struct {
    const T *x, *kernel, *bias;
    Index rows, features, units;
    T *y;
} Dense;

INLINE void activate(T *y, Index units, Index kind) {
    if (kind == RELU)
        for (Index u = 0; u < units; u++)
            y[u] = y[u] < 0 ? 0 : y[u]; /* NaN stays */
    if (kind != SOFTMAX)
        return;
    T largest = y[0];
    double sum = 0;
    for (Index u = 1; u < units; u++)
        largest = y[u] > largest ? y[u] : largest;
    for (Index u = 0; u < units; u++)
        sum += y[u] = EXP(y[u] - largest);
    for (Index u = 0; u < units; u++)
        y[u] /= sum;
}

/* Some features, for up to WIDE vectors of units of one row. */
INLINE void add_block(const T *x, const T *kernel, Index features, Index units, Index wide, T *y) {
    Vector sums[WIDE] = {{0}};
    if (wide == WIDE * LANES)
        for (Index f = 0; f < features; f++, kernel += units)
            for (Index v = 0; v < WIDE; v++)
                sums[v] += splat(x[f]) * load(kernel + v * LANES);
    else
        for (Index v = 0; v * LANES < wide; v++) {
            Index left = wide - v * LANES;
            const T *from = kernel + v * LANES;
            for (Index f = 0; f < features; f++, from += units)
                sums[v] += splat(x[f]) * load_some(from, left);
        }
    for (Index v = 0; v * LANES < wide; v++) {
        Index left = wide - v * LANES;
        store_some(y + v * LANES, load_some(y + v * LANES, left) + sums[v], left);
    }
}

static void dense_units(void *context, Index part, Index worker) {
    const Dense *it = context;
    Index from = part * WIDE * LANES, wide = least(WIDE * LANES, it->units - from);
    (void)worker;
    for (Index r = 0; r < it->rows; r++)
        for (Index u = from; u < from + wide; u++)
            it->y[r * it->units + u] = it->bias ? it->bias[u] : 0;
    for (Index f = 0; f < it->features; f += BLOCK)
        for (Index r = 0; r < it->rows; r++)
            add_block(it->x + r * it->features + f, it->kernel + f * it->units + from,
                      least(BLOCK, it->features - f), it->units, wide, it->y + r * it->units + from);
}

EXPORT void NAME(dense_few)(const T *x, const T *kernel, const T *bias, Index rows, Index features,
                            Index units, Index threads, Index kind, T *y) {
    Dense it = {x, kernel, bias, rows, features, units, y};
    minicnn_parallel_for((units + WIDE * LANES - 1) / (WIDE * LANES), threads, dense_units, &it);
    for (Index r = 0; r < rows; r++)
        activate(y + r * units, units, kind);
}

/* In place, on what the BLAS has made. */
EXPORT void NAME(dense_finish)(T *y, const T *bias, Index rows, Index units, Index kind) {
    for (Index r = 0; r < rows; r++, y += units) {
        if (bias)
            for (Index u = 0; u < units; u++)
                y[u] += bias[u];
        activate(y, units, kind);
    }
}

/* y is NULL where there is no ReLU, and dz then dy; total has a double for each unit. */
EXPORT void NAME(dense_back)(const T *dy, const T *y, Index rows, Index units, double *total,
                             T *restrict dz, T *restrict dbias) {
    for (Index u = 0; u < units; u++)
        total[u] = 0;
    for (Index r = 0; r < rows; r++, dy += units) {
        if (y) {
            for (Index u = 0; u < units; u++)
                dz[u] = dy[u] * (y[u] > 0 ? 1 : 0);
            y += units;
        }
        const T *g = y ? dz : dy;
        for (Index u = 0; u < units; u++)
            total[u] += g[u];
        dz += y ? units : 0;
    }
    for (Index u = 0; u < units; u++)
        dbias[u] = total[u];
}
