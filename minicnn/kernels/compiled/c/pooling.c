/* Pooling: the maximum or the mean of every window, and the sums of all pixels.
 *
 *     for (n = 0; n < N; n++)
 *       for (h = 0; h < OH; h++)
 *         for (w = 0; w < OW; w++)
 *           for (c = 0; c < C; c++) {
 *             y[n][h][w][c] = -INFINITY;
 *             for (i = 0; i < KH; i++)
 *               for (j = 0; j < KW; j++)
 *                 y[n][h][w][c] = larger(y[n][h][w][c],
 *                                        x[n][h * SH + i - TOP][w * SW + j - LEFT][c]);
 *           }
 *
 * over the pixels that lie inside the image; for the mean with + in the place of larger, and
 * divided by their number. The maximum over a window is that over its rows, and then over what is
 * left of its columns, and so is the sum: KH + KW steps instead of KH * KW. The rows come first,
 * because there the numbers of a whole row are a single run.
 *
 * Backward, the windows are gone through in the same order, and what reaches a pixel is added up
 * in it:
 *
 *     dx[n][y][x][c] += dy[n][h][w][c] / (its pixels)     for each pixel of the window, or
 *     dx[n][y][x][c] += dy[n][h][w][c]                    for the first that is y.
 *
 * All that stays in the cache are some rows of x and dx, so that memory is gone through once.
 */
#include "convolution.h"

#include <math.h>

/* As the caller gives it: all are Index. */
typedef struct {
    Index n, h, w, c;     /* the images */
    Index kh, kw, sh, sw; /* the windows */
    Index top, left;      /* padding */
    Index oh, ow;         /* rows and columns of windows */
} Pooling;

typedef struct {
    Pooling it;
    Tasks tasks; /* bands of rows of windows */
    Index mean;  /* instead of the maximum */
    const T *x, *y, *dy;
    T *made;    /* y forward, dx backward */
    T *scratch; /* of each worker */
    Index size; /* numbers in that */
} PoolPass;

/* Along one axis, the pixels first <= p < last of a window lie inside the image. */
typedef struct {
    Index first, last;
} Range;

INLINE Range inside(Index window, Index stride, Index size, Index pad, Index image) {
    Index first = window * stride - pad;
    return (Range){most(first, 0), least(first + size, image)};
}

/* One image's part of a task. */
typedef struct {
    Index image;
    Range rows; /* of windows */
} Band;

INLINE Band band_of(const PoolPass *pass, Index task, Index k) {
    Index first = task % pass->tasks.bands * pass->tasks.rows;
    return (Band){task / pass->tasks.bands * pass->tasks.images + k,
                  {first, least(first + pass->tasks.rows, pass->it.oh)}};
}

/* best[k] = the larger of best[k] and x[k]; NaN, if one is NaN. */
INLINE void take_larger(T *restrict best, const T *restrict x, Index count) {
    for (Index k = 0; k < count; k++)
        best[k] = ((x[k] <= best[k]) | (best[k] != best[k])) ? best[k] : x[k];
}

INLINE void add_up(T *restrict sum, const T *restrict x, Index count) {
    for (Index k = 0; k < count; k++)
        sum[k] += x[k];
}

/* Few channels make short loops, which are faster when the compiler knows their number. */
#define FOR_CHANNELS(c, function, ...)                                                             \
    do {                                                                                           \
        if (c == 1)                                                                                \
            function(__VA_ARGS__, 1);                                                              \
        else if (c == 3)                                                                           \
            function(__VA_ARGS__, 3);                                                              \
        else                                                                                       \
            function(__VA_ARGS__, c);                                                              \
    } while (0)

INLINE void combine(T *restrict so_far, const T *restrict x, Index count, Index mean) {
    if (mean)
        add_up(so_far, x, count);
    else
        take_larger(so_far, x, count);
}

/* A row of y from the rows of its windows, combined to one. */
INLINE void pool_columns(const PoolPass *pass, const T *x, Index rows, T *y, Index c) {
    const Pooling *it = &pass->it;
    for (Index w = 0; w < it->ow; w++, y += c) {
        Range columns = inside(w, it->sw, it->kw, it->left, it->w);
        for (Index k = 0; k < c; k++)
            y[k] = x[columns.first * c + k];
        for (Index j = columns.first + 1; j < columns.last; j++)
            combine(y, x + j * c, c, pass->mean);
        if (!pass->mean)
            continue;
        T count = (T)(rows * (columns.last - columns.first));
        for (Index k = 0; k < c; k++)
            y[k] /= count;
    }
}

static void pool_row(const PoolPass *pass, Index image, Index row, T *tall) {
    const Pooling *it = &pass->it;
    Index numbers = it->w * it->c;
    Range rows = inside(row, it->sh, it->kh, it->top, it->h);
    const T *x = pass->x + (image * it->h + rows.first) * numbers;
    T *y = pass->made + (image * it->oh + row) * it->ow * it->c;
    Index high = rows.last - rows.first;
    if (high > 1) {
        memcpy(tall, x, numbers * sizeof(T));
        for (Index i = 1; i < high; i++)
            combine(tall, x + i * numbers, numbers, pass->mean);
        x = tall;
    }
    FOR_CHANNELS(it->c, pool_columns, pass, x, high, y);
}

static void pool_task(void *context, Index task, Index worker) {
    const PoolPass *pass = context;
    for (Index k = 0; k < pass->tasks.images; k++) {
        Band band = band_of(pass, task, k);
        for (Index r = band.rows.first; band.image < pass->it.n && r < band.rows.last; r++)
            pool_row(pass, band.image, r, pass->scratch + worker * pass->size);
    }
}

/* dy of one window to its winners in the rows ``own`` of dx, for some channels. ``open`` are those
 * whose winner is not found yet. Pixels around the image are -INFINITY, which the maximum may be:
 * then the first wins. */
typedef struct {
    Range rows, columns, own;
    Index padded_first; /* whether the first pixel of the window lies outside */
} Window;

INLINE void spread_to_winner(const Pooling *it, const Window *window, const T *x,
                             const T *restrict y, const T *restrict dy, T *dx,
                             Lane *restrict open, Index c) {
    for (Index k = 0; k < c; k++)
        open[k] = (window->padded_first & (y[k] == -INFINITY)) ? 0 : -1;
    for (Index i = window->rows.first; i < least(window->rows.last, window->own.last); i++)
        for (Index j = window->columns.first; j < window->columns.last; j++) {
            const T *restrict z = x + (i * it->w + j) * it->c;
            T *restrict d = dx + (i * it->w + j) * it->c;
            Index mine = i >= window->own.first;
            for (Index k = 0; k < c; k++) {
                Lane won = ((z[k] == y[k]) | (z[k] != z[k])) ? open[k] : 0;
                if (mine)
                    d[k] += won ? dy[k] : 0;
                open[k] &= ~won;
            }
        }
}

/* The same for a vector of channels. */
INLINE void spread_vector(const Pooling *it, const Window *window, const T *x, Vector y, Vector dy,
                          T *dx) {
    Lanes open = ~((y == splat(-INFINITY)) & -(Lane)window->padded_first);
    for (Index i = window->rows.first; i < least(window->rows.last, window->own.last); i++)
        for (Index j = window->columns.first; j < window->columns.last; j++) {
            Index at = (i * it->w + j) * it->c;
            Vector z = load(x + at);
            Lanes won = open & ((z == y) | (z != z));
            if (i >= window->own.first)
                store(dx + at, load(dx + at) + (Vector)(won & (Lanes)dy));
            open &= ~won;
        }
}

INLINE void spread_evenly(const Pooling *it, Range rows, Range columns, Range own,
                          const T *restrict dy, T *dx, T *restrict part, Index c) {
    T count = (T)((rows.last - rows.first) * (columns.last - columns.first));
    for (Index k = 0; k < c; k++)
        part[k] = dy[k] / count;
    for (Index i = most(rows.first, own.first); i < least(rows.last, own.last); i++)
        for (Index j = columns.first; j < columns.last; j++)
            add_up(dx + (i * it->w + j) * c, part, c);
}

/* The windows of a row to the rows ``own`` of dx. */
INLINE void spread_row(const PoolPass *pass, Index image, Index row, Range rows, Range own, T *dx,
                       T *scratch, Index c) {
    const Pooling *it = &pass->it;
    for (Index w = 0; w < it->ow; w++) {
        Range columns = inside(w, it->sw, it->kw, it->left, it->w);
        Index at = ((image * it->oh + row) * it->ow + w) * c;
        const T *dy = pass->dy + at;
        if (pass->mean) {
            spread_evenly(it, rows, columns, own, dy, dx, scratch, c);
            continue;
        }
        const T *x = pass->x + image * it->h * it->w * c, *y = pass->y + at;
        Window window = {rows, columns, own, row * it->sh < it->top || w * it->sw < it->left};
        Index k = 0;
        for (; k + LANES <= c; k += LANES)
            spread_vector(it, &window, x + k, load(y + k), load(dy + k), dx + k);
        if (k < c)
            spread_to_winner(it, &window, x + k, y + k, dy + k, dx + k, (Lane *)scratch, c - k);
    }
}

/* The rows ``own`` of an image's dx: those at which the windows of a band begin, and what is above
 * the first and below the last. Windows of the bands above reach into them. */
static void spread_band(const PoolPass *pass, Band band, T *scratch) {
    const Pooling *it = &pass->it;
    Index row = it->w * it->c, image = band.image;
    Range own = {most(band.rows.first * it->sh - it->top, 0),
                 least(most(band.rows.last * it->sh - it->top, 0), it->h)};
    if (band.rows.first == 0)
        own.first = 0;
    if (band.rows.last == it->oh)
        own.last = it->h;
    T *dx = pass->made + image * it->h * row;
    Index above = own.first + it->top - it->kh + 1; /* the first row of windows that reaches here */
    above = above > 0 ? (above + it->sh - 1) / it->sh : 0;
    Index cleared = own.first;
    for (Index r = least(above, band.rows.first); r < band.rows.last; r++) {
        Range rows = inside(r, it->sh, it->kh, it->top, it->h);
        Index last = least(rows.last, own.last);
        if (last > cleared) {
            memset(dx + cleared * row, 0, (last - cleared) * row * sizeof(T));
            cleared = last;
        }
        FOR_CHANNELS(it->c, spread_row, pass, image, r, rows, own, dx, scratch);
    }
    if (own.last > cleared)
        memset(dx + cleared * row, 0, (own.last - cleared) * row * sizeof(T));
}

static void spread_task(void *context, Index task, Index worker) {
    const PoolPass *pass = context;
    for (Index k = 0; k < pass->tasks.images; k++) {
        Band band = band_of(pass, task, k);
        if (band.image < pass->it.n)
            spread_band(pass, band, pass->scratch + worker * pass->size);
    }
}

static Tasks tasks_of(const Pooling *it) {
    Index unit = it->kh > it->sh ? 2 * it->kh / it->sh : 1; /* bands higher than their windows */
    return NAME(cut_tasks)(it->n, it->oh, it->sh * it->w * it->c * sizeof(T), unit, 0, 0);
}

/* y. ``scratch`` holds a row of x for each thread. */
EXPORT void NAME(pool)(const Pooling *it, Index threads, Index mean, const T *x, T *y, T *scratch) {
    PoolPass pass = {*it, tasks_of(it), mean, x, 0, 0, y, scratch, it->w * it->c};
    minicnn_parallel_for(pass.tasks.count, threads, pool_task, &pass);
}

/* dx; of x and y only if ``mean`` is 0. ``scratch`` is as for pool. */
EXPORT void NAME(pool_backward)(const Pooling *it, Index threads, Index mean, const T *dy,
                                const T *x, const T *y, T *dx, T *scratch) {
    PoolPass pass = {*it, tasks_of(it), mean, x, y, dy, dx, scratch, it->w * it->c};
    minicnn_parallel_for(pass.tasks.count, threads, spread_task, &pass);
}
