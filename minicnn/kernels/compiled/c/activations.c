/* Sums and ReLUs, in one pass over the numbers of arrays of any shape.
 *
 *     for (i = 0; i < n; i++) {
 *       z = a[i] + b[i];
 *       y[i] = z > 0 ? z : slope * z;      the ReLU; slope is 0 but in the leaky one
 *       y[i] = min(y[i], most);
 *     }
 *
 * Backward dx[i] = dy[i] where y rose with z, slope * dy[i] below 0, and 0 above ``most``. All of it
 * may be done in place.
 */
#include "common.h"

enum { PART = (64 << 10) / sizeof(T) };

/* What is done to a sum; a ReLU that is clipped is not leaky. */
enum { NOTHING, RELU, CLIPPED, LEAKY };

typedef struct {
    const T *a, *b;
    T *y;
    Index n, kind;
    T slope, most;
} Pass;

INLINE T after(T z, int kind, T slope, T most) {
    if (kind == LEAKY)
        return z > 0 ? z : slope * z;
    if (kind != NOTHING)
        z = z < 0 ? 0 : z; /* NaN stays */
    if (kind == CLIPPED)
        z = z > most ? most : z;
    return z;
}

INLINE void some(const Pass *it, Index part, int kind, int added) {
    Index first = part * PART, n = least(PART, it->n - first);
    const T *a = it->a + first, *b = added ? it->b + first : 0;
    T *y = it->y + first, slope = it->slope, most = it->most;
    IN_PLACE /* y may be a or b */
    for (Index i = 0; i < n; i++)
        y[i] = after(added ? a[i] + b[i] : a[i], kind, slope, most);
}

static void rectify_part(void *context, Index part, Index worker) {
    const Pass *it = context;
    (void)worker;
    switch (it->kind + (it->b ? 4 : 0)) {
    case NOTHING: some(it, part, NOTHING, 0); break;
    case RELU: some(it, part, RELU, 0); break;
    case CLIPPED: some(it, part, CLIPPED, 0); break;
    case LEAKY: some(it, part, LEAKY, 0); break;
    case NOTHING + 4: some(it, part, NOTHING, 1); break;
    case RELU + 4: some(it, part, RELU, 1); break;
    case CLIPPED + 4: some(it, part, CLIPPED, 1); break;
    case LEAKY + 4: some(it, part, LEAKY, 1); break;
    }
}

/* y = the ReLU of a + b; b may be NULL, y may be a or b. */
EXPORT void NAME(rectify)(const T *a, const T *b, Index n, Index threads, Index kind, double slope,
                          double most, T *y) {
    Pass it = {a, b, y, n, kind, slope, most};
    minicnn_parallel_for((n + PART - 1) / PART, threads, rectify_part, &it);
}

INLINE void some_back(const Pass *it, Index part, int kind) {
    Index first = part * PART, n = least(PART, it->n - first);
    const T *dy = it->a + first, *y = it->b + first;
    T *dx = it->y + first, slope = it->slope, most = it->most;
    IN_PLACE /* dx may be y */
    for (Index i = 0; i < n; i++) {
        T flat = kind == LEAKY ? slope : 0;
        int rises = kind == CLIPPED ? (y[i] > 0) & (y[i] < most) : y[i] > 0;
        dx[i] = dy[i] * (rises ? 1 : flat);
    }
}

static void rectify_back_part(void *context, Index part, Index worker) {
    const Pass *it = context;
    (void)worker;
    switch (it->kind) {
    case RELU: some_back(it, part, RELU); break;
    case CLIPPED: some_back(it, part, CLIPPED); break;
    case LEAKY: some_back(it, part, LEAKY); break;
    }
}

/* The gradient of the sum, from y; dx may be y. */
EXPORT void NAME(rectify_backward)(const T *dy, const T *y, Index n, Index threads, Index kind,
                                   double slope, double most, T *dx) {
    Pass it = {dy, y, dx, n, kind, slope, most};
    minicnn_parallel_for((n + PART - 1) / PART, threads, rectify_back_part, &it);
}
