/* Calls of the other pages' functions, made again: a row of layers without a word of Python between.
 *
 *     for each call
 *         call.function(call.arguments[0], call.arguments[1], ...)
 */
#include <stdint.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef int64_t Index;
typedef void *Array;

typedef union {
    intptr_t array;
    Index whole;
    double number;
} Argument;

/* A row of the table that the caller makes; ``signature`` counts those below. */
typedef struct {
    intptr_t function;
    Index signature;
    Argument arguments[12];
} Call;

#define A(i) ((Array)it->arguments[i].array)
#define I(i) (it->arguments[i].whole)
#define F(i) (it->arguments[i].number)
typedef void Convolve(Array, Index, Array, double, double, Array, Array, Array, Array, Array, Array);
typedef void Depthwise(Array, Index, Array, Array, Array, Array, Array, Array, Array);
typedef void Rectify(Array, Array, Index, Index, Index, double, double, Array);
typedef void Fold(Array, Array, Array, Array, Array, Array, double, Index, Index, Array, Array);
typedef void Sums(Index, Index, Index, Index, Index, Index, double, Array, Array, Array, Array);
typedef void Dense(Array, Array, Array, Index, Index, Index, Index, Index, Array);

EXPORT void replay_calls(const Call *calls, Index count) {
    for (const Call *it = calls; it < calls + count; it++)
        switch (it->signature) {
        case 0:
            ((Convolve *)it->function)(A(0), I(1), A(2), F(3), F(4), A(5), A(6), A(7), A(8), A(9),
                                       A(10));
            break;
        case 1:
            ((Depthwise *)it->function)(A(0), I(1), A(2), A(3), A(4), A(5), A(6), A(7), A(8));
            break;
        case 2:
            ((Rectify *)it->function)(A(0), A(1), I(2), I(3), I(4), F(5), F(6), A(7));
            break;
        case 3:
            ((Fold *)it->function)(A(0), A(1), A(2), A(3), A(4), A(5), F(6), I(7), I(8), A(9),
                                   A(10));
            break;
        case 4:
            ((Dense *)it->function)(A(0), A(1), A(2), I(3), I(4), I(5), I(6), I(7), A(8));
            break;
        case 5:
            ((Sums *)it->function)(I(0), I(1), I(2), I(3), I(4), I(5), F(6), A(7), A(8), A(9),
                                   A(10));
            break;
        }
}
