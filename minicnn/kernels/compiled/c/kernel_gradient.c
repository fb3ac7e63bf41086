/* The gradient of a convolution's kernel.
 *
 *     for (n = 0; n < N; n++)
 *       for (h = 0; h < OH; h++)
 *         for (w = 0; w < OW; w++)
 *           for (f = 0; f < F; f++) {
 *             dbias[f] += dz[n][h][w][f];
 *             for (i = 0; i < KH; i++)
 *               for (j = 0; j < KW; j++)
 *                 for (c = 0; c < C; c++)
 *                   dkernel[i][j][c][f] += dz[n][h][w][f]
 *                       * x[n][h * SH + i * DH - TOP][w * SW + j * DW - LEFT][c];
 *           }
 *
 * The sums of some numbers of a window (up to 12) times two vectors of filters stay in registers
 * while a few hundred pixels go by; dz is made from the gradient behind ReLU and pooling, some rows
 * at a time (convolution_tail.c). Each part of the batch has sums of its own; how many parts there
 * are depends on the shapes alone, so the result does not depend on the number of threads.
 */
#include "convolution.h"

enum { MOST_PARTS = 16, SUMS_BYTES = 2 << 20 }; /* all parts' sums, if there are more than two */
enum { CHUNK = 256, FEW = 16 };                 /* pixels that are added up in T alone */
enum { SPARSE = 16 };                           /* pixels of a window of which one has a gradient */

/* sums[k][q] += the sum over pixels of x[from[p] + k] * dz[p * filters + vector q]. Every other pixel
 * has sums of its own where there are few: an addition need not wait then for the one before. */
#define SUMS(name, V, NUMBERS, VECTORS)                                                            \
    static void name(const T *x, const Index *from, const T *dz, Index filters, Index pixels,      \
                     T *sums) {                                                                    \
        enum { SETS = NUMBERS * VECTORS <= 6 ? 2 : 1 };                                            \
        V sum[SETS][NUMBERS][VECTORS];                                                             \
        for (int s = 0; s < SETS; s++)                                                             \
            for (int k = 0; k < NUMBERS; k++)                                                      \
                for (int q = 0; q < VECTORS; q++)                                                  \
                    sum[s][k][q] = (V){0};                                                         \
        _Pragma("GCC unroll 2") for (Index p = 0; p < pixels; p += SETS)                           \
            for (int s = 0; s < SETS; s++, dz += filters) {                                        \
                if (SETS > 1 && p + s == pixels)                                                   \
                    break;                                                                         \
                const T *at = x + from[p + s];                                                     \
                V z[VECTORS];                                                                      \
                for (int q = 0; q < VECTORS; q++)                                                  \
                    z[q] = ((const V *)dz)[q];                                                     \
                for (int k = 0; k < NUMBERS; k++) {                                                \
                    V number = at[k] - (V){0};                                                     \
                    for (int q = 0; q < VECTORS; q++)                                              \
                        sum[s][k][q] += number * z[q];                                             \
                }                                                                                  \
            }                                                                                      \
        for (int k = 0; k < NUMBERS; k++)                                                          \
            for (int q = 0; q < VECTORS; q++)                                                      \
                for (int s = 0; s < SETS; s++)                                                     \
                    ((V *)sums)[k * VECTORS + q] += sum[s][k][q];                                  \
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

static void biases_of_task(const Kernel *k, const T *dz, Index pixels, double *biases) {
    Index filters = k->from.it->filters;
    for (Index first = 0; first < pixels; first += FEW)
        for (Index f = 0; f < filters; f += LANES) {
            const T *z = dz + first * filters + f;
            Vector sum = {0};
            for (Index p = 0; p < least(FEW, pixels - first); p++)
                sum += load(z + p * filters);
            for (Index q = 0; q < least(LANES, filters - f); q++)
                biases[f + q] += sum[q];
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
            Index wide = k->pass->frame.wide, size = (k->pass->frame_size - LANES) / tasks->images;
            for (Index i = 0; i < images; i++)
                sums_of_winners(k, from + i * size, wide, image + i, row, rows, sums, biases);
            continue;
        }
        const T *dz = k->from.dy + (image * it->oh + row) * it->ow * it->filters;
        if (!k->direct) {
            T *made = k->made + worker * k->made_size;
            NAME(lay_gradient)(&k->from, image, images, row, row + rows, 0, it->ow, made);
            dz = made;
        }
        if (k->pass->winograd.inputs) {
            Source source = NAME(source_of_task)(k->pass, from, row, rows);
            NAME(winograd_sums)(&k->pass->winograd, &source, images, rows, it->ow, dz, sums,
                                k->pass->tiles + worker * k->pass->tiles_size);
        } else
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
        k->sums = 16 * widened(it->c) * widened(filters);
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
