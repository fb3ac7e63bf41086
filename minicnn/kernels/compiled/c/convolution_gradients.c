/* The gradients of a convolution: that of its kernel, and that of the images.
 *
 *     for (n = 0; n < N; n++)
 *       for (h = 0; h < OH; h++)
 *         for (w = 0; w < OW; w++)
 *           for (f = 0; f < F; f++) {
 *             dbias[f] += dz[n][h][w][f];
 *             for (i = 0; i < KH; i++)
 *               for (j = 0; j < KW; j++)
 *                 for (c = 0; c < C; c++) {
 *                   pixel = h * SH + i * DH - TOP, w * SW + j * DW - LEFT, c
 *                   dkernel[i][j][c][f] += x[n][pixel] * dz[n][h][w][f];
 *                   dx[n][pixel] += kernel[i][j][c][f] * dz[n][h][w][f];
 *                 }
 *           }
 *
 * Here dz is the gradient of the convolution's output, which is made of the gradient dy of what
 * came out behind ReLU and pooling, some rows at a time.
 *
 * dkernel: the sums of some numbers of a window (up to 12) times two vectors of filters stay in
 * registers while all pixels go by. Each part of the batch has sums of its own; how many parts
 * there are depends on the shapes alone, so the result does not depend on the number of threads.
 *
 * dx: written as above, each pixel's part would be added to memory KH * KW times. Read from the
 * other end, a pixel of dx is the sum over all windows that saw it, which is a convolution of dz with
 * the kernel turned around. With a stride of S it is S convolutions: those pixels that are S apart
 * were seen by the same numbers of the kernel, which are every S-th ("a phase").
 */
#include "convolution.h"

enum { MOST_PARTS = 16, SUMS_BYTES = 8 << 20 }; /* of dkernel */
enum { CHUNK = 256 };                           /* pixels that are added up in T alone */
enum { SPARSE = 16 };                           /* pixels of a window of which one has a gradient */

/* Where dz is made from. */
typedef struct {
    const Convolution *it;
    const T *dy, *y;     /* y: behind the ReLU */
    const uint8_t *kept; /* see convolve */
} Gradient;

INLINE Lanes load_bytes(const uint8_t *from, Index left) {
    Bytes v = {0};
    if (left >= LANES)
        memcpy(&v, from, LANES);
    else
        copy_some(&v, from, left, sizeof v);
    return __builtin_convertvector(v, Lanes);
}

/* Columns first <= q < last of a row of dz, (q, f). A vector is written at a time, and what it has
 * written too much of is written over by the next. */
static void gradient_of_row(const Gradient *from, Index image, Index h, Index first, Index last,
                            T *dz) {
    const Convolution *it = from->it;
    Index filters = it->filters, high = it->oh / it->ph, across = it->ow / it->pw;
    Index row = (image * high + h / it->ph) * across * filters; /* of dy */
    Index all = it->n * high * across * filters, down = h % it->ph * it->pw;
    const Vector zero = {0}, part = splat((T)1 / (it->ph * it->pw));
    for (Index q = first, w = first / it->pw, j = first % it->pw; q < last; q++, dz += filters) {
        Index at = row + w * filters, pixel = ((image * it->oh + h) * it->ow + q) * filters;
        Index pixels = it->n * it->oh * it->ow * filters;
        for (Index f = 0; f < filters; f += LANES) {
            Vector g = load_some(from->dy + at + f, all - at - f);
            if (it->pool == MAX_POOL) {
                Lanes won = load_bytes(from->kept + at + f, all - at - f)
                            == (Lane)(down + j) - (Lanes){0};
                if (it->relu)
                    won &= load_some(from->y + at + f, all - at - f) > zero;
                g = choose(won, g, zero);
            } else if (it->pool == MEAN_POOL) {
                g *= part;
                if (it->relu)
                    g = choose(load_bytes(from->kept + pixel + f, pixels - pixel - f) != 0, g, zero);
            } else
                g = choose(load_some(from->y + at + f, all - at - f) > zero, g, zero);
            store(dz + f, g);
        }
        if (++j == it->pw) {
            j = 0;
            w++;
        }
    }
}

/* Rows first <= r < last and columns before <= q < before + wide of dz; zeros where there are none.
 * Room is needed for a vector more. */
static void lay_gradient(const Gradient *from, Index image, Index images, Index first, Index last,
                         Index before, Index wide, T *to) {
    const Convolution *it = from->it;
    Index filters = it->filters, plain = !it->relu && !it->pool;
    Index rows = it->oh / it->ph * it->ph, columns = it->ow / it->pw * it->pw;
    Index begin = most(before, 0), end = least(before + wide, columns);
    for (Index i = image; i < image + images; i++)
        for (Index r = first; r < last; r++, to += wide * filters) {
            if (r < 0 || r >= rows || begin >= end) {
                memset(to, 0, wide * filters * sizeof(T));
                continue;
            }
            T *inner = to + (begin - before) * filters, *behind = to + (end - before) * filters;
            if (plain)
                memcpy(inner, from->dy + ((i * rows + r) * columns + begin) * filters,
                       (end - begin) * filters * sizeof(T));
            else
                gradient_of_row(from, i, r, begin, end, inner);
            memset(to, 0, (begin - before) * filters * sizeof(T));
            memset(behind, 0, (before + wide - end) * filters * sizeof(T));
        }
}

/* ---------------------------------------------------------------------------- dkernel */

/* sums[k][q] += the sum over pixels of x[from[p] + k] * dz[p * filters + vector q]. */
#define SUMS(name, V, NUMBERS, VECTORS)                                                            \
    static void name(const T *x, const Index *from, const T *dz, Index filters, Index pixels,      \
                     T *sums) {                                                                    \
        V sum[NUMBERS][VECTORS];                                                                   \
        for (int k = 0; k < NUMBERS; k++)                                                          \
            for (int q = 0; q < VECTORS; q++)                                                      \
                sum[k][q] = (V){0};                                                                \
        _Pragma("GCC unroll 2") for (Index p = 0; p < pixels; p++, dz += filters) {                \
            const T *at = x + from[p];                                                             \
            V z[VECTORS];                                                                          \
            for (int q = 0; q < VECTORS; q++)                                                      \
                z[q] = ((const V *)dz)[q];                                                         \
            for (int k = 0; k < NUMBERS; k++) {                                                    \
                V number = at[k] - (V){0};                                                         \
                for (int q = 0; q < VECTORS; q++)                                                  \
                    sum[k][q] += number * z[q];                                                    \
            }                                                                                      \
        }                                                                                          \
        for (int k = 0; k < NUMBERS; k++)                                                          \
            for (int q = 0; q < VECTORS; q++)                                                      \
                ((V *)sums)[k * VECTORS + q] += sum[k][q];                                         \
    }

#define SUMS_OF_ALL(name, V, VECTORS)                                                              \
    SUMS(name##_12, V, 12, VECTORS)                                                                \
    SUMS(name##_9, V, 9, VECTORS)                                                                  \
    SUMS(name##_8, V, 8, VECTORS)                                                                  \
    SUMS(name##_6, V, 6, VECTORS)                                                                  \
    SUMS(name##_5, V, 5, VECTORS)                                                                  \
    SUMS(name##_4, V, 4, VECTORS)                                                                  \
    SUMS(name##_3, V, 3, VECTORS)                                                                  \
    SUMS(name##_2, V, 2, VECTORS)                                                                  \
    SUMS(name##_1, V, 1, VECTORS)

SUMS_OF_ALL(quarter, Quarter, 1)
SUMS_OF_ALL(half, Half, 1)
SUMS_OF_ALL(one, Vector, 1)
SUMS_OF_ALL(two, Vector, 2)
SUMS_OF_ALL(three, Vector, 3)

typedef void Sums(const T *x, const Index *from, const T *dz, Index filters, Index pixels, T *sums);

enum { SIZES = 9 };
static const Index sizes[SIZES] = {12, 9, 8, 6, 5, 4, 3, 2, 1};
#define ALL(name) \
    {name##_12, name##_9, name##_8, name##_6, name##_5, name##_4, name##_3, name##_2, name##_1}
static Sums *const of_quarter[SIZES] = ALL(quarter), *const of_half[SIZES] = ALL(half),
                  *const of_one[SIZES] = ALL(one), *const of_two[SIZES] = ALL(two),
                  *const of_three[SIZES] = ALL(three);

#if MANY_REGISTERS
enum { LARGEST_1 = 12, LARGEST_2 = 12, LARGEST_3 = 8 };
#else
enum { LARGEST_1 = 12, LARGEST_2 = 6, LARGEST_3 = 4 };
#endif

/* How so many filters at once are summed: the functions, and the largest of them to use. */
static Sums *const *sums_of(Index filters, Index *largest) {
    *largest = filters > 2 * LANES ? LARGEST_3 : filters > LANES ? LARGEST_2 : LARGEST_1;
    return filters > 2 * LANES                        ? of_three
           : filters > LANES                          ? of_two
           : filters > (Index)(sizeof(Half) / sizeof(T))    ? of_one
           : filters > (Index)(sizeof(Quarter) / sizeof(T)) ? of_half
                                                      : of_quarter;
}

typedef struct {
    Gradient from;
    Pass *pass; /* the images, as the forward pass reads them */
    Index parts, sums, padded;        /* numbers in a part's sums; a run, in whole vectors */
    T *all;                           /* the sums of all parts */
    double *biases;                   /* likewise */
    T *made;                          /* dz of a task, for each worker */
    Index made_size, direct, sparse;  /* direct: dz is dy itself */
} Kernel;

/* sums[t][f] += the sum over pixels of x[from[p] + t] * dz[p * stride + f], one block of filters
 * after another. */
static void sums_of_run(const T *x, const Index *from, Index run, const T *dz, Index stride,
                        Index pixels, Index filters, T *sums) {
    for (Index f = 0, block; f < filters; f += block) {
        Index largest;
        block = NAME(next_filters)(filters - f);
        Sums *const *functions = sums_of(block, &largest);
        for (Index t = 0, size; t < run; t += size, sums += size * block) {
            Index s = 0;
            while ((size = sizes[s]) > least(largest, run - t))
                s++;
            functions[s](x + t, from, dz + f, stride, pixels, sums);
        }
    }
}

static void sums_of_task(const Kernel *k, const T *images, const T *dz, Index pixels, T *sums) {
    const Convolution *it = k->from.it;
    Index filters = it->filters / it->groups;
    for (Index g = 0; g < it->groups; g++) {
        const Correlation *group = k->pass->groups + g;
        Index size = k->sums / it->groups, apart = size / group->taps;
        for (Index first = 0; first < pixels; first += CHUNK)
            for (Index i = 0; i < group->taps; i++)
                sums_of_run(images + group->tap[i], group->from + first, group->run,
                            dz + first * it->filters + g * filters, it->filters,
                            least(CHUNK, pixels - first), filters,
                            sums + g * size + i * apart);
    }
}

/* The same at the 16 points of Winograd's method (winograd.c). */
static void sums_of_tiles(const Kernel *k, Index images, Index rows, const T *frame, const T *dz,
                          T *v, T *sums) {
    const Winograd *w = &k->pass->winograd;
    Index tiles = images * tiles_of(rows, k->from.it->ow);
    Index v_apart = NAME(points_apart)(tiles, w->inputs);
    Index z_apart = NAME(points_apart)(tiles, w->outputs);
    T *z = v + 16 * v_apart;
    NAME(winograd_points)(w, images, rows, k->from.it->ow, frame, dz, v, z);
    for (Index first = 0; first < tiles; first += CHUNK)
        for (Index i = 0; i < 16; i++)
            sums_of_run(v + i * v_apart, w->from + first, w->inputs,
                        z + i * z_apart + first * widened(w->outputs), widened(w->outputs),
                        least(CHUNK, tiles - first), w->outputs, sums + i * (k->sums / 16));
}

static void biases_of_task(const Kernel *k, const T *dz, Index pixels, double *biases) {
    Index filters = k->from.it->filters;
    for (Index first = 0; first < pixels; first += CHUNK) {
        Index some = least(CHUNK, pixels - first);
        for (Index f = 0; f < filters; f += LANES) {
            const T *z = dz + first * filters + f;
            Vector sum = {0};
            for (Index p = 0; p < some; p++)
                sum += load(z + p * filters);
            for (Index q = 0; q < least(LANES, filters - f); q++)
                biases[f + q] += sum[q];
        }
    }
}

/* The same from the winners of pooling alone, as all other pixels of dz are 0:
 *
 *     for each window and f:  dkernel[...][f] += x[where the winner's window begins + ...] * dz
 *
 * with the sums of each filter side by side. */
static void sums_of_winners(const Kernel *k, const T *images, Index wide, Index image, Index row,
                            Index high, T *sums, double *biases) {
    const Convolution *it = k->from.it;
    const Correlation *group = k->pass->groups;
    Index across = it->ow / it->pw, taps = group->taps;
    for (Index r = row / it->ph; r < (row + high) / it->ph; r++)
        for (Index q = 0; q < across; q++) {
            Index at = ((image * (it->oh / it->ph) + r) * across + q) * it->filters;
            for (Index f = 0; f < it->filters; f++) {
                T g = k->from.dy[at + f];
                if (it->relu && !(k->from.y[at + f] > 0))
                    continue;
                biases[f] += g;
                Index winner = k->from.kept[at + f];
                Index h = r * it->ph - row + winner / it->pw, w = q * it->pw + winner % it->pw;
                const T *x = images + (h * it->sh * wide + w * it->sw) * it->c;
                T *to = sums + f * taps * k->padded;
                for (Index i = 0; i < taps; i++)
                    for (Index t = 0; t < k->padded; t += LANES, to += LANES)
                        store(to, load(to) + load(x + group->tap[i] + t) * splat(g));
            }
        }
}

static void part_of_kernel(void *context, Index part, Index worker) {
    const Kernel *k = context;
    const Convolution *it = k->from.it;
    const Tasks *tasks = &k->pass->tasks;
    T *sums = k->all + part * k->sums;
    double *biases = k->biases + part * it->filters;
    memset(sums, 0, k->sums * sizeof(T));
    memset(biases, 0, it->filters * sizeof(double));
    Index last = tasks->count * (part + 1) / k->parts;
    for (Index task = tasks->count * part / k->parts; task < last; task++) {
        Index image, images, row, rows;
        const T *from = NAME(images_of_task)(k->pass, task, worker, &image, &images, &row, &rows);
        if (rows <= 0)
            continue;
        if (k->sparse) {
            Index wide = k->pass->frame.wide, size = k->pass->frame_size / tasks->images;
            for (Index i = 0; i < images; i++)
                sums_of_winners(k, from + i * size, wide, image + i, row, rows, sums, biases);
            continue;
        }
        const T *dz = k->from.dy + (image * it->oh + row) * it->ow * it->filters;
        if (!k->direct) {
            T *made = k->made + worker * k->made_size;
            lay_gradient(&k->from, image, images, row, row + rows, 0, it->ow, made);
            dz = made;
        }
        if (k->pass->winograd.inputs)
            sums_of_tiles(k, images, rows, from, dz, k->pass->tiles + worker * k->pass->tiles_size,
                          sums);
        else
            sums_of_task(k, from, dz, images * rows * it->ow, sums);
        biases_of_task(k, dz, images * rows * it->ow, biases);
    }
}

enum { SLICE = 1 << 14 };

static void add_slice(void *context, Index slice, Index worker) {
    const Kernel *k = context;
    Index last = least((slice + 1) * SLICE, k->sums);
    (void)worker;
    for (Index part = 1; part < k->parts; part++) {
        const T *more = k->all + part * k->sums;
        for (Index i = slice * SLICE; i < last; i++)
            k->all[i] += more[i];
    }
}

/* All parts added up, and laid out as the kernel is. */
static void add_parts(const Kernel *k, Index threads, T *dkernel, T *dbias) {
    const Convolution *it = k->from.it;
    const Correlation *group = k->pass->groups;
    Index filters = it->filters / it->groups;
    minicnn_parallel_for((k->sums + SLICE - 1) / SLICE, threads, add_slice, (void *)k);
    for (Index f = 0; f < it->filters; f++) {
        double sum = 0;
        for (Index part = 0; part < k->parts; part++)
            sum += k->biases[part * it->filters + f];
        dbias[f] = (T)sum;
    }
    const T *from = k->all;
    if (k->sparse) {
        for (Index f = 0; f < filters; f++)
            for (Index i = 0; i < group->taps; i++, from += k->padded)
                for (Index t = 0; t < group->run; t++)
                    dkernel[(i * group->run + t) * filters + f] = from[t];
        return;
    }
    if (k->pass->winograd.inputs) {
        NAME(winograd_kernel_gradient)(from, it->c, filters, dkernel);
        return;
    }
    for (Index g = 0; g < it->groups; g++)
        for (Index i = 0; i < group->taps; i++)
            for (Index f = 0, block; f < filters; f += block) {
                block = NAME(next_filters)(filters - f);
                for (Index t = 0; t < group->run; t++, from += block)
                    memcpy(dkernel + (i * group->run + t) * it->filters + g * filters + f, from,
                           least(block, filters - f) * sizeof(T));
            }
}

static Index prepare_kernel(Kernel *k, Pass *pass, char *memory, Index threads) {
    const Convolution *it = &pass->it;
    k->sparse = it->pool == MAX_POOL && !NAME(winograd_pays)(it) && it->groups == 1
                && it->ph * it->pw >= SPARSE;
    Scratch scratch = {(uintptr_t)memory + NAME(prepare)(pass, memory, threads, 0, 0, 0)};
    const Tasks *tasks = &pass->tasks;
    Index merged = it->groups == 1 && it->dw == 1, channels = it->c / it->groups;
    Index taps = merged ? it->kh : it->kh * it->kw, run = merged ? it->kw * channels : channels;
    Index filters = it->filters / it->groups, packed = NAME(packed_filters)(filters);
    k->pass = pass;
    k->padded = (run + LANES - 1) / LANES * LANES;
    k->sparse = k->sparse && pass->framed;
    k->sums = k->sparse ? it->filters * taps * k->padded : it->groups * taps * run * packed;
    if (NAME(winograd_pays)(it))
        k->sums = 16 * it->c * packed;
    Index fit = most(SUMS_BYTES / most(k->sums * sizeof(T), 1), 2);
    k->parts = most(least(tasks->count, least(MOST_PARTS, fit)), 1);
    k->direct = !it->relu && !it->pool && packed == filters && filters % LANES == 0;
    k->made_size = tasks->images * tasks->rows * it->ow * it->filters + 3 * LANES;
    k->all = take(&scratch, k->parts * k->sums * sizeof(T));
    k->biases = take(&scratch, k->parts * it->filters * sizeof(double));
    k->made = take(&scratch, k->direct || k->sparse ? 0 : threads * k->made_size * sizeof(T));
    return scratch.at - (uintptr_t)memory;
}

EXPORT Index NAME(kernel_gradient_scratch)(const Convolution *it, Index threads, double scale,
                                           double offset) {
    Pass pass = NAME(pass_of)(it, 0, scale, offset);
    Kernel k = {.from = {&pass.it, 0, 0, 0}};
    return prepare_kernel(&k, &pass, 0, threads);
}

/* dkernel and dbias; y and kept are the forward pass'. */
EXPORT void NAME(kernel_gradient)(const Convolution *it, Index threads, const void *x, double scale,
                                  double offset, const T *dy, const T *y, const uint8_t *kept,
                                  T *dkernel, T *dbias, char *scratch) {
    Pass pass = NAME(pass_of)(it, x, scale, offset);
    Kernel k = {.from = {&pass.it, dy, y, kept}};
    prepare_kernel(&k, &pass, scratch, threads);
    minicnn_parallel_for(k.parts, threads, part_of_kernel, &k);
    add_parts(&k, threads, dkernel, dbias);
}

/* ---------------------------------------------------------------------------- dx */

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
} Images;

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
        Index first = (row + it->top) / it->sh - d->reach_h;
        Index last = (row + rows - 1 + it->top) / it->sh + 1;
        if (d->winograd.inputs)
            last += rows % 2;
        T *made = d->frames + worker * d->frame_size;
        lay_gradient(&d->from, image, images, first, last, d->before, d->wide, made);
        dz = made;
    }
    T *dx = d->dx + (image * it->h + row) * it->w * it->c;
    if (d->winograd.inputs) {
        NAME(winograd)(&d->winograd, images, rows, it->w, dz, dx, d->tiles + worker * d->tiles_size);
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
    if (winograd)
        d->wide = (it->w + 1) / 2 * 2 + 2;
    Index framed = d->direct ? 0 : d->wide * it->filters;
    Index bytes = (framed / it->sh + it->w * it->c) * sizeof(T) * (winograd ? 4 : 1);
    d->tasks = NAME(cut_tasks)(it->n, it->h, bytes, winograd ? 2 : it->sh, it->h * it->w,
                               it->kh * it->kw * it->c / it->groups * it->filters);
    Index rows = least(d->tasks.rows, it->h);
    d->high = d->direct ? it->oh
                        : (rows - 1 + it->top) / it->sh - it->top / it->sh + d->reach_h + 1;
    d->high += winograd && rows % 2;
    d->frame_size = d->direct ? 0 : d->tasks.images * d->high * framed + LANES;
    d->frames = take(&scratch, threads * d->frame_size * sizeof(T));
    if (winograd) {
        Index tiles = d->tasks.images * tiles_of(rows, it->w);
        Index packed = NAME(packed_filters)(it->c);
        T *weights = take(&scratch, (16 + 9) * it->filters * packed * sizeof(T));
        Index *at = take(&scratch, tiles * sizeof(Index)), *to = take(&scratch, tiles * sizeof(Index));
        d->tiles_size = NAME(winograd_numbers)(tiles, it->filters, it->c);
        d->tiles = take(&scratch, threads * d->tiles_size * sizeof(T));
        if (memory) {
            d->winograd = (Winograd){it->filters, it->c, d->wide, d->high, it->c, tiles, 0, 0,
                                     weights, bias, 0};
            NAME(winograd_tables)(&d->winograd, at, to);
            T *turned = weights + 16 * it->filters * packed;
            pack_turned(it, kernel, 0, 0, 0, 1, factor, turned);
            NAME(winograd_kernel)(turned, 1, it->filters, it->c, weights);
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
