/* Depthwise convolution: every channel with a filter for it alone.
 *
 *     for (n = 0; n < N; n++)
 *       for (h = 0; h < OH; h++)
 *         for (w = 0; w < OW; w++)
 *           for (c = 0; c < C; c++) {
 *             y[n][h][w][c] = bias[c];
 *             for (i = 0; i < KH; i++)
 *               for (j = 0; j < KW; j++)
 *                 y[n][h][w][c] += x[n][h * SH + i * DH - TOP][w * SW + j * DW - LEFT][c]
 *                                * kernel[i][j][c];
 *           }
 *
 * where what lies outside the image counts as 0. There is little to compute here, a few
 * multiplications for each number read, so that memory decides the speed: every pass goes through
 * it once, in order. The channels of a pixel are a run of numbers, and vectors of them are computed
 * at a time, for some neighbouring pixels of a row (8) together: so each number of the kernel is
 * loaded once for the 8. Pixels at the border, whose windows reach outside, are computed one by
 * one, each with the taps (the numbers of the kernel) that lie inside.
 *
 * Backward,
 *
 *     dkernel[i][j][c] = sum over n, h, w of dy[n][h][w][c] * x[n][h * SH + i * DH - TOP][...][c]
 *     dx[n][y][x][c]   = sum over the taps i, j and the pixels h, w of dy that met y, x in forward,
 *                        of dy[n][h][w][c] * kernel[i][j][c]
 *
 * go over the same windows. dx is a depthwise convolution of dy itself, with the kernel turned
 * around; with a stride of s it is s of them along that axis, for every s-th pixel of x is met by
 * the same taps. The rows of dy and x are cut into bands that stay in the cache for both.
 */
#include "normalization.h"

/* As the caller gives it: all are Index. */
typedef struct {
    Index n, h, w, c;     /* the images */
    Index kh, kw;         /* the kernel: (kh, kw, c) */
    Index sh, sw, dh, dw; /* strides and dilation */
    Index top, left;      /* padding */
    Index oh, ow;         /* rows and columns of windows */
    Index parts;          /* in which the gradients are added up */
    Index wide;           /* numbers kept for each tap's sums: c, and a vector more */
    Index bands;          /* of rows, that are gone through one at a time */
} Depthwise;

enum {
    TOGETHER = 8,          /* pixels of a row */
    FEW = 256,             /* numbers that are added up in T; the sums of these in double */
};

/* For few channels: a narrow vector, or a single number. */
typedef T Narrow __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));
typedef T Single;

/* Along one axis, what is read and what is made.
 *
 * Forward, x is read and y made; tap k of made pixel m is at m * stride + k * dilation - pad. Back,
 * dy is read and dx made: tap k meets m from (m + pad - k * dilation) / stride, if that is whole.
 * So the made pixels r, r + phases, r + 2 phases, ... have the same taps, which move on by ``step``
 * from each to the next. */
typedef struct {
    Index read, made, taps;
    Index stride, dilation, pad;
    Index back, phases, step;
} Axis;

static Axis axis(Index read, Index made, Index taps, Index stride, Index dilation, Index pad) {
    return (Axis){read, made, taps, stride, dilation, pad, 0, 1, stride};
}

static Axis backward(Axis it) {
    return (Axis){it.made, it.read, it.taps, it.stride, it.dilation, it.pad, 1, it.stride, 1};
}

/* Whether tap k meets the pixels of phase r at all, and where it meets the first of them. */
INLINE int meets(const Axis *it, Index r, Index k, Index *first) {
    if (!it->back) {
        *first = k * it->dilation - it->pad;
        return 1;
    }
    Index distance = r + it->pad - k * it->dilation;
    *first = distance / it->stride;
    return distance % it->stride == 0;
}

/* The pixels low <= q < high of phase r of which all taps lie inside. */
static void inner_pixels(const Axis *it, Index r, Index count, Index *low, Index *high) {
    *low = 0;
    *high = count;
    for (Index k = 0, first; k < it->taps; k++)
        if (meets(it, r, k, &first)) {
            *low = most(*low, first < 0 ? (it->step - 1 - first) / it->step : 0);
            *high = least(*high, first < it->read ? (it->read - 1 - first) / it->step + 1 : 0);
        }
}

/* The taps of some pixels: which they are, and where the first pixel's lie. */
typedef struct {
    Index count, *tap, *at;
    Index channels, step, made_step; /* steps: numbers from a pixel to the next, read or made */
} Taps;

typedef struct {
    Axis down, across;
    Index channels;
    const T *read, *kernel, *bias;
    T *made;
} Correlation;

/* Some pixels made, PIXELS vectors of channels at a time. The last vector may overlap the one
 * before it: what both hold is computed twice. */
#define MAKE(name, V, PIXELS)                                                                      \
    static void name(const Taps *taps, const Correlation *it, const T *read, T *made) {            \
        const Index lanes = sizeof(V) / sizeof(T);                                                 \
        for (Index v = 0; v < taps->channels; v += lanes) {                                        \
            Index c = least(v, taps->channels - lanes);                                            \
            V sum[PIXELS];                                                                         \
            for (int p = 0; p < PIXELS; p++)                                                       \
                sum[p] = it->bias ? *(const V *)(it->bias + c) : (V){0};                           \
            for (Index t = 0; t < taps->count; t++) {                                              \
                V weight = *(const V *)(it->kernel + taps->tap[t] * taps->channels + c);           \
                const T *from = read + (taps->at[t] + c);                                          \
                for (int p = 0; p < PIXELS; p++)                                                   \
                    sum[p] += *(const V *)(from + p * taps->step) * weight;                        \
            }                                                                                      \
            for (int p = 0; p < PIXELS; p++)                                                       \
                *(V *)(made + p * taps->made_step + c) = sum[p];                                   \
        }                                                                                          \
    }

/* What some pixels add to dkernel and, as if by one more tap, to dbias. ``sums`` has ``wide``
 * numbers for each tap: whole vectors, of which the last may overlap the one before it. */
#define ADD(name, V, PIXELS)                                                                       \
    static void name(const Taps *taps, const T *x, const T *dy, T *sums, Index wide, T *bias) {    \
        const Index lanes = sizeof(V) / sizeof(T);                                                 \
        for (Index v = 0; v < taps->channels; v += lanes) {                                        \
            Index c = least(v, taps->channels - lanes);                                            \
            V d[PIXELS], total = {0};                                                              \
            for (int p = 0; p < PIXELS; p++) {                                                     \
                d[p] = *(const V *)(dy + p * taps->made_step + c);                                 \
                total += d[p];                                                                     \
            }                                                                                      \
            *(V *)(bias + v) += total;                                                             \
            for (Index t = 0; t < taps->count; t++) {                                              \
                const T *from = x + (taps->at[t] + c);                                             \
                V one = *(const V *)from * d[0];                                                   \
                for (int p = 1; p < PIXELS; p++)                                                   \
                    one += *(const V *)(from + p * taps->step) * d[p];                             \
                *(V *)(sums + taps->tap[t] * wide + v) += one;                                     \
            }                                                                                      \
        }                                                                                          \
    }

#define FOR_EACH_WIDTH(MACRO, name, PIXELS)                                                        \
    MACRO(name##_vector_##PIXELS, Vector, PIXELS)                                                  \
    MACRO(name##_narrow_##PIXELS, Narrow, PIXELS)                                                  \
    MACRO(name##_single_##PIXELS, Single, PIXELS)

FOR_EACH_WIDTH(MAKE, make, 1)
FOR_EACH_WIDTH(MAKE, make, 2)
FOR_EACH_WIDTH(MAKE, make, 4)
FOR_EACH_WIDTH(MAKE, make, 8)
FOR_EACH_WIDTH(ADD, add, 1)
FOR_EACH_WIDTH(ADD, add, 2)
FOR_EACH_WIDTH(ADD, add, 4)
FOR_EACH_WIDTH(ADD, add, 8)

typedef void Make(const Taps *taps, const Correlation *it, const T *read, T *made);
typedef void Add(const Taps *taps, const T *x, const T *dy, T *sums, Index wide, T *bias);

/* How so many channels are computed, for 1 << k pixels. */
typedef struct {
    Index lanes;
    Make *make[4];
    Add *add[4];
} Width;

#define WIDTH(V, name)                                                                             \
    {                                                                                              \
        sizeof(V) / sizeof(T),                                                                     \
            {make_##name##_1, make_##name##_2, make_##name##_4, make_##name##_8},                  \
            {add_##name##_1, add_##name##_2, add_##name##_4, add_##name##_8}                       \
    }

static const Width *width_for(Index channels) {
    static const Width widths[] = {WIDTH(Vector, vector), WIDTH(Narrow, narrow),
                                   WIDTH(Single, single)};
    const Width *width = widths;
    while (width->lanes > channels)
        width++;
    return width;
}

/* The sums of a part: few in T, and those in double; the last row of each is for dbias. */
typedef struct {
    T *few;
    double *all;
    Index taps, wide, count;
} Sums;

static void add_few(Sums *sums) {
    Index numbers = (sums->taps + 1) * sums->wide;
    for (Index k = 0; k < numbers; k++)
        sums->all[k] += sums->few[k];
    memset(sums->few, 0, numbers * sizeof(T));
    sums->count = 0;
}

/* The taps inside of pixel q of phase r, in a row of which tap 0 lies in row ``top``. */
static void find_taps(const Correlation *it, Index row, Index r, Index q, Taps *taps) {
    const Axis *down = &it->down, *across = &it->across;
    Index above = row % down->phases, below = row / down->phases * down->step;
    taps->count = 0;
    for (Index i = 0, y, x; i < down->taps; i++) {
        if (!meets(down, above, i, &y) || y + below < 0 || y + below >= down->read)
            continue;
        for (Index j = 0; j < across->taps; j++) {
            if (!meets(across, r, j, &x))
                continue;
            Index at = x + q * across->step;
            if (at < 0 || at >= across->read)
                continue;
            taps->tap[taps->count] = i * across->taps + j;
            taps->at[taps->count++] = ((y + below) * across->read + x) * it->channels;
        }
    }
}

/* One row of one image: made, or, where there are ``sums``, added to these. */
static void do_row(const Correlation *it, Index line, Index *memory, Sums *sums) {
    const Axis *down = &it->down, *across = &it->across;
    Index c = it->channels, image = line / down->made, row = line % down->made;
    const T *read = it->read + image * down->read * across->read * c;
    T *made = it->made + line * across->made * c;
    Index phases = across->phases;
    const Width *width = width_for(c);
    Taps taps = {0, memory, memory + down->taps * across->taps, c, across->step * c, phases * c};
    for (Index r = 0; r < phases; r++) {
        Index count = (across->made - r + phases - 1) / phases, low, high;
        inner_pixels(across, r, count, &low, &high);
        for (Index q = 0, log; q < count; q += (Index)1 << log) {
            Index inside = q >= low && q < high;
            if (!inside || q == low)
                find_taps(it, row, r, q, &taps);
            for (log = 3; log > 0 && (!inside || q + ((Index)1 << log) > high);)
                log--;
            const T *from = read + q * taps.step;
            T *to = made + (r + q * phases) * c;
            if (!sums) {
                width->make[log](&taps, it, from, to);
                continue;
            }
            width->add[log](&taps, from, to, sums->few, sums->wide,
                            sums->few + sums->taps * sums->wide);
            sums->count += (Index)1 << log;
            if (sums->count >= FEW)
                add_few(sums);
        }
    }
}

typedef struct {
    Correlation ahead, back; /* back: dx, if it is wanted */
    Index parts, bands;      /* bands of each part */
    Index *memory;           /* for each worker, of the taps */
    Index taps, wide;
    T *few;      /* for each worker */
    double *all; /* for each part */
    Index images;
    double *slots;
} Pass;

static void forward_band(void *context, Index band, Index worker) {
    const Pass *pass = context;
    const Correlation *it = &pass->ahead;
    Index rows = pass->images * it->down.made, wide = it->across.made;
    Index first = band * rows / pass->bands, last = (band + 1) * rows / pass->bands;
    for (Index r = first; r < last; r++)
        do_row(it, r, pass->memory + worker * 2 * pass->taps, 0);
    if (pass->slots) /* what was made is still in the cache */
        NAME(moments_of_rows)(it->made + first * wide * it->channels, (last - first) * wide,
                              it->channels, pass->slots + band * slot_of(it->channels));
}

static void backward_part(void *context, Index part, Index worker) {
    const Pass *pass = context;
    Index *memory = pass->memory + worker * 2 * pass->taps;
    Index size = (pass->taps + 1) * pass->wide, all = pass->parts * pass->bands;
    Sums sums = {pass->few + worker * size, pass->all + part * size, pass->taps, pass->wide, 0};
    memset(sums.few, 0, size * sizeof(T));
    memset(sums.all, 0, size * sizeof(double));
    Index dy_rows = pass->images * pass->ahead.down.made;
    Index x_rows = pass->images * pass->ahead.down.read;
    for (Index band = part * pass->bands; band < (part + 1) * pass->bands; band++) {
        for (Index r = band * dy_rows / all; r < (band + 1) * dy_rows / all; r++)
            do_row(&pass->ahead, r, memory, &sums);
        for (Index r = band * x_rows / all; pass->back.made && r < (band + 1) * x_rows / all; r++)
            do_row(&pass->back, r, memory, 0);
    }
    add_few(&sums);
}

static Axis down_axis(const Depthwise *it) {
    return axis(it->h, it->oh, it->kh, it->sh, it->dh, it->top);
}

static Axis across_axis(const Depthwise *it) {
    return axis(it->w, it->ow, it->kw, it->sw, it->dw, it->left);
}

/* y. ``memory`` holds twice as many Index as there are taps, for each thread. If they are wanted,
 * also ``moments``, y's mean and variance, by way of ``slots`` for each band (normalization.h). */
EXPORT void NAME(depthwise)(const Depthwise *it, Index threads, const T *x, const T *kernel,
                            const T *bias, T *y, Index *memory, double *slots, T *moments) {
    Correlation ahead = {down_axis(it), across_axis(it), it->c, x, kernel, bias, y};
    Pass pass = {.ahead = ahead, .bands = it->bands, .memory = memory, .images = it->n,
                 .taps = it->kh * it->kw, .slots = slots};
    minicnn_parallel_for(pass.bands, threads, forward_band, &pass);
    if (slots)
        NAME(finish_moments)(slots, pass.bands, it->c, moments, moments + it->c);
}

/* dx (unless it is NULL), dkernel and dbias. ``few`` and ``all`` have (kh * kw + 1) * wide numbers
 * for each thread and for each part. */
EXPORT void NAME(depthwise_backward)(const Depthwise *it, Index threads, const T *dy, const T *x,
                                     const T *kernel, T *dx, T *dkernel, T *dbias, Index *memory,
                                     T *few, double *all) {
    Axis down = down_axis(it), across = across_axis(it);
    Index taps = it->kh * it->kw, wide = it->wide, lanes = width_for(it->c)->lanes;
    Pass pass = {.ahead = {down, across, it->c, x, kernel, 0, (T *)dy},
                 .back = {backward(down), backward(across), it->c, dy, kernel, 0, dx},
                 .parts = it->parts, .bands = most(it->bands / it->parts, 1),
                 .memory = memory, .taps = taps, .wide = wide, .few = few, .all = all,
                 .images = it->n};
    minicnn_parallel_for(it->parts, threads, backward_part, &pass);
    for (Index t = 0; t <= taps; t++)
        for (Index v = 0; v < it->c; v += lanes)
            for (Index k = 0, c = least(v, it->c - lanes); k < lanes; k++) {
                double sum = 0;
                for (Index part = 0; part < it->parts; part++)
                    sum += all[(part * (taps + 1) + t) * wide + v + k];
                (t < taps ? dkernel + t * it->c : dbias)[c + k] = (T)sum;
            }
}
