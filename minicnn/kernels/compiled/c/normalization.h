/* Batch normalization: what its pages share. */
#ifndef MINICNN_NORMALIZATION_H
#define MINICNN_NORMALIZATION_H

#include "common.h"

/* What follows the normalization. */
enum { NOTHING, RELU, CLIPPED };

/* More channels are taken in turn. */
enum { WIDEST = 512 };

/* The arrays of a pass; those that it does not need are NULL. */
typedef struct {
    const T *x, *other, *dy;
    T *y, *dx, *g;
    const T *mean, *inverse, *scale, *shift;
    const T *pull, *middle; /* dx = (g - middle + (x - mean) * pull) * scale */
    double *sums;           /* of each part: two for every channel */
    Index rows, c, parts, kind, batch;
    T most;
} Norm;

/* Mean and variance of some rows of c channels, found where the rows are made: a "slot" of 1 + 2 c
 * numbers for each piece of them, and then of all slots. */
enum { ROWS_OF_SLOT, NUMBERS_OF_SLOT };
INLINE Index slot_of(Index c) { return NUMBERS_OF_SLOT + 2 * c; }
void NAME(moments_of_rows)(const T *x, Index rows, Index c, double *slot);
void NAME(finish_moments)(double *slots, Index count, Index c, T *mean, T *variance);

/* Of the sums of all parts: the sum of g, that of g * x_hat, and what dx is made of. */
void NAME(finish_sums)(const Norm *it, T *dshift, T *dscale, T *pull, T *middle);

#endif
