/* A convolution with few filters: a vector holds neighbouring columns, not filters.
 *
 *     for (r = 0; r < ROWS; r++)
 *       for (w = 0; w < OW; w++)
 *         for (f = 0; f < F; f++) {
 *           z[f][r][w] = bias[f];
 *           for (i = 0; i < KH; i++)
 *             for (c = 0; c < C; c++)
 *               for (j = 0; j < KW; j++)
 *                 z[f][r][w] += x[r * SH + i * DH][c][w + j * DW] * kernel[i][j][c][f];
 *         }
 *
 * Eight filters fill half a vector of 16, and six filters less. There are more columns than that in
 * most images, so here the loop over w is the one that a vector stands for. For it the images are
 * laid into planes, one for each channel: then w and w + 1 are neighbours in memory. The sums of
 * three vectors of columns with eight filters stay in registers (or four with six, and so on); for
 * each i, c and j three vectors are loaded, and each is multiplied by a number of each filter.
 *
 * What is made lies in planes as well, one for each filter. A maximum is first taken down the columns
 * of its window, when all lanes are still at work, and across its columns when the rest has been
 * turned into pixels, F numbers side by side. Anything else is turned as it is (planar_tail.c).
 */
#include "convolution.h"
#include "normalization.h"

/* Vectors of columns times filters, as many as there are registers for. */
#if MANY_REGISTERS
enum { WITH_4 = 6, WITH_5 = 5, WITH_6 = 4 };
#else
enum { WITH_4 = 3, WITH_5 = 2, WITH_6 = 2 };
#endif
enum { WITH_8 = 3, MOST_VECTORS = 6, ENOUGH_VECTORS = 24 };

typedef void Block(const Planar *it, const T *const *from, const T *kernel, const T *bias,
                   T *const *to);

/* One block: to[v] + f * apart = the sums of filter f for the vector of columns from[v] on. */
#define BLOCK(name, FILTERS, VECTORS)                                                              \
    static void name(const Planar *it, const T *const *from, const T *kernel, const T *bias,       \
                     T *const *to) {                                                               \
        Vector sum[FILTERS][VECTORS];                                                              \
        for (int f = 0; f < FILTERS; f++)                                                          \
            for (int v = 0; v < VECTORS; v++)                                                      \
                sum[f][v] = splat(bias[f]);                                                        \
        for (Index i = 0; i < it->taps; i++, kernel += FILTERS) {                                  \
            Vector x[VECTORS];                                                                     \
            for (int v = 0; v < VECTORS; v++)                                                      \
                x[v] = load(from[v] + it->tap[i]);                                                 \
            for (int f = 0; f < FILTERS; f++) {                                                    \
                Vector weight = splat(kernel[f]);                                                  \
                for (int v = 0; v < VECTORS; v++)                                                  \
                    sum[f][v] += x[v] * weight;                                                    \
            }                                                                                      \
        }                                                                                          \
        for (int f = 0; f < FILTERS; f++)                                                          \
            for (int v = 0; v < VECTORS; v++) {                                                    \
                Vector y = sum[f][v];                                                              \
                if (it->relu) /* as the loops do: NaN and -0 stay */                               \
                    y = (Vector)((Lanes)y & ~(y < (Vector){0}));                                   \
                store(to[v] + f * it->apart, y);                                                   \
            }                                                                                      \
    }

BLOCK(four_filters, 4, WITH_4)
BLOCK(five_filters, 5, WITH_5)
BLOCK(six_filters, 6, WITH_6)
#if MANY_REGISTERS
BLOCK(eight_filters, 8, WITH_8)
#endif

/* How the filters from one on are computed next. */
typedef struct {
    Block *sums;
    Index vectors, filters;
} Kind;

static Kind kind_of(Index left) {
#if MANY_REGISTERS
    if (left == 7 || left == 8 || left > 12)
        return (Kind){eight_filters, WITH_8, 8};
#endif
    Index filters = left <= 6 ? left : left <= 12 ? (left + 1) / 2 : 6;
    if (filters == 6)
        return (Kind){six_filters, WITH_6, 6};
    if (filters == 5)
        return (Kind){five_filters, WITH_5, 5};
    return (Kind){four_filters, WITH_4, 4};
}

static Index blocks_of(Index filters) {
    Index all = 0;
    while (all < filters)
        all += kind_of(filters - all).filters;
    return all;
}

/* Whether that is cheaper than vectors of filters: in vectors multiplied for each pixel, and what else
 * is about as dear, which is to lay numbers into planes, to turn others into pixels, and to pool. */
EXPORT Index NAME(planar_pays)(const Convolution *it) {
    Index taps = it->kh * it->kw * it->c, filters = blocks_of(it->filters), vectors = 0;
    for (Index f = 0; f < it->filters; vectors++)
        f += least(NAME(next_filters)(it->filters - f), LANES);
    Index turning = filters * 8 / LANES / (it->pool ? it->ph : 1);
    Index here = taps * filters * widened(it->ow) / LANES + it->ow * (it->c + turning);
    Index there = it->ow * vectors * (taps + (it->pool ? 2 : 0));
    return it->groups == 1 && it->sw == 1 && it->oh > 0 && here < there;
}

/* A worker's part of the scratch memory. */
static Made made_by(const Pass *pass, Index worker) {
    const Planar *it = &pass->planar;
    T *frame = pass->frames + worker * pass->frame_size, *z = pass->made + worker * pass->made_size;
    T *best = z + it->planes * it->apart, *place = best + it->planes * it->columns;
    T *pixels = place + it->planes * it->columns, *places = pixels + it->columns * it->wide + LANES;
    return (Made){frame, z, best, place, pixels, places};
}

/* Some rows of an image, laid out at ``frame`` from the first row on that they need. ``y``: where they
 * will be written to, or NULL: fetched meanwhile. */
static void make_rows(const Pass *pass, T *z, const T *frame, Index rows, const T *y) {
    const Planar *planar = &pass->planar;
    const T *kernel = planar->kernel, *bias = planar->bias;
    Index last = rows * planar->columns / LANES - 1;
    Index filters = pass->it.filters, line = 64 / sizeof(T);
    for (Index f = 0; f < filters;) {
        Kind kind = kind_of(filters - f);
        for (Index v = 0; v <= last; v += kind.vectors) {
            const T *from[MOST_VECTORS];
            T *to[MOST_VECTORS];
            for (Index k = 0; k < kind.vectors; k++) { /* beyond the last: the last, again */
                Index one = least(v + k, last);
                from[k] = frame + planar->from[one];
                to[k] = z + f * planar->apart + one * LANES;
                for (Index i = 0; y && !f && i < LANES * filters; i += line)
                    __builtin_prefetch(y + planar->to[one] + i, 1);
            }
            kind.sums(planar, from, kernel, bias, to);
        }
        kernel += planar->taps * kind.filters;
        bias += kind.filters;
        f += kind.filters;
    }
}

/* Rows first <= r < last of an image as planes: row after row, and in each channel after channel. */
static void lay_planes(const Pass *pass, Index image, Index first, Index last, T *to) {
    const Convolution *it = &pass->it;
    Index size = it->h * it->w * it->c, reach = pass->planar.reach, numbers = it->w * it->c;
    const char *x = (const char *)pass->x + image * size * (it->bytes ? 1 : sizeof(T));
    Frame flat = pass->frame;
    flat.left = 0;
    flat.wide = it->w;
    T *row = to + (last - first) * it->c * reach;
    for (Index r = first; r < last; r++, to += it->c * reach) {
        memset(to, 0, it->c * reach * sizeof(T));
        if (r < 0 || r >= it->h)
            continue;
        const T *from = (const T *)x + r * numbers;
        if (it->bytes || flat.scale != 1 || flat.offset != 0) {
            NAME(lay)(&flat, x, 1, r, r + 1, row);
            from = row;
        }
        NAME(to_planes)(from, it->w, it->c, to + it->left, reach);
    }
}

void NAME(planar_task)(const Pass *pass, Index task, Index worker) {
    const Convolution *it = &pass->it;
    const Planar *planar = &pass->planar;
    Made made = made_by(pass, worker);
    Index limit = it->pool ? it->oh / it->ph * it->ph : it->oh;
    Index begin = task % pass->tasks.bands * pass->tasks.rows;
    Index end = least(begin + pass->tasks.rows, limit);
    Index first = task / pass->tasks.bands * pass->tasks.images;
    for (Index i = first; i < least(first + pass->tasks.images, it->n) && begin < end; i++) {
        Index top = begin * it->sh - it->top;
        lay_planes(pass, i, top, top + (end - begin - 1) * it->sh + (it->kh - 1) * it->dh + 1,
                   made.frame);
        for (Index r = begin; r < end; r += planar->high) {
            Index rows = least(planar->high, end - r);
            make_rows(pass, made.z, made.frame + (r - begin) * it->sh * it->c * planar->reach,
                      rows, it->pool ? 0 : pass->y + (i * it->oh + r) * it->ow * it->filters);
            NAME(planar_tail)(pass, &made, i, r, rows);
        }
    }
}

static void pack(const Convolution *it, const T *kernel, T *to) {
    for (Index f = 0, block; f < it->filters; f += block) {
        block = kind_of(it->filters - f).filters;
        Index real = least(block, it->filters - f);
        for (Index i = 0; i < it->kh; i++)
            for (Index c = 0; c < it->c; c++)
                for (Index j = 0; j < it->kw; j++, to += block) {
                    memcpy(to, kernel + ((i * it->kw + j) * it->c + c) * it->filters + f,
                           real * sizeof(T));
                    memset(to + real, 0, (block - real) * sizeof(T));
                }
    }
}

Index NAME(prepare_planar)(Pass *pass, char *memory, Index threads, const T *kernel,
                           const T *bias) {
    const Convolution *it = &pass->it;
    Planar *planar = &pass->planar;
    Scratch scratch = {(uintptr_t)memory};
    Index unit = it->pool ? it->ph : 1, limit = it->oh / unit * unit;
    planar->taps = it->kh * it->kw * it->c;
    planar->planes = blocks_of(it->filters);
    planar->columns = widened(it->ow);
    planar->reach = most(planar->columns + (it->kw - 1) * it->dw, it->left + it->w);
    planar->wide = (it->filters + TURNED - 1) / TURNED * TURNED;
    planar->relu = it->relu && it->pool != MAX_POOL;
    Index row = it->c * planar->reach, bytes = row * it->sh * sizeof(T);
    pass->tasks = NAME(cut_tasks)(it->n, limit, bytes, unit, limit * it->ow, 0);
    Index rows = most(least(pass->tasks.rows, limit), unit);
    planar->high = most(ENOUGH_VECTORS * LANES / (unit * planar->columns), 1) * unit;
    planar->high = least(planar->high, rows);
    planar->apart = planar->high * planar->columns;
    pass->frame_size = ((rows - 1) * it->sh + (it->kh - 1) * it->dh + 1) * row + it->w * it->c;
    pass->made_size = planar->planes * (planar->apart + 2 * planar->columns)
                      + 2 * (planar->columns * planar->wide + LANES);

    Index slots = it->moments ? pass->tasks.count * slot_of(it->filters) : 0;
    pass->slots = take(&scratch, slots * sizeof(double));
    Index *tap = take(&scratch, planar->taps * sizeof(Index));
    Index vectors = planar->apart / LANES;
    Index *from = take(&scratch, vectors * sizeof(Index)), *to = take(&scratch, vectors * sizeof(Index));
    T *weights = take(&scratch, planar->taps * planar->planes * sizeof(T));
    T *biases = take(&scratch, planar->planes * sizeof(T));
    pass->frames = take(&scratch, threads * pass->frame_size * sizeof(T));
    pass->made = take(&scratch, threads * pass->made_size * sizeof(T));
    Index taken = scratch.at - (uintptr_t)memory;
    if (!memory)
        return taken;
    planar->from = from;
    planar->to = to;
    for (Index r = 0; r < planar->high; r++)
        for (Index w = 0; w < planar->columns; w += LANES) {
            *from++ = r * it->sh * row + w;
            *to++ = (r * it->ow + w) * it->filters;
        }
    planar->tap = tap;
    planar->kernel = weights;
    planar->bias = biases;
    for (Index i = 0; i < it->kh; i++)
        for (Index c = 0; c < it->c; c++)
            for (Index j = 0; j < it->kw; j++)
                *tap++ = (i * it->dh * it->c + c) * planar->reach + j * it->dw;
    pack(it, kernel, weights);
    memset(biases, 0, planar->planes * sizeof(T));
    if (bias)
        memcpy(biases, bias, it->filters * sizeof(T));
    return taken;
}
