/* A picture's bytes in another size, as numbers.
 *
 *     for each row of y
 *         line = sum over k of rows[row, k] * the rows of x that it is made of
 *         y[row, column] = sum over k of columns[column, k] * the pixels of that line
 *
 * Every operation is rounded by itself, in the order of minicnn/_core/resampling.py: the results
 * are the same to the bit.
 */
#include "common.h"

/* The sum of some rows of bytes, each times its weight, number by number. */
INLINE void add_up(T *restrict line, const uint8_t *x, Index pitch, const int64_t *places,
                   const T *weights, Index count, Index n) {
    const uint8_t *first = x + places[0] * pitch;
    if (count == 2) {
        const uint8_t *second = x + places[1] * pitch;
        for (Index i = 0; i < n; i++)
            line[i] = (T)first[i] * weights[0] + (T)second[i] * weights[1];
        return;
    }
    for (Index i = 0; i < n; i++)
        line[i] = (T)first[i] * weights[0];
    for (Index k = 1; k < count; k++) {
        const uint8_t *other = x + places[k] * pitch;
        for (Index i = 0; i < n; i++)
            line[i] += (T)other[i] * weights[k];
    }
}

typedef T Four __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));

/* The pixels of a row of y, of which each has four numbers in the line; ``count`` and ``c`` are
 * constants where it is called. */
INLINE void across_fours(T *restrict y, const T *restrict line, const int64_t *places,
                         const T *weights, Index count, Index w, Index c) {
    for (Index j = 0; j < w; j++, y += c, places += count, weights += count) {
        Four sum = *(const Four *)(line + places[0] * 4) * weights[0];
        for (Index k = 1; k < count; k++)
            sum += *(const Four *)(line + places[k] * 4) * weights[k];
        if (c == 4 || j < w - 1) /* a number too much is written over by the next pixel */
            *(Four *)y = sum;
        else
            memcpy(y, &sum, c * sizeof(T));
    }
}

/* The same of pixels that have ``step`` numbers in the line. */
static void across(T *restrict y, const T *restrict line, const int64_t *places, const T *weights,
                   Index count, Index w, Index step, Index c) {
    for (Index j = 0; j < w; j++, y += c, places += count, weights += count)
        for (Index i = 0; i < c; i++) {
            T sum = line[places[0] * step + i] * weights[0];
            for (Index k = 1; k < count; k++)
                sum += line[places[k] * step + i] * weights[k];
            y[i] = sum;
        }
}

/* x has rows ``pitch`` bytes apart, of w pixels ``step`` bytes apart, of which the first c count;
 * y has rows ``y_pitch`` numbers apart. ``line`` is memory for w * step numbers. Places and weights
 * of y's rows are (y_h, down), of its columns (y_w, right); c is at most step. */
EXPORT void NAME(resize)(const uint8_t *x, Index pitch, Index w, Index step, Index c,
                         const int64_t *rows, const T *row_weights, Index y_h, Index down,
                         const int64_t *columns, const T *column_weights, Index y_w, Index right,
                         T *line, T *y, Index y_pitch) {
    for (Index i = 0; i < y_h; i++, y += y_pitch) {
        add_up(line, x, pitch, rows + i * down, row_weights + i * down, down, w * step);
        if (step == 4 && c == 3)
            right == 1   ? across_fours(y, line, columns, column_weights, 1, y_w, 3)
            : right == 2 ? across_fours(y, line, columns, column_weights, 2, y_w, 3)
                         : across_fours(y, line, columns, column_weights, right, y_w, 3);
        else
            across(y, line, columns, column_weights, right, y_w, step, c);
    }
}
