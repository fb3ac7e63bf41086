/* Layer normalization: the numbers of each row brought to mean 0 and variance 1.
 *
 *     for (r = 0; r < R; r++) {
 *       mean[r] = sum over c of x[r][c] / C;
 *       inverse[r] = 1 / sqrt(sum over c of (x[r][c] - mean[r])^2 / C + epsilon);
 *       for (c = 0; c < C; c++)
 *         y[r][c] = (x[r][c] - mean[r]) * inverse[r] * gamma[c] + beta[c];
 *     }
 *
 * Backward, with x_hat = (x - mean) * inverse and g = gamma * dy:
 *
 *     dx[r][c] = (g[r][c] - mean of g - x_hat[r][c] * mean of g * x_hat) * inverse[r]
 *     dgamma[c] = sum over r of dy[r][c] * x_hat[r][c];   dbeta[c] = sum over r of dy[r][c]
 *
 * A row stays in the cache from one of its loops to the next, so that the memory is gone through
 * once; the threads share the rows. gamma and beta may be missing.
 */
#include <math.h>

#include "common.h"

/* Numbers that are added up in T; the sums of these are double. */
enum { FEW = 4096 };

typedef struct {
    const T *x, *dy, *gamma, *beta;
    T *y, *dx, *mean, *inverse;
    double *sums; /* of each part: dgamma and dbeta */
    Index rows, c, parts;
    double epsilon;
} Rows;

/* SUM(i): the sum of an expression over i < n, a vector at a time; ``at(i)`` is that expression. */
#define SUM(total, n, vectors, number)                                                             \
    double total = 0;                                                                              \
    for (Index first_ = 0; first_ < (n); first_ += FEW) {                                          \
        Vector sum_ = {0}, other_ = {0};                                                           \
        Index i = first_, end_ = least(first_ + FEW, n);                                           \
        for (; i + 2 * LANES <= end_; i += LANES) {                                                \
            sum_ += (vectors);                                                                     \
            i += LANES;                                                                            \
            other_ += (vectors);                                                                   \
        }                                                                                          \
        for (; i < end_; i++)                                                                      \
            total += (number);                                                                     \
        sum_ += other_;                                                                            \
        for (Index l_ = 0; l_ < LANES; l_++)                                                       \
            total += sum_[l_];                                                                     \
    }

static void normalize_row(const Rows *it, Index r) {
    Index c = it->c;
    const T *restrict x = it->x + r * c;
    T *restrict y = it->y + r * c;
    SUM(sum, c, load(x + i), x[i])
    T mean = sum / c;
    Vector means = splat(mean);
    SUM(squares, c, (load(x + i) - means) * (load(x + i) - means), (x[i] - mean) * (x[i] - mean))
    T inverse = 1 / sqrt(squares / c + it->epsilon);
    it->mean[r] = mean;
    it->inverse[r] = inverse;
    for (Index i = 0; i < c; i++) {
        T x_hat = (x[i] - mean) * inverse;
        y[i] = (it->gamma ? x_hat * it->gamma[i] : x_hat) + (it->beta ? it->beta[i] : 0);
    }
}

static void normalize_rows(void *context, Index part, Index worker) {
    const Rows *it = context;
    (void)worker;
    for (Index r = it->rows * part / it->parts; r < it->rows * (part + 1) / it->parts; r++)
        normalize_row(it, r);
}

EXPORT void NAME(layer_normalize)(const T *x, Index rows, Index c, Index parts, Index threads,
                                  const T *gamma, const T *beta, double epsilon, T *y, T *mean,
                                  T *inverse) {
    Rows it = {.x = x, .gamma = gamma, .beta = beta, .y = y, .mean = mean, .inverse = inverse,
               .rows = rows, .c = c, .parts = parts, .epsilon = epsilon};
    minicnn_parallel_for(parts, threads, normalize_rows, &it);
}

/* dx of a row; ``scaled`` says whether there is a gamma. */
INLINE void dx_of_row(const Rows *it, Index r, int scaled, double *restrict dgamma,
                      double *restrict dbeta) {
    Index c = it->c;
    const T *restrict x = it->x + r * c, *restrict dy = it->dy + r * c, *gamma = it->gamma;
    T *restrict dx = it->dx + r * c, mean = it->mean[r], inverse = it->inverse[r];
    Vector means = splat(mean), inverses = splat(inverse), ones = splat(1);
#define G_VECTOR (load(dy + i) * (scaled ? load(gamma + i) : ones))
#define G_NUMBER (dy[i] * (scaled ? gamma[i] : 1))
    SUM(sum, c, G_VECTOR, G_NUMBER)
    SUM(product, c, G_VECTOR * ((load(x + i) - means) * inverses), G_NUMBER * ((x[i] - mean) * inverse))
    T middle = sum / c, pull = product / c;
    for (Index i = 0; i < c; i++) {
        T x_hat = (x[i] - mean) * inverse;
        dgamma[i] += dy[i] * x_hat;
        dbeta[i] += dy[i];
        dx[i] = (G_NUMBER - middle - x_hat * pull) * inverse;
    }
}

static void rows_of_dx(void *context, Index part, Index worker) {
    const Rows *it = context;
    double *dgamma = it->sums + part * 2 * it->c, *dbeta = dgamma + it->c;
    (void)worker;
    memset(dgamma, 0, 2 * it->c * sizeof(double));
    for (Index r = it->rows * part / it->parts; r < it->rows * (part + 1) / it->parts; r++)
        if (it->gamma)
            dx_of_row(it, r, 1, dgamma, dbeta);
        else
            dx_of_row(it, r, 0, dgamma, dbeta);
}

/* ``sums`` is (parts, 2, c). */
EXPORT void NAME(layer_normalize_backward)(const T *dy, const T *x, Index rows, Index c,
                                           Index parts, Index threads, const T *gamma, T *mean,
                                           T *inverse, double *sums, T *dx, T *dgamma, T *dbeta) {
    Rows it = {.x = x, .dy = dy, .gamma = gamma, .dx = dx, .mean = mean, .inverse = inverse,
               .sums = sums, .rows = rows, .c = c, .parts = parts};
    minicnn_parallel_for(parts, threads, rows_of_dx, &it);
    for (Index i = 0; i < c; i++) {
        double scale = 0, shift = 0;
        for (Index part = 0; part < parts; part++) {
            scale += sums[part * 2 * c + i];
            shift += sums[part * 2 * c + c + i];
        }
        dgamma[i] = scale;
        dbeta[i] = shift;
    }
}
