/* The steps of optimizers, over all parameters of a network in one call.
 *
 *     for each parameter
 *         for each of its numbers w, with its gradient g
 *             g = g * scale, or min(max(g, -limit), limit)      where gradients are clipped
 *             w = w - w * decay                                 where weights decay
 *             w = w - ...                                       the optimizer's rule
 *
 * Each rule below is one loop, written as its formula; what else it needs of the step, such as the
 * learning rate, comes in k[0], k[1], ... Every operation is rounded by itself, in the order of
 * minicnn/optimizers/: the results are the same to the bit as NumPy's, on any number of threads.
 */
#include "common.h"

#if DOUBLE
#define SQRT __builtin_sqrt
#define ABS __builtin_fabs
#else
#define SQRT __builtin_sqrtf
#define ABS __builtin_fabsf
#endif

#define PIECE 16384 /* numbers that a thread takes at a time */
#define BLOCK 1024  /* numbers whose clipped gradients are kept, in the nearest cache */
#define WORTH 65536 /* numbers from which several threads are woken */

/* The larger one, or NaN if one is. */
INLINE T larger(T a, T b) { return (a >= b) | (a != a) ? a : b; }

/* A row of the table that the caller makes. The numbers of an array lie one after another. */
struct parameter {
    Index size;
    intptr_t w, g, slots[3];
};

#define RULE(name)                                                                                 \
    static void name(Index n, T *restrict w, const T *restrict g, T *restrict a, T *restrict b,    \
                     T *restrict c, const T *k)

RULE(sgd) {
    T rate = k[0];
    for (Index i = 0; i < n; i++)
        w[i] += g[i] * -rate;
}

RULE(sgd_momentum) {
    T rate = k[0], momentum = k[1], *velocity = a;
    for (Index i = 0; i < n; i++) {
        velocity[i] = velocity[i] * momentum + g[i] * -rate;
        w[i] += velocity[i];
    }
}

RULE(sgd_nesterov) {
    T rate = k[0], momentum = k[1], *velocity = a;
    for (Index i = 0; i < n; i++) {
        T step = g[i] * -rate;
        velocity[i] = velocity[i] * momentum + step;
        w[i] += step + velocity[i] * momentum;
    }
}

RULE(adam) {
    T rate = k[0], new_m = k[1], new_v = k[2], epsilon = k[3], *m = a, *v = b;
    for (Index i = 0; i < n; i++) {
        m[i] += (g[i] - m[i]) * new_m;
        v[i] += (g[i] * g[i] - v[i]) * new_v;
        w[i] -= m[i] / (SQRT(v[i]) + epsilon) * rate;
    }
}

RULE(adam_amsgrad) {
    T rate = k[0], new_m = k[1], new_v = k[2], epsilon = k[3], *m = a, *v = b, *largest = c;
    for (Index i = 0; i < n; i++) {
        m[i] += (g[i] - m[i]) * new_m;
        v[i] += (g[i] * g[i] - v[i]) * new_v;
        largest[i] = larger(largest[i], v[i]);
        w[i] -= m[i] / (SQRT(largest[i]) + epsilon) * rate;
    }
}

RULE(adamax) {
    T rate = k[0], new_m = k[1], keep = k[2], epsilon = k[3], *m = a, *u = b;
    for (Index i = 0; i < n; i++) {
        m[i] += (g[i] - m[i]) * new_m;
        u[i] = larger(u[i] * keep, ABS(g[i]));
        w[i] -= m[i] / (u[i] + epsilon) * rate;
    }
}

RULE(nadam) {
    T rate_m = k[0], rate_g = k[1], new_m = k[2], new_v = k[3], correct = k[4], epsilon = k[5];
    T *m = a, *v = b;
    for (Index i = 0; i < n; i++) {
        m[i] += (g[i] - m[i]) * new_m;
        v[i] += (g[i] * g[i] - v[i]) * new_v;
        w[i] -= (m[i] * rate_m + g[i] * rate_g) / (SQRT(v[i]) * correct + epsilon);
    }
}

RULE(rmsprop) {
    T rate = k[0], keep = k[1], new = k[2], epsilon = k[3], *v = a;
    for (Index i = 0; i < n; i++) {
        v[i] = v[i] * keep + g[i] * g[i] * new;
        w[i] -= g[i] / SQRT(v[i] + epsilon) * rate;
    }
}

RULE(rmsprop_momentum) {
    T rate = k[0], keep = k[1], new = k[2], epsilon = k[3], momentum = k[4], *v = a, *m = b;
    for (Index i = 0; i < n; i++) {
        v[i] = v[i] * keep + g[i] * g[i] * new;
        m[i] = m[i] * momentum + g[i] / SQRT(v[i] + epsilon) * rate;
        w[i] -= m[i];
    }
}

RULE(rmsprop_centered) {
    T rate = k[0], keep = k[1], new = k[2], epsilon = k[3], *v = a, *mean = b;
    for (Index i = 0; i < n; i++) {
        v[i] = v[i] * keep + g[i] * g[i] * new;
        mean[i] = mean[i] * keep + g[i] * new;
        w[i] -= g[i] / SQRT(v[i] - mean[i] * mean[i] + epsilon) * rate;
    }
}

RULE(rmsprop_centered_momentum) {
    T rate = k[0], keep = k[1], new = k[2], epsilon = k[3], momentum = k[4];
    T *v = a, *m = b, *mean = c;
    for (Index i = 0; i < n; i++) {
        v[i] = v[i] * keep + g[i] * g[i] * new;
        mean[i] = mean[i] * keep + g[i] * new;
        m[i] = m[i] * momentum + g[i] / SQRT(v[i] - mean[i] * mean[i] + epsilon) * rate;
        w[i] -= m[i];
    }
}

RULE(adagrad) {
    T rate = k[0], epsilon = k[1], *sum = a;
    for (Index i = 0; i < n; i++) {
        sum[i] += g[i] * g[i];
        w[i] -= g[i] / SQRT(sum[i] + epsilon) * rate;
    }
}

RULE(adadelta) {
    T rate = k[0], keep = k[1], new = k[2], epsilon = k[3], *squares = a, *steps = b;
    for (Index i = 0; i < n; i++) {
        squares[i] = squares[i] * keep + g[i] * g[i] * new;
        T step = SQRT((steps[i] + epsilon) / (squares[i] + epsilon)) * g[i];
        steps[i] = steps[i] * keep + step * step * new;
        w[i] -= step * rate;
    }
}

RULE(lion) {
    T rate = k[0], keep = k[1], new = k[2], keep_m = k[3], new_m = k[4], *m = a;
    for (Index i = 0; i < n; i++) {
        T way = m[i] * keep + g[i] * new;
        T sign = way > 0 ? 1 : way < 0 ? -1 : way + 0; /* 0 for -0, NaN for NaN */
        w[i] -= sign * rate;
        m[i] = m[i] * keep_m + g[i] * new_m;
    }
}

typedef void Rule(Index, T *, const T *, T *, T *, T *, const T *);

/* In the order of RULES in optimizers.py. */
static Rule *const rules[] = {
    sgd, sgd_momentum, sgd_nesterov, adam, adam_amsgrad, adamax, nadam, rmsprop, rmsprop_momentum,
    rmsprop_centered, rmsprop_centered_momentum, adagrad, adadelta, lion,
};

typedef struct {
    Rule *rule;
    T k[6];
    double limit; /* of clipping; 0: none */
    const struct parameter *parameters;
    const double *factors; /* decay and scale of each */
} Step;

/* Some numbers of a parameter, at most BLOCK. */
static void update(const Step *step, Index number, Index start, Index n) {
    const struct parameter *p = step->parameters + number;
    double decay = step->factors[2 * number], scale = step->factors[2 * number + 1];
    T *w = (T *)p->w + start, *slots[3], clipped[BLOCK], limit = (T)step->limit;
    const T *g = (const T *)p->g + start;
    for (Index i = 0; i < 3; i++)
        slots[i] = p->slots[i] ? (T *)p->slots[i] + start : 0;
    if (step->limit != 0) {
        for (Index i = 0; i < n; i++) {
            T raised = g[i] < -limit ? -limit : g[i];
            clipped[i] = raised > limit ? limit : raised;
        }
        g = clipped;
    } else if (scale != 1) {
        for (Index i = 0; i < n; i++)
            clipped[i] = g[i] * (T)scale;
        g = clipped;
    }
    if (decay != 0)
        for (Index i = 0; i < n; i++)
            w[i] -= w[i] * (T)decay;
    step->rule(n, w, g, slots[0], slots[1], slots[2], step->k);
}

/* The piece of that number, counted through all parameters. */
static void piece(void *context, Index i, Index worker) {
    const Step *step = context;
    Index number = 0;
    for (Index pieces; i >= (pieces = (step->parameters[number].size + PIECE - 1) / PIECE); i -= pieces)
        number++;
    Index end = least((i + 1) * PIECE, step->parameters[number].size);
    for (Index start = i * PIECE; start < end; start += BLOCK)
        update(step, number, start, least(BLOCK, end - start));
    (void)worker;
}

EXPORT void NAME(optimizer_step)(Index rule, const double *k, double limit,
                                 const struct parameter *parameters, const double *factors,
                                 Index count, Index threads) {
    Step step = {.rule = rules[rule], .limit = limit, .parameters = parameters, .factors = factors};
    for (Index i = 0; i < 6; i++)
        step.k[i] = (T)k[i];
    Index numbers = 0, pieces = 0;
    for (Index i = 0; i < count; i++) {
        numbers += parameters[i].size;
        pieces += (parameters[i].size + PIECE - 1) / PIECE;
    }
    minicnn_parallel_for(pieces, numbers < WORTH ? 1 : threads, piece, &step);
}
