/* What every page uses: the type of numbers, vectors of them, and loops spread over threads.
 *
 * Each page is compiled for float, and for double when that is asked for; what it exports is named
 * after that: NAME(convolve) is convolve_f32 or convolve_f64. Arrays are (n, h, w, c), rows of
 * w * c numbers.
 */
#ifndef MINICNN_COMMON_H
#define MINICNN_COMMON_H

#include <stdint.h>
#include <string.h>

#if DOUBLE
typedef double T;
#define NAME(function) function##_f64
#else
typedef float T;
#define NAME(function) function##_f32
#endif

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#define INLINE static inline __attribute__((always_inline))
/* Not copied into each of its callers, which would only take long to compile. */
#define RARE static __attribute__((noinline))

/* Before a loop over numbers whose result may be written over one of its inputs, number by number:
 * it may take a vector of them at a time all the same. */
#if defined(__clang__)
#define IN_PLACE _Pragma("clang loop vectorize(assume_safety)")
#else
#define IN_PLACE _Pragma("GCC ivdep")
#endif

typedef int64_t Index;

/* The widest vector that a register of this processor holds; sixteen registers at least. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES ((Index)(VECTOR_BYTES / sizeof(T)))

/* A vector may lie anywhere in an array. */
typedef T Vector __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));

INLINE Vector load(const T *from) { return *(const Vector *)from; }
INLINE void store(T *to, Vector v) { *(Vector *)to = v; }

/* Fewer bytes than the whole of a vector, in pieces of known sizes: no call for a few numbers. */
INLINE void copy_some(void *to, const void *from, Index bytes, Index whole) {
    char *t = to;
    const char *f = from;
#define PIECE(size)                                                                                \
    if (size < whole && bytes & size) {                                                            \
        memcpy(t, f, size);                                                                        \
        t += size;                                                                                 \
        f += size;                                                                                 \
    }
    PIECE(32) PIECE(16) PIECE(8) PIECE(4) PIECE(2) PIECE(1)
#undef PIECE
}
/* A vector, of whose numbers only so many are there. */
INLINE Vector load_some(const T *from, Index left) {
    if (left >= LANES)
        return load(from);
    Vector v = {0};
    copy_some(&v, from, left * sizeof(T), sizeof v);
    return v;
}
INLINE void store_some(T *to, Vector v, Index left) {
    if (left >= LANES)
        store(to, v);
    else
        copy_some(to, &v, left * sizeof(T), sizeof v);
}

/* The same number in all lanes; a - 0 is a, for -0 as well. */
INLINE Vector splat(T a) { return a - (Vector){0}; }

/* What comparing two vectors gives: all bits of a lane, or none; and as many bytes as lanes. */
#if DOUBLE
typedef int64_t Lane;
typedef Lane Lanes __attribute__((vector_size(VECTOR_BYTES)));
typedef uint8_t Bytes __attribute__((vector_size(VECTOR_BYTES / 8), aligned(1), may_alias));
#else
typedef int32_t Lane;
typedef Lane Lanes __attribute__((vector_size(VECTOR_BYTES)));
typedef uint8_t Bytes __attribute__((vector_size(VECTOR_BYTES / 4), aligned(1), may_alias));
#endif
INLINE Vector choose(Lanes which, Vector yes, Vector no) {
    return (Vector)((which & (Lanes)yes) | (~which & (Lanes)no));
}

INLINE Index least(Index a, Index b) { return a < b ? a : b; }
INLINE Index most(Index a, Index b) { return a > b ? a : b; }

/* work(context, i, worker) for every i < count, spread over at most so many threads.
 *
 * ``worker`` is 0 <= worker < threads, and nobody else's meanwhile: it finds a thread its own part
 * of some scratch memory. The calling thread is one of them, and alone where the others are busy
 * with another call. (threads.c)
 */
typedef void Work(void *context, Index i, Index worker);
void minicnn_parallel_for(Index count, Index threads, Work *work, void *context);

#endif
