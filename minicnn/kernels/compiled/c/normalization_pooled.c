/* Batch normalization, ReLU and the maximum of windows side by side, in one pass.
 *
 *     for (n = 0; n < N; n++)
 *       for (h = 0; h < H / PH; h++)
 *         for (w = 0; w < W / PW; w++)
 *           for (c = 0; c < C; c++) {
 *             z[i][j] = (x[n][h * PH + i][w * PW + j][c] - mean[c]) * scale[c] + shift[c];
 *             y[n][h][w][c] = relu(the largest z[i][j]);
 *           }
 *
 * What the normalization gives is never written down. Backward, all of dy goes to the first of the
 * largest; which that was is seen from x, which is read anyway. The other pixels have g = 0, but
 * still a dx, through mean and variance.
 */
#include "normalization.h"

typedef struct {
    Norm norm;
    Index h, w, ph, pw, bands; /* bands of an image: rows of windows, and what is left below them */
} Pooled;

/* Windows of 2x2, of channels that fill whole vectors, are what most networks have: for them the
 * functions below are compiled with these numbers as constants. */
#define BY_SIZE(function, it, ...)                                                                 \
    if ((it)->ph == 2 && (it)->pw == 2 && (it)->norm.c % LANES == 0)                               \
        function(it, __VA_ARGS__, 2, 2, LANES);                                                    \
    else                                                                                           \
        function(it, __VA_ARGS__, (it)->ph, (it)->pw, 1);

/* Channels in vectors: those of the last may be fewer. */
INLINE Vector some(const T *from, Index left) {
    if (left >= LANES)
        return load(from);
    Vector v = {0};
    memcpy(&v, from, left * sizeof(T));
    return v;
}
INLINE void put(T *to, Vector v, Index left) {
    if (left >= LANES)
        store(to, v);
    else
        memcpy(to, &v, left * sizeof(T));
}

/* The window that begins at x: its largest z, x - mean there, and which one it is. */
typedef struct {
    Vector z, apart;
    Lanes which;
} Winner;

INLINE Winner winner_of(const Pooled *it, const T *x, Index f, Index left, Index ph, Index pw) {
    const Norm *norm = &it->norm;
    Vector mean = some(norm->mean + f, left), scale = some(norm->scale + f, left);
    Vector shift = some(norm->shift + f, left);
    Winner best = {{0}, {0}, {0}};
    for (Index i = 0, k = 0; i < ph; i++)
        for (Index j = 0; j < pw; j++, k++) {
            Vector apart = some(x + (i * it->w + j) * norm->c + f, left) - mean;
            Vector z = apart * scale + shift;
            if (k) { /* NaN wins */
                Lanes better = ~(z <= best.z) & (best.z == best.z);
                best.z = choose(better, z, best.z);
                best.apart = choose(better, apart, best.apart);
                best.which = (better & ((Lane)k - (Lanes){0})) | (best.which & ~better);
            } else
                best = (Winner){z, apart, {0}};
        }
    return best;
}

/* dy where the ReLU let the largest through. */
INLINE Vector let_through(const Norm *norm, Vector dy, Vector z) {
    Vector zero = {0}, one = splat(1);
    if (norm->kind == NOTHING)
        return dy;
    Lanes rises = z > zero;
    if (norm->kind == CLIPPED)
        rises &= z < splat(norm->most);
    return dy * choose(rises, one, zero);
}

INLINE void y_of_band(const Pooled *it, Index band, Index ph, Index pw, Index step) {
    const Norm *norm = &it->norm;
    Index c = norm->c, high = it->h / ph, across = it->w / pw;
    const T *x = norm->x + (band / high * it->h + band % high * ph) * it->w * c;
    T *y = norm->y + band * across * c;
    Vector zero = {0}, most = splat(norm->most);
    for (Index w = 0; w < across; w++, x += pw * c, y += c)
        for (Index f = 0; f < c; f += LANES) {
            Index left = step == LANES ? LANES : c - f;
            Vector z = winner_of(it, x, f, left, ph, pw).z;
            if (norm->kind != NOTHING)
                z = choose(z < zero, zero, z);
            if (norm->kind == CLIPPED)
                z = choose(z > most, most, z);
            put(y + f, z, left);
        }
}

static void pooled_band(void *context, Index band, Index worker) {
    const Pooled *it = context;
    (void)worker;
    BY_SIZE(y_of_band, it, band)
}

EXPORT void NAME(normalize_pooled)(const T *x, Index n, Index h, Index w, Index c, Index ph,
                                   Index pw, Index threads, const T *mean, const T *scale,
                                   const T *shift, Index kind, double most, T *y) {
    Pooled it = {.norm = {.x = x, .y = y, .mean = mean, .scale = scale, .shift = shift, .c = c,
                          .kind = kind, .most = most},
                 .h = h, .w = w, .ph = ph, .pw = pw};
    minicnn_parallel_for(n * (h / ph), threads, pooled_band, &it);
}

/* Sums of g and of g * (x - mean); x is that of the largest, as g is 0 elsewhere. */
INLINE void sums_of_band(const Pooled *it, Index band, T *sum, T *product, Index ph, Index pw,
                         Index step) {
    const Norm *norm = &it->norm;
    Index c = norm->c, high = it->h / ph, across = it->w / pw;
    const T *x = norm->x + (band / high * it->h + band % high * ph) * it->w * c;
    const T *dy = norm->dy + band * across * c;
    for (Index w = 0; w < across; w++, x += pw * c, dy += c)
        for (Index f = 0; f < c; f += LANES) {
            Index left = step == LANES ? LANES : c - f;
            Winner best = winner_of(it, x, f, left, ph, pw);
            Vector g = let_through(norm, some(dy + f, left), best.z);
            store(sum + f, load(sum + f) + g);
            store(product + f, load(product + f) + g * best.apart);
        }
}

static void pooled_sums(void *context, Index part, Index worker) {
    const Pooled *it = context;
    const Norm *norm = &it->norm;
    Index c = norm->c, bands = norm->rows / most(it->h * it->w, 1) * (it->h / it->ph);
    double *total = norm->sums + part * 2 * c;
    (void)worker;
    memset(total, 0, 2 * c * sizeof(double));
    for (Index band = bands * part / norm->parts; band < bands * (part + 1) / norm->parts; band++) {
        T sum[WIDEST + LANES] = {0}, product[WIDEST + LANES] = {0};
        BY_SIZE(sums_of_band, it, band, sum, product)
        for (Index f = 0; f < c; f++) {
            total[f] += sum[f];
            total[c + f] += product[f];
        }
    }
}

/* dx of some pixels of a row that no window has. */
static void pixels_apart(const Norm *norm, Index at, Index pixels) {
    const T *x = norm->x + at * norm->c;
    T *dx = norm->dx + at * norm->c;
    for (Index p = 0; p < pixels; p++, x += norm->c, dx += norm->c)
        for (Index f = 0; f < norm->c; f++) {
            T none = (x[f] - norm->mean[f]) * norm->pull[f] - norm->middle[f];
            dx[f] = norm->batch ? none * norm->scale[f] : 0;
        }
}

INLINE void dx_of_band(const Pooled *it, Index first, const T *dy, Index ph, Index pw, Index step) {
    const Norm *norm = &it->norm;
    Index c = norm->c;
    for (Index w = 0; w < it->w / pw; w++, dy += c)
        for (Index f = 0; f < c; f += LANES) {
            Index at = (first + w * pw) * c, left = step == LANES ? LANES : c - f;
            Winner best = winner_of(it, norm->x + at, f, left, ph, pw);
            Vector g = let_through(norm, some(dy + f, left), best.z), zero = {0};
            Vector mean = some(norm->mean + f, left), scale = some(norm->scale + f, left);
            Vector pull = some(norm->pull + f, left), middle = some(norm->middle + f, left);
            for (Index i = 0, k = 0; i < ph; i++)
                for (Index j = 0; j < pw; j++, k++) {
                    Index pixel = at + (i * it->w + j) * c + f;
                    Vector here = choose(best.which == ((Lane)k - (Lanes){0}), g, zero);
                    if (norm->batch)
                        here = here - middle + (some(norm->x + pixel, left) - mean) * pull;
                    put(norm->dx + pixel, here * scale, left);
                }
        }
}

static void pooled_dx(void *context, Index band, Index worker) {
    const Pooled *it = context;
    const Norm *norm = &it->norm;
    Index high = it->h / it->ph, across = it->w / it->pw, row = band % it->bands;
    Index first = (band / it->bands * it->h + row * it->ph) * it->w;
    (void)worker;
    if (row == high) {
        pixels_apart(norm, first, (it->h - high * it->ph) * it->w);
        return;
    }
    const T *dy = norm->dy + (band / it->bands * high + row) * across * norm->c;
    BY_SIZE(dx_of_band, it, first, dy)
    for (Index i = 0; i < it->ph; i++)
        pixels_apart(norm, first + i * it->w + across * it->pw, it->w - across * it->pw);
}

/* As normalize_backward; dx may be x. */
EXPORT void NAME(normalize_pooled_backward)(const T *dy, const T *x, Index n, Index h, Index w,
                                            Index c, Index ph, Index pw, Index parts, Index threads,
                                            const T *mean, const T *inverse, const T *scale,
                                            const T *shift, Index kind, double most, Index batch,
                                            Index given, double *sums, T *two, T *dx, T *dshift,
                                            T *dscale) {
    Pooled it = {.norm = {.x = x, .dy = dy, .dx = dx, .mean = mean, .inverse = inverse,
                          .scale = scale, .shift = shift, .pull = two, .middle = two + c,
                          .sums = sums, .rows = n * h * w, .c = c, .parts = parts, .kind = kind,
                          .batch = batch, .most = most},
                 .h = h, .w = w, .ph = ph, .pw = pw, .bands = (h + ph - 1) / ph};
    if (!given) {
        minicnn_parallel_for(parts, threads, pooled_sums, &it);
        NAME(finish_sums)(&it.norm, dshift, dscale, two, two + c);
    }
    if (dx)
        minicnn_parallel_for(n * it.bands, threads, pooled_dx, &it);
}
