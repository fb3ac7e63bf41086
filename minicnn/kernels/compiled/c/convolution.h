/* Where the windows of a convolution are, how it is cut into tasks, and the sums of products that
 * all three of its passes are made of. */
#ifndef MINICNN_CONVOLUTION_H
#define MINICNN_CONVOLUTION_H

#include "common.h"

#if defined(__AVX512F__) || defined(__aarch64__)
#define MANY_REGISTERS 1 /* 32 of vectors; elsewhere 16 */
#else
#define MANY_REGISTERS 0
#endif

/* Narrower vectors, for few filters. */
typedef T Half __attribute__((vector_size(VECTOR_BYTES / 2 < 16 ? 16 : VECTOR_BYTES / 2),
                              aligned(sizeof(T)), may_alias));
typedef T Quarter __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));

enum { NO_POOL, MAX_POOL, MEAN_POOL };

/* A convolution and what is computed with it, as the caller gives it: all are Index. */
typedef struct {
    Index n, h, w, c;               /* the images */
    Index kh, kw, filters, groups;  /* the kernel: (kh, kw, c / groups, filters) */
    Index sh, sw, dh, dw;           /* strides and dilation */
    Index top, bottom, left, right; /* padding */
    Index oh, ow;                   /* rows and columns of windows */
    Index bytes;                    /* whether the images are uint8 */
    Index relu;                     /* whether a ReLU follows */
    Index pool, ph, pw;             /* what pooling follows, and its window */
    Index moments;                  /* whether mean and variance of y are wanted; then none follows */
} Convolution;

/* For each of some pixels that are made, the sum over taps and a run of numbers
 *
 *     out[to[p] + f] = bias[f] + sum over i, t of images[from[p] + tap[i] + t] * kernel[i, t, f]
 *
 * The kernel is packed: for each block of filters (next_filters), for each i and t their numbers. */
typedef struct {
    const Index *from, *to; /* offsets, for each pixel */
    Index taps, run;
    const Index *tap; /* offsets */
    Index filters;
    const T *kernel, *bias; /* bias: NULL for none; both reach to the end of the last block */
    Index relu;
} Correlation;

void NAME(correlate)(const Correlation *it, Index pixels, const T *images, T *out);

/* How many filters the next block has, of so many that are left. The last may have more. */
Index NAME(next_filters)(Index left);
Index NAME(packed_filters)(Index filters);

/* Images where they are read: numbers from image to image and from row to row; how many rows and
 * columns there are, and how many more are taken as 0 above and to the left. */
typedef struct {
    const T *at;
    Index image, row, h, w, top, left;
} Source;

/* A convolution whose vectors hold columns (planar.c). */
typedef struct {
    Index taps; /* numbers of a window; 0 where the convolution is not computed so */
    const Index *tap;       /* offsets; and of each vector of columns in what is read, and in y */
    const Index *from, *to;
    const T *kernel, *bias; /* packed in blocks of filters */
    Index relu;
    Index columns, reach; /* of a row that is made, in whole vectors; of one that is read */
    Index planes, high;   /* filters, in whole blocks; rows that are made at a time */
    Index apart;          /* numbers from filter to filter of what is made */
    Index wide;           /* and from pixel to pixel, when it has been turned */
} Planar;

EXPORT Index NAME(planar_pays)(const Convolution *it);

/* A convolution of 3x3 by Winograd's method (winograd.c). */
typedef struct {
    Index inputs, outputs;
    Index stride;           /* numbers from pixel to pixel of what is made */
    const T *kernel, *bias; /* 16 matrices; bias or NULL */
    Index relu;
} Winograd;

EXPORT Index NAME(winograd_pays)(const Convolution *it);
Index NAME(winograd_numbers)(Index inputs, Index outputs);
void NAME(winograd_kernel)(const T *kernel, Index turned, T factor, Index inputs, Index outputs,
                           T *to);
void NAME(winograd)(const Winograd *it, const Source *from, Index images, Index rows, Index columns,
                    T *out, T *scratch);
Index NAME(winograd_sums_numbers)(Index inputs, Index outputs);
void NAME(winograd_sums)(const Winograd *it, const Source *from, Index images, Index rows,
                         Index columns, const T *dz, T *sums, T *scratch);
void NAME(winograd_kernel_gradient)(const T *sums, Index inputs, Index outputs, T *dkernel);

/* Small whole numbers as bytes. */
INLINE void store_bytes(uint8_t *to, Lanes v, Index left) {
    Bytes narrow = __builtin_convertvector(v, Bytes);
    if (left >= LANES)
        memcpy(to, &narrow, LANES);
    else
        copy_some(to, &narrow, left, sizeof narrow);
}

INLINE Index widened(Index n) { return (n + LANES - 1) / LANES * LANES; }
/* Tiles of 2x2 in so many pixels. */
INLINE Index tiles_of(Index rows, Index columns) { return (rows + 1) / 2 * ((columns + 1) / 2); }

/* Scratch memory, taken piece by piece; from NULL on, it only counts. */
typedef struct {
    uintptr_t at;
} Scratch;

INLINE void *take(Scratch *scratch, Index bytes) {
    uintptr_t piece = scratch->at;
    scratch->at += (bytes + 63) / 64 * 64;
    return (void *)piece;
}

/* A task: some whole images, or a band of rows of one. Results do not depend on who does which. */
typedef struct {
    Index images, rows;  /* of each task but the last ones */
    Index bands, count;  /* tasks in an image's rows, and in all */
} Tasks;

/* So many images, each with rows of what is made that take so many bytes of cache. ``unit``: rows
 * that must stay together; ``pixels``: of an image; ``kernel``: how many numbers it has. */
Tasks NAME(cut_tasks)(Index n, Index rows, Index bytes_of_row, Index unit, Index pixels,
                      Index kernel);

/* The same for Winograd's method, whose products take many tiles at a time. */
Tasks NAME(cut_tiles)(Index n, Index rows, Index bytes_of_row, Index unit, Index pixels);

/* Rows first <= r < last of some images into a frame with zeros around them. */
typedef struct {
    Index h, w, c;   /* an image */
    Index left, wide; /* pixels of zeros before a row; pixels of a row of the frame */
    Index bytes;      /* whether the images are uint8: then numbers * scale + offset */
    T scale, offset;
} Frame;

void NAME(lay)(const Frame *frame, const void *images, Index n, Index first, Index last, T *to);

/* Where the gradient dz of a convolution's output is made from: what came back behind ReLU and
 * pooling (convolution_tail.c). */
typedef struct {
    const Convolution *it;
    const T *dy, *y;     /* y: behind the ReLU */
    const uint8_t *kept; /* see convolve */
} Gradient;

/* Rows first <= r < last and columns before <= q < before + wide of dz of some images; zeros where
 * there are none. Room is needed for a vector more. */
void NAME(lay_gradient)(const Gradient *from, Index image, Index images, Index first, Index last,
                        Index before, Index wide, T *to);

/* A forward pass, prepared: what its tasks share. */
typedef struct {
    Convolution it;
    const void *x;
    T *y;
    uint8_t *kept;
    double *slots; /* of each task: see normalization.h */
    Tasks tasks;
    Frame frame;
    Winograd winograd;   /* where it is computed so: else inputs is 0 */
    T *tiles;            /* scratch of each worker for that */
    Index tiles_size;
    Planar planar;
    Index framed;        /* whether images are laid into a frame, or read where they are */
    Correlation *groups; /* one for each group */
    T *frames, *made;    /* scratch of each worker: images, and what is to be pooled */
    Index frame_size, made_size, wide; /* numbers; those of a pixel that is made */
} Pass;

Index NAME(prepare_planar)(Pass *pass, char *memory, Index threads, const T *kernel, const T *bias);
void NAME(planar_task)(const Pass *pass, Index task, Index worker);

/* Where a worker has the planes that it reads and makes, rows of them pooled, and those as pixels. */
typedef struct {
    T *frame, *z, *best, *place, *pixels, *places;
} Made;

/* Filters that are turned together into pixels; they are rounded up to them there. */
enum { TURNED = VECTOR_BYTES / sizeof(T) < 8 ? VECTOR_BYTES / sizeof(T) : 8 };

/* Pixels as planes: to[c * apart + w] = from[w * channels + c]. */
void NAME(to_planes)(const T *from, Index columns, Index channels, T *to, Index apart);

/* Rows first <= r < first + rows of an image have been made: what follows, and y. */
void NAME(planar_tail)(const Pass *pass, const Made *made, Index image, Index first, Index rows);

Pass NAME(pass_of)(const Convolution *it, const void *x, double scale, double offset);

/* How many bytes of memory the pass takes; given some, it is prepared there. */
Index NAME(prepare)(Pass *pass, char *memory, Index threads, Index forward, const T *kernel,
                    const T *bias);

/* Rows that were made of an image, pooled. */
void NAME(pool_rows)(const Pass *pass, const T *made, Index first, Index rows, Index image);

/* The images of a task, where Winograd's method finds them. */
Source NAME(source_of_task)(const Pass *pass, const T *images, Index row, Index rows);

/* The images of a task, where taps and pixels of the pass find them. */
const T *NAME(images_of_task)(const Pass *pass, Index task, Index worker, Index *image,
                              Index *images, Index *row, Index *rows);

#endif
