/* The gradient of a convolution's images.
 *
 *     for (n = 0; n < N; n++)
 *       for (h = 0; h < OH; h++)
 *         for (w = 0; w < OW; w++)
 *           for (f = 0; f < F; f++)
 *             for (i = 0; i < KH; i++)
 *               for (j = 0; j < KW; j++)
 *                 for (c = 0; c < C; c++)
 *                   dx[n][h * SH + i * DH - TOP][w * SW + j * DW - LEFT][c]
 *                       += kernel[i][j][c][f] * dz[n][h][w][f];
 *
 * So written, each number of dx is added to KH * KW times. Read from the other end, a pixel of dx is
 * the sum over all windows that saw it, which is a convolution of dz with the kernel turned around.
 * With a stride of S it is S convolutions: those pixels that are S apart were seen by the same
 * numbers of the kernel, which are every S-th ("a phase").
 *
 * With few channels the vectors of such a convolution would be half empty. Then it is done as
 * written, a row of the kernel at a time: its KW * C numbers lie side by side in dx as well.
 *
 * A transposed convolution is the same computation, with a bias.
 */
#include "convolution.h"

/* The pixels of dx that are SH rows and SW columns apart, from the first on. */
typedef struct {
    Index row, column;   /* of the first */
    Index rows, columns; /* how many there are in a task */
    Correlation *groups;
} Phase;

typedef struct {
    Gradient from;
    T *dx;
    Tasks tasks;
    Index reach_h, reach_w;    /* rows and columns of dz before that of the same place */
    Index before, wide, high;  /* the frame's first column; its size in pixels */
    Index direct;              /* whether dz is dy itself, and read where it is */
    Index frame_size;
    T *frames;                 /* dz of each worker's task */
    Phase *phases;
    Winograd winograd;         /* where it is computed so: else inputs is 0 */
    T *tiles;                  /* scratch of each worker for that */
    Index tiles_size;
    Index added, row;          /* whether it is done as written; numbers of a kernel's row, padded */
    Correlation rows;          /* dz times the kernel, row after row */
    T *products, *sums;        /* scratch of each worker for that */
    Index products_size, sums_size, pixels_high, pixels_wide;
    const T *bias;
} Images;

/* With few channels: for each pixel of dz the numbers that its window adds, and these added up. */
static void add_rows(const Images *d, Index images, const T *dz, T *dx, Index worker) {
    const Convolution *it = d->from.it;
    T *products = d->products + worker * d->products_size, *sums = d->sums + worker * d->sums_size;
    Index wide = d->pixels_wide * it->c;
    for (Index n = 0; n < images; n++, dz += it->oh * it->ow * it->filters) {
        NAME(correlate)(&d->rows, it->oh * it->ow, dz, products);
        memset(sums, 0, d->sums_size * sizeof(T));
        const T *from = products;
        for (Index h = 0; h < it->oh; h++)
            for (Index w = 0; w < it->ow; w++)
                for (Index i = 0; i < it->kh; i++) {
                    T *to = sums + (h * it->sh + i * it->dh) * wide + w * it->sw * it->c;
                    for (Index t = 0; t < d->row; t += LANES, from += LANES)
                        store(to + t, load(to + t) + load(from));
                }
        for (Index h = 0; h < it->h; h++, dx += it->w * it->c) {
            const T *row = sums + (h + it->top) * wide + it->left * it->c;
            memcpy(dx, row, it->w * it->c * sizeof(T));
            for (Index k = 0; d->bias && k < it->w * it->c; k++)
                dx[k] += d->bias[k % it->c];
        }
    }
}

static void images_task(void *context, Index task, Index worker) {
    const Images *d = context;
    const Convolution *it = d->from.it;
    Index image = task / d->tasks.bands * d->tasks.images;
    Index images = least(d->tasks.images, it->n - image);
    Index row = task % d->tasks.bands * d->tasks.rows, rows = least(d->tasks.rows, it->h - row);
    if (rows <= 0)
        return;
    const T *dz = d->from.dy + (image * it->oh + row / it->sh) * it->ow * it->filters;
    if (!d->direct) {
        Index first = d->added ? 0 : (row + it->top) / it->sh - d->reach_h;
        Index last = d->added ? it->oh : (row + rows - 1 + it->top) / it->sh + 1;
        T *made = d->frames + worker * d->frame_size;
        NAME(lay_gradient)(&d->from, image, images, first, last, d->before, d->wide, made);
        dz = made;
    }
    T *dx = d->dx + (image * it->h + row) * it->w * it->c;
    if (d->added) {
        add_rows(d, images, dz, dx, worker);
        return;
    }
    if (d->winograd.inputs) {
        Index line = d->wide * it->filters, high = d->direct ? it->oh : rows + 2;
        Index first = d->direct ? row + it->top - 2 : 0; /* row of dz that the first row reads */
        Source source = {d->direct ? d->from.dy + image * it->oh * line : dz, high * line, line, high,
                         d->wide, -first, d->direct ? 2 - it->left : 0};
        NAME(winograd)(&d->winograd, &source, images, rows, it->w, dx,
                       d->tiles + worker * d->tiles_size);
        return;
    }
    for (Index p = 0; p < it->sh * it->sw; p++) {
        const Phase *phase = d->phases + p;
        Index high = phase->row < rows ? (rows - 1 - phase->row) / it->sh + 1 : 0;
        for (Index g = 0; g < it->groups; g++)
            NAME(correlate)(phase->groups + g, images * high * phase->columns, dz,
                            dx + g * (it->c / it->groups));
    }
}

/* The numbers of the kernel that a phase meets, turned around: its filters are the channels. */
static void pack_turned(const Convolution *it, const T *kernel, Index group, Index a, Index b,
                        Index merged, T factor, T *to) {
    Index channels = it->c / it->groups, filters = it->filters / it->groups;
    for (Index c = 0, block; c < channels; c += block) {
        block = NAME(next_filters)(channels - c);
        Index real = least(block, channels - c);
        for (Index i = 0; i < it->kh; i++)
            for (Index k = 0; k < it->kw; k++) {
                Index j = merged ? it->kw - 1 - k : k;
                if (i * it->dh % it->sh != a || j * it->dw % it->sw != b)
                    continue;
                for (Index f = 0; f < filters; f++, to += block) {
                    const T *from = kernel
                                    + ((i * it->kw + j) * channels + c) * it->filters
                                    + group * filters + f;
                    for (Index q = 0; q < real; q++)
                        to[q] = from[q * it->filters] * factor;
                    memset(to + real, 0, (block - real) * sizeof(T));
                }
            }
    }
}

static void prepare_phase(const Images *d, Phase *phase, Index a, Index b, Index merged,
                          Scratch *scratch, Index really, const T *kernel, const T *bias,
                          T factor) {
    const Convolution *it = d->from.it;
    Index channels = it->c / it->groups, filters = it->filters / it->groups;
    Index packed = NAME(packed_filters)(channels), images = d->tasks.images;
    Index count_h = 0, count_w = 0;
    for (Index i = 0; i < it->kh; i++)
        count_h += i * it->dh % it->sh == a;
    for (Index j = 0; j < it->kw; j++)
        count_w += j * it->dw % it->sw == b;
    Index row = ((a - it->top) % it->sh + it->sh) % it->sh;
    Index column = ((b - it->left) % it->sw + it->sw) % it->sw;
    Index high = least(d->tasks.rows, it->h);
    Index rows = row < high ? (high - 1 - row) / it->sh + 1 : 0;
    Index columns = column < it->w ? (it->w - 1 - column) / it->sw + 1 : 0;
    Index pixels = images * rows * columns, taps = count_h * (merged && count_w ? 1 : count_w);
    Index run = merged ? count_w * filters : filters;

    Index *from = take(scratch, pixels * sizeof(Index)), *to = take(scratch, pixels * sizeof(Index));
    Index *tap = take(scratch, taps * it->groups * sizeof(Index));
    T *weights = take(scratch, it->groups * taps * run * packed * sizeof(T));
    T *biases = take(scratch, it->groups * packed * sizeof(T));
    Correlation *groups = take(scratch, it->groups * sizeof(Correlation));
    if (!really)
        return;

    *phase = (Phase){row, column, rows, columns, groups};
    Index down = (row + it->top - a) / it->sh - it->top / it->sh + d->reach_h;
    Index along = (column + it->left - b) / it->sw - d->before;
    for (Index i = 0, p = 0; i < images; i++)
        for (Index r = 0; r < rows; r++)
            for (Index q = 0; q < columns; q++, p++) {
                from[p] = ((i * d->high + r + down) * d->wide + q + along) * it->filters;
                to[p] = ((i * it->h + row + r * it->sh) * it->w + column + q * it->sw) * it->c;
            }
    for (Index g = 0; g < it->groups; g++) {
        Index *at = tap + g * taps;
        for (Index i = 0; i < it->kh; i++)
            for (Index j = 0; j < it->kw; j++) {
                if (i * it->dh % it->sh != a || j * it->dw % it->sw != b)
                    continue;
                Index e = merged ? count_w - 1 : (j * it->dw - b) / it->sw;
                *at++ = g * filters - ((i * it->dh - a) / it->sh * d->wide + e) * it->filters;
                if (merged)
                    break;
            }
        T *here = weights + g * taps * run * packed;
        pack_turned(it, kernel, g, a, b, merged, factor, here);
        memset(biases + g * packed, 0, packed * sizeof(T));
        if (bias)
            memcpy(biases + g * packed, bias + g * channels, channels * sizeof(T));
        groups[g] = (Correlation){from, to, taps, run, tap + g * taps, channels, here,
                                  bias ? biases + g * packed : 0, 0};
    }
}

/* Whether few channels make it cheaper to do it as written, by what either way takes of vectors. */
static Index adding_pays(const Convolution *it) {
    Index row = widened(it->kw * it->c) / LANES;
    Index added = it->oh * it->ow * (it->filters + 4) * it->kh * row;
    Index turned = it->h * it->w * it->kh * it->kw * it->filters / (it->sh * it->sw);
    return it->groups == 1 && it->dw == 1 && it->c < LANES && 3 * added < 2 * turned
           && it->h * it->w * it->c * (Index)sizeof(T) <= 256 << 10;
}

static void prepare_rows(Images *d, Scratch *scratch, Index really, Index threads,
                         const T *kernel, T factor) {
    const Convolution *it = d->from.it;
    Index run = it->kw * it->c, outputs = it->kh * d->row, pixels = it->oh * it->ow;
    Index packed = NAME(packed_filters)(outputs);
    Index *from = take(scratch, (pixels + 1) * sizeof(Index));
    Index *to = take(scratch, pixels * sizeof(Index));
    T *weights = take(scratch, it->filters * packed * sizeof(T));
    d->pixels_high = most((it->oh - 1) * it->sh + (it->kh - 1) * it->dh + 1, it->top + it->h);
    d->pixels_wide = most((it->ow - 1) * it->sw + it->kw, it->left + it->w);
    d->products_size = pixels * outputs;
    d->sums_size = d->pixels_high * d->pixels_wide * it->c + LANES;
    d->products = take(scratch, threads * d->products_size * sizeof(T));
    d->sums = take(scratch, threads * d->sums_size * sizeof(T));
    if (!really)
        return;
    for (Index p = 0; p < pixels; p++) {
        from[p] = p * it->filters;
        to[p] = p * outputs;
    }
    from[pixels] = 0; /* the only tap */
    T *w = weights;
    for (Index q = 0, block; q < outputs; q += block) {
        block = NAME(next_filters)(outputs - q);
        for (Index f = 0; f < it->filters; f++)
            for (Index k = q; k < q + block; k++) {
                Index i = k / d->row, t = k % d->row;
                *w++ = i < it->kh && t < run ? kernel[(i * run + t) * it->filters + f] * factor : 0;
            }
    }
    d->rows = (Correlation){from, to, 1, it->filters, from + pixels, outputs, weights, 0, 0};
}

static Index prepare_images(Images *d, char *memory, Index threads, const T *kernel,
                            const T *bias, T factor) {
    const Convolution *it = d->from.it;
    Scratch scratch = {(uintptr_t)memory};
    Index merged = it->groups == 1 && it->dw == 1;
    d->reach_h = (it->kh - 1) * it->dh / it->sh;
    d->reach_w = (it->kw - 1) * it->dw / it->sw;
    d->before = it->left / it->sw - d->reach_w;
    d->wide = (it->w - 1 + it->left) / it->sw - d->before + 1;
    d->direct = !it->relu && !it->pool && !it->top && !it->left && !d->reach_h && !d->reach_w
                && (it->h - 1) / it->sh + 1 == it->oh && d->wide == it->ow;
    Index winograd = NAME(winograd_pays)(it) && it->h > 2 && it->w > 2;
    if (winograd && !it->relu && !it->pool) {
        d->direct = 1;
        d->wide = it->ow;
    }
    Index framed = d->direct ? 0 : d->wide * it->filters;
    Index bytes = (framed / it->sh + it->w * it->c) * sizeof(T);
    d->added = !winograd && adding_pays(it);
    if (d->added) { /* dz as it is, whole images */
        d->row = widened(it->kw * it->c);
        d->bias = bias;
        d->before = d->reach_h = 0;
        d->wide = it->ow;
        d->direct = !it->relu && !it->pool;
        d->tasks = (Tasks){1, it->h, 1, it->n};
        d->frame_size = d->direct ? 0 : it->oh * it->ow * it->filters + LANES;
        d->frames = take(&scratch, threads * d->frame_size * sizeof(T));
        prepare_rows(d, &scratch, memory != 0, threads, kernel, factor);
        return scratch.at - (uintptr_t)memory;
    }
    Index pixels = it->h * it->w, numbers = it->kh * it->kw * it->c / it->groups * it->filters;
    d->tasks = winograd ? NAME(cut_tiles)(it->n, it->h, bytes, 2, pixels)
                        : NAME(cut_tasks)(it->n, it->h, bytes, it->sh, pixels, numbers);
    Index rows = least(d->tasks.rows, it->h);
    d->high = d->direct ? it->oh
                        : (rows - 1 + it->top) / it->sh - it->top / it->sh + d->reach_h + 1;
    d->frame_size = d->direct ? 0 : d->tasks.images * d->high * framed + LANES;
    d->frames = take(&scratch, threads * d->frame_size * sizeof(T));
    if (winograd) {
        T *weights = take(&scratch, 16 * widened(it->filters) * widened(it->c) * sizeof(T));
        d->tiles_size = NAME(winograd_numbers)(it->filters, it->c);
        d->tiles = take(&scratch, threads * d->tiles_size * sizeof(T));
        if (memory) {
            d->winograd = (Winograd){it->filters, it->c, it->c, weights, bias, 0};
            NAME(winograd_kernel)(kernel, 1, factor, it->filters, it->c, weights);
        }
        return scratch.at - (uintptr_t)memory;
    }
    d->phases = take(&scratch, it->sh * it->sw * sizeof(Phase));
    for (Index a = 0; a < it->sh; a++)
        for (Index b = 0; b < it->sw; b++)
            prepare_phase(d, d->phases + a * it->sw + b, a, b, merged, &scratch, memory != 0,
                          kernel, bias, factor);
    return scratch.at - (uintptr_t)memory;
}

EXPORT Index NAME(image_gradient_scratch)(const Convolution *it, Index threads) {
    Images d = {.from = {it, 0, 0, 0}};
    return prepare_images(&d, 0, threads, 0, 0, 1);
}

/* dx, times a factor; plus a bias for each channel, where it serves as a transposed convolution. */
EXPORT void NAME(image_gradient)(const Convolution *it, Index threads, const T *dy, const T *y,
                                 const uint8_t *kept, const T *kernel, const T *bias,
                                 double factor, T *dx, char *scratch) {
    Images d = {.from = {it, dy, y, kept}, .dx = dx};
    prepare_images(&d, scratch, threads, kernel, bias, (T)factor);
    minicnn_parallel_for(d.tasks.count, threads, images_task, &d);
}
