/* Convolution: every window of an image with every filter.
 *
 *     for (n = 0; n < N; n++)
 *       for (h = 0; h < OH; h++)
 *         for (w = 0; w < OW; w++)
 *           for (f = 0; f < F; f++) {
 *             y[n][h][w][f] = bias[f];
 *             for (i = 0; i < KH; i++)
 *               for (j = 0; j < KW; j++)
 *                 for (c = 0; c < C; c++)
 *                   y[n][h][w][f] += x[n][h * SH + i * DH - TOP][w * SW + j * DW - LEFT][c]
 *                                  * kernel[i][j][c][f];
 *           }
 *
 * What makes it fast is the order of the loops, and what stays in registers meanwhile. The sums of
 * some pixels (14) times two vectors of filters are held there; for each number of the window, two
 * vectors of the kernel are loaded once, and multiplied by the 14 pixels' numbers. So of 28
 * multiplications with their additions two load from the kernel, and 14 from the image.
 *
 * The pixels of a window's row lie side by side in memory, with their channels, so that j and c are
 * one loop over a "run" of KW * C numbers; with dilation or groups each j is a run of its own. The
 * beginnings of the runs are the "taps". Images with padding, or of bytes, are first laid into
 * scratch memory with zeros around them, some rows at a time, which stay in the cache from there on
 * through ReLU and pooling.
 *
 * Two kinds of convolutions take other ways: those with few filters (planar.c), and large ones of 3x3
 * (winograd.c).
 */
#include "convolution.h"
#include "normalization.h"

/* How many pixels are summed at a time: with so many vectors of filters, as many as there are
 * registers for. */
#if MANY_REGISTERS
enum { PIXELS_1 = 14, PIXELS_2 = 14, PIXELS_3 = 9 };
#else
enum { PIXELS_1 = 12, PIXELS_2 = 6, PIXELS_3 = 4 };
#endif

typedef void Block(const T *const *pixel, const Correlation *it, const T *kernel, const T *bias,
                   T *const *out, Index filters);

/* One block: PIXELS pixels, VECTORS vectors of filters. */
#define BLOCK(name, V, PIXELS, VECTORS)                                                            \
    static void name(const T *const *pixel, const Correlation *it, const T *kernel, const T *bias, \
                     T *const *out, Index filters) {                                               \
        V sum[PIXELS][VECTORS];                                                                    \
        for (int p = 0; p < PIXELS; p++)                                                           \
            for (int q = 0; q < VECTORS; q++)                                                      \
                sum[p][q] = bias ? ((const V *)bias)[q] : (V){0};                                  \
        for (Index i = 0; i < it->taps; i++) {                                                     \
            const T *at[PIXELS];                                                                   \
            for (int p = 0; p < PIXELS; p++)                                                       \
                at[p] = pixel[p] + it->tap[i];                                                     \
            _Pragma("GCC unroll 4") for (Index t = 0; t < it->run; t++) {                          \
                V weight[VECTORS];                                                                 \
                for (int q = 0; q < VECTORS; q++)                                                  \
                    weight[q] = ((const V *)kernel)[q];                                            \
                kernel += VECTORS * (sizeof(V) / sizeof(T));                                       \
                for (int p = 0; p < PIXELS; p++) {                                                 \
                    V x = at[p][t] - (V){0};                                                       \
                    for (int q = 0; q < VECTORS; q++)                                              \
                        sum[p][q] += x * weight[q];                                                \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        for (int p = 0; p < PIXELS; p++)                                                           \
            for (int q = 0; q < VECTORS; q++) {                                                    \
                V y = sum[p][q];                                                                   \
                if (it->relu) /* as the loops do: NaN and -0 stay */                               \
                    y = (V)((typeof(y < y))y & ~(y < (V){0}));                                     \
                Index lanes = sizeof(V) / sizeof(T), left = filters - q * lanes;                   \
                if (left >= lanes)                                                                 \
                    ((V *)out[p])[q] = y;                                                          \
                else if (left > 0)                                                                 \
                    copy_some(out[p] + q * lanes, &y, left * sizeof(T), sizeof(V));                \
            }                                                                                      \
    }

BLOCK(one_quarter, Quarter, PIXELS_1, 1)
BLOCK(one_half, Half, PIXELS_1, 1)
BLOCK(one_vector, Vector, PIXELS_1, 1)
BLOCK(two_vectors, Vector, PIXELS_2, 2)
BLOCK(three_vectors, Vector, PIXELS_3, 3)

/* How the filters from one on are computed next. */
typedef struct {
    Block *sums;
    Index pixels, filters;
} Kind;

static Kind kind_of(Index left) {
    const Index quarter = sizeof(Quarter) / sizeof(T), half = sizeof(Half) / sizeof(T);
    if (left <= quarter)
        return (Kind){one_quarter, PIXELS_1, quarter};
    if (left <= half)
        return (Kind){one_half, PIXELS_1, half};
    if (left <= LANES)
        return (Kind){one_vector, PIXELS_1, LANES};
    if (left > 2 * LANES && left <= 3 * LANES)
        return (Kind){three_vectors, PIXELS_3, 3 * LANES};
    return (Kind){two_vectors, PIXELS_2, 2 * LANES};
}

Index NAME(next_filters)(Index left) { return kind_of(left).filters; }

Index NAME(packed_filters)(Index filters) {
    Index all = 0;
    while (all < filters)
        all += kind_of(filters - all).filters;
    return all;
}

void NAME(correlate)(const Correlation *it, Index pixels, const T *images, T *out) {
    const T *kernel = it->kernel;
    for (Index f = 0; f < it->filters;) {
        Kind kind = kind_of(it->filters - f);
        const T *bias = it->bias ? it->bias + f : 0;
        for (Index p = 0; p < pixels; p += kind.pixels) {
            const T *pixel[16];
            T *to[16];
            for (Index k = 0; k < kind.pixels; k++) { /* beyond the last: the last, again */
                Index one = least(p + k, pixels - 1);
                pixel[k] = images + it->from[one];
                to[k] = out + it->to[one] + f;
            }
            kind.sums(pixel, it, kernel, bias, to, it->filters - f);
        }
        kernel += it->taps * it->run * kind.filters;
        f += kind.filters;
    }
}

/* Tasks are as large as fits well into the second level of the cache, but so many that several
 * threads have something to do. */
enum { TASK_BYTES = 256 << 10, ENOUGH_TASKS = 32 };
/* A large kernel is read once for each task, from further away: that must be worth it. */
enum { LARGE_KERNEL = 512 << 10, ENOUGH_PIXELS = 512 };

Tasks NAME(cut_tasks)(Index n, Index rows, Index bytes_of_row, Index unit, Index pixels,
                      Index kernel) {
    Index image = most(rows * bytes_of_row, 1), units = most((rows + unit - 1) / unit, 1);
    Tasks tasks = {1, units * unit, 1, 0};
    tasks.images = most(least(TASK_BYTES / image, n / ENOUGH_TASKS), 1);
    if (kernel * (Index)sizeof(T) > LARGE_KERNEL)
        tasks.images = most(tasks.images, least(ENOUGH_PIXELS / most(pixels, 1), n / 2));
    Index bands = least(units, most((image + TASK_BYTES - 1) / TASK_BYTES, ENOUGH_TASKS / most(n, 1)));
    if (tasks.images == 1 && bands > 1) {
        tasks.rows = (units + bands - 1) / bands * unit;
        tasks.bands = (units * unit + tasks.rows - 1) / tasks.rows;
    }
    tasks.count = (n + tasks.images - 1) / tasks.images * tasks.bands;
    return tasks;
}

Tasks NAME(cut_tiles)(Index n, Index rows, Index bytes_of_row, Index unit, Index pixels) {
    return NAME(cut_tasks)(n, rows, bytes_of_row, unit, 4 * pixels, LARGE_KERNEL);
}

void NAME(lay)(const Frame *frame, const void *images, Index n, Index first, Index last, T *to) {
    Index numbers = frame->w * frame->c, before = frame->left * frame->c, row = frame->wide * frame->c;
    for (Index i = 0; i < n; i++)
        for (Index r = first; r < last; r++, to += row) {
            if (r < 0 || r >= frame->h) {
                memset(to, 0, row * sizeof(T));
                continue;
            }
            Index at = (i * frame->h + r) * numbers;
            memset(to, 0, before * sizeof(T));
            memset(to + before + numbers, 0, (row - before - numbers) * sizeof(T));
            if (frame->bytes) {
                const uint8_t *from = (const uint8_t *)images + at;
                for (Index k = 0; k < numbers; k++)
                    to[before + k] = from[k] * frame->scale + frame->offset;
            } else if (frame->scale != 1 || frame->offset != 0) {
                const T *from = (const T *)images + at;
                for (Index k = 0; k < numbers; k++)
                    to[before + k] = from[k] * frame->scale + frame->offset;
            } else
                memcpy(to + before, (const T *)images + at, numbers * sizeof(T));
        }
}

/* The kernel of a group, packed. */
static void pack(const Convolution *it, const T *kernel, Index group, Index taps, Index run, T *to) {
    Index filters = it->filters / it->groups;
    for (Index f = 0, block; f < filters; f += block) {
        block = NAME(next_filters)(filters - f);
        const T *from = kernel + group * filters + f;
        Index real = least(block, filters - f);
        for (Index k = 0; k < taps * run; k++, to += block, from += it->filters) {
            memcpy(to, from, real * sizeof(T));
            memset(to + real, 0, (block - real) * sizeof(T));
        }
    }
}

const T *NAME(images_of_task)(const Pass *pass, Index task, Index worker, Index *image,
                              Index *images, Index *row, Index *rows) {
    const Convolution *it = &pass->it;
    Index limit = it->pool ? it->oh / it->ph * it->ph : it->oh;
    *image = task / pass->tasks.bands * pass->tasks.images;
    *images = least(pass->tasks.images, it->n - *image);
    *row = task % pass->tasks.bands * pass->tasks.rows;
    *rows = least(pass->tasks.rows, limit - *row);
    Index size = it->h * it->w * it->c, first = *row * it->sh - it->top;
    if (*rows <= 0 || !pass->framed)
        return (const T *)pass->x + *image * size + first * it->w * it->c;
    const char *x = (const char *)pass->x + *image * size * (it->bytes ? 1 : sizeof(T));
    Index last = first + (*rows - 1) * it->sh + (it->kh - 1) * it->dh + 1;
    T *frames = pass->frames + worker * pass->frame_size;
    NAME(lay)(&pass->frame, x, *images, first, last, frames);
    return frames;
}

Source NAME(source_of_task)(const Pass *pass, const T *images, Index row, Index rows) {
    const Convolution *it = &pass->it;
    Index high = rows + it->kh - 1, line = pass->frame.wide * it->c;
    if (pass->framed)
        return (Source){images, high * line, line, high, pass->frame.wide, 0, 0};
    line = it->w * it->c;
    return (Source){images - (row - it->top) * line, it->h * line, line, it->h, it->w,
                    it->top - row, it->left};
}

static void direct_task(const Pass *pass, Index task, Index worker) {
    const Convolution *it = &pass->it;
    Index image, images, row, rows;
    const T *from = NAME(images_of_task)(pass, task, worker, &image, &images, &row, &rows);
    if (rows <= 0)
        return;
    T *to = it->pool ? pass->made + worker * pass->made_size
                     : pass->y + (image * it->oh + row) * it->ow * it->filters;
    if (pass->winograd.inputs) {
        Source source = NAME(source_of_task)(pass, from, row, rows);
        NAME(winograd)(&pass->winograd, &source, images, rows, it->ow, to,
                       pass->tiles + worker * pass->tiles_size);
    }
    for (Index g = 0; !pass->winograd.inputs && g < it->groups; g++)
        NAME(correlate)(pass->groups + g, images * rows * it->ow, from,
                        to + g * (it->filters / it->groups));
    for (Index i = 0; it->pool && i < images; i++)
        NAME(pool_rows)(pass, to + i * rows * it->ow * pass->wide, row, rows, image + i);
}

static void convolve_task(void *context, Index task, Index worker) {
    const Pass *pass = context;
    const Convolution *it = &pass->it;
    (pass->planar.taps ? NAME(planar_task) : direct_task)(pass, task, worker);
    if (!it->moments)
        return;
    /* What was made is still in the cache. */
    Index image = task / pass->tasks.bands * pass->tasks.images;
    Index row = task % pass->tasks.bands * pass->tasks.rows;
    Index images = least(pass->tasks.images, it->n - image), rows = least(pass->tasks.rows, it->oh - row);
    NAME(moments_of_rows)(pass->y + (image * it->oh + row) * it->ow * it->filters,
                          images * most(rows, 0) * it->ow, it->filters,
                          pass->slots + task * slot_of(it->filters));
}

Pass NAME(pass_of)(const Convolution *it, const void *x, double scale, double offset) {
    Frame frame = {it->h, it->w, it->c, it->left, it->left + it->w + it->right, it->bytes,
                   (T)scale, (T)offset};
    return (Pass){.it = *it, .x = x, .frame = frame};
}

Index NAME(prepare)(Pass *pass, char *memory, Index threads, Index forward, const T *kernel,
                    const T *bias) {
    const Convolution *it = &pass->it;
    if (forward && NAME(planar_pays)(it))
        return NAME(prepare_planar)(pass, memory, threads, kernel, bias);
    Scratch scratch = {(uintptr_t)memory};
    Index merged = it->groups == 1 && it->dw == 1;
    Index taps = it->kh * (merged ? 1 : it->kw), run = it->c / it->groups * (merged ? it->kw : 1);
    Index unit = it->pool ? it->ph : 1, limit = it->pool ? it->oh / unit * unit : it->oh;
    Index filters = it->filters / it->groups, packed = NAME(packed_filters)(filters);

    Index winograd = NAME(winograd_pays)(it);
    pass->framed = it->bytes || pass->frame.scale != 1 || pass->frame.offset != 0
                   || (!winograd && (it->top || it->bottom || it->left || it->right));
    pass->wide = it->pool ? (it->filters + LANES - 1) / LANES * LANES : it->filters;
    Index pixel = pass->framed ? it->c : 0, row = pass->frame.wide * pixel;
    Index bytes = (row * it->sh + it->ow * pass->wide) * sizeof(T);
    if (winograd)
        unit += unit % 2 * unit;
    Index made = limit * it->ow;
    pass->tasks = winograd ? NAME(cut_tiles)(it->n, limit, bytes, unit, made)
                           : NAME(cut_tasks)(it->n, limit, bytes, unit, made, taps * run * packed);
    Index images = pass->tasks.images, rows = least(pass->tasks.rows, limit);
    Index reach = most((rows - 1) * it->sh + (it->kh - 1) * it->dh + 1, 0);
    pass->frame_size = pass->framed ? images * reach * row + LANES : 0;
    pass->made_size = forward && it->pool ? images * rows * it->ow * pass->wide + LANES : 0;

    Index pixels = images * rows * it->ow, slots = forward && it->moments ? pass->tasks.count : 0;
    pass->slots = take(&scratch, slots * slot_of(it->filters) * sizeof(double));
    Index *from = take(&scratch, pixels * sizeof(Index)), *to = take(&scratch, pixels * sizeof(Index));
    Index *tap = take(&scratch, taps * it->groups * sizeof(Index));
    Index matrices = 16 * widened(it->c) * widened(it->filters);
    Index weights_size = !forward ? 0 : winograd ? matrices : taps * run * packed;
    if (winograd)
        pass->tiles_size = (forward ? NAME(winograd_numbers)
                                    : NAME(winograd_sums_numbers))(it->c, it->filters);
    pass->tiles = take(&scratch, threads * pass->tiles_size * sizeof(T));
    T *weights = take(&scratch, it->groups * weights_size * sizeof(T));
    T *biases = take(&scratch, it->groups * packed * sizeof(T));
    pass->groups = take(&scratch, it->groups * sizeof(Correlation));
    pass->frames = take(&scratch, threads * pass->frame_size * sizeof(T));
    pass->made = take(&scratch, threads * pass->made_size * sizeof(T));
    Index taken = scratch.at - (uintptr_t)memory;
    if (!memory)
        return taken;

    Index wide = pass->framed ? pass->frame.wide : it->w, high = pass->framed ? reach : it->h;
    for (Index i = 0, p = 0; i < images; i++)
        for (Index r = 0; r < rows; r++)
            for (Index w = 0; w < it->ow; w++, p++) {
                from[p] = ((i * high + r * it->sh) * wide + w * it->sw) * it->c;
                to[p] = p * pass->wide;
            }
    for (Index g = 0; g < it->groups; g++) {
        Index first = g * (it->c / it->groups);
        for (Index i = 0; i < taps; i++) {
            Index down = merged ? i : i / it->kw, across = merged ? 0 : i % it->kw;
            tap[g * taps + i] = first + (down * it->dh * wide + across * it->dw) * it->c;
        }
        T *packed_here = weights + g * weights_size;
        if (forward && winograd)
            NAME(winograd_kernel)(kernel, 0, 1, it->c, filters, packed_here);
        else if (forward)
            pack(it, kernel, g, taps, run, packed_here);
        memset(biases + g * packed, 0, packed * sizeof(T));
        if (bias)
            memcpy(biases + g * packed, bias + g * filters, filters * sizeof(T));
        /* The mean of what the ReLU lets through; the maximum is the same before and after it. */
        Index relu = it->relu && it->pool != MAX_POOL;
        pass->groups[g] = (Correlation){from, to, taps, run, tap + g * taps, filters,
                                        packed_here, bias ? biases + g * packed : 0, relu};
    }
    if (winograd) {
        pass->winograd = (Winograd){it->c, filters, pass->wide, weights, bias ? biases : 0,
                                    it->relu && it->pool != MAX_POOL};
    }
    return taken;
}

/* Bytes of scratch memory that convolve needs. */
EXPORT Index NAME(convolve_scratch)(const Convolution *it, Index threads, double scale,
                                    double offset) {
    Pass pass = NAME(pass_of)(it, 0, scale, offset);
    return NAME(prepare)(&pass, 0, threads, 1, 0, 0);
}

/* y, and of pooling in training what its gradient needs: the winner of each window, or for the mean
 * of a ReLU which pixels passed it; and, if they are wanted, ``moments``: y's mean and variance. */
EXPORT void NAME(convolve)(const Convolution *it, Index threads, const void *x, double scale,
                           double offset, const T *kernel, const T *bias, T *y, uint8_t *kept,
                           T *moments, char *scratch) {
    Pass pass = NAME(pass_of)(it, x, scale, offset);
    pass.y = y;
    pass.kept = kept;
    NAME(prepare)(&pass, scratch, threads, 1, kernel, bias);
    minicnn_parallel_for(pass.tasks.count, threads, convolve_task, &pass);
    if (it->moments)
        NAME(finish_moments)(pass.slots, pass.tasks.count, it->filters, moments, moments + it->filters);
}
