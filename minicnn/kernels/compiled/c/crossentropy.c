/* The softmax of rows of numbers, its cross-entropy with one right class each, and the gradient.
 *
 *     for each row r
 *         p[r] = exp(z[r]) / sum of exp(z[r])
 *         loss += -log(p[r][label[r]]) / rows
 *         dz[r] = (p[r] - one at label[r]) / rows
 *
 * Each row is shifted by its largest number, so that nothing overflows.
 */
#include "common.h"

#if DOUBLE
#define EXP __builtin_exp
#else
#define EXP __builtin_expf
#endif

EXPORT double NAME(crossentropy)(const Index *labels, const T *z, Index rows, Index classes, T *p,
                                 T *dz) {
    double loss = 0;
    for (Index r = 0; r < rows; r++, z += classes, p += classes, dz += classes) {
        T largest = z[0];
        double sum = 0;
        for (Index c = 1; c < classes; c++)
            largest = z[c] > largest ? z[c] : largest;
        for (Index c = 0; c < classes; c++)
            sum += p[c] = EXP(z[c] - largest);
        for (Index c = 0; c < classes; c++) {
            p[c] /= sum;
            dz[c] = (p[c] - (c == labels[r] ? 1 : 0)) / rows;
        }
        loss += __builtin_log(sum) - ((double)z[labels[r]] - largest);
    }
    return loss / rows;
}
