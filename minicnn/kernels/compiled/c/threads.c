/* The pool of threads that the kernels share.
 *
 *     for (i = 0; i < count; i++)
 *         work(context, i, 0);
 *
 * becomes: whoever is free takes the next i. Threads are started when they are first wanted, look
 * for new work for some microseconds after the last, and then sleep. After a fork the child has
 * none, and starts its own. A library has one pool, for one loop at a time: a loop that is begun
 * while another runs is done by its caller alone.
 */
#include <stdatomic.h>
#include <stdint.h>

typedef int64_t Index;
typedef void Work(void *context, Index i, Index worker);

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#define EXPORT __declspec(dllexport)
typedef SRWLOCK Lock;
typedef CONDITION_VARIABLE Signal;
#define LOCK SRWLOCK_INIT
#define SIGNAL CONDITION_VARIABLE_INIT
static void acquire(Lock *lock) { AcquireSRWLockExclusive(lock); }
static int try_acquire(Lock *lock) { return TryAcquireSRWLockExclusive(lock); }
static void release(Lock *lock) { ReleaseSRWLockExclusive(lock); }
static void wait_for(Signal *signal, Lock *lock) { SleepConditionVariableSRW(signal, lock, INFINITE, 0); }
static void wake_all(Signal *signal) { WakeAllConditionVariable(signal); }
#else
#include <pthread.h>
#include <signal.h>
#define EXPORT __attribute__((visibility("default")))
typedef pthread_mutex_t Lock;
typedef pthread_cond_t Signal;
#define LOCK PTHREAD_MUTEX_INITIALIZER
#define SIGNAL PTHREAD_COND_INITIALIZER
static void acquire(Lock *lock) { pthread_mutex_lock(lock); }
static int try_acquire(Lock *lock) { return pthread_mutex_trylock(lock) == 0; }
static void release(Lock *lock) { pthread_mutex_unlock(lock); }
static void wait_for(Signal *signal, Lock *lock) { pthread_cond_wait(signal, lock); }
static void wake_all(Signal *signal) { pthread_cond_broadcast(signal); }
#endif

#define MOST_THREADS 256
#define LOOKS 4000 /* at whether there is news, before a thread sleeps: some tens of microseconds */

static Lock in_use = LOCK; /* held by the caller whose loop runs */
static Lock lock = LOCK;   /* of what follows */
static Signal news = SIGNAL, over = SIGNAL;
static Index started;             /* workers that there are, besides the caller */
static _Atomic uint64_t loops;    /* loops so far: news for those who wait */
static Index wanted;              /* workers that the loop may still use */
static _Atomic Index busy;        /* workers at the loop */
static _Atomic Index next, total; /* the next i, and how many there are */
static Work *task;
static void *argument;

static inline void pause_a_moment(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void take_part(Index worker) {
    for (Index i; (i = atomic_fetch_add(&next, 1)) < total;)
        task(argument, i, worker);
}

static void serve(uint64_t seen) {
    for (;;) {
        for (int look = 0; look < LOOKS && atomic_load(&loops) == seen; look++)
            pause_a_moment();
        acquire(&lock);
        while (atomic_load(&loops) == seen)
            wait_for(&news, &lock);
        seen = atomic_load(&loops);
        Index worker = 0;
        if (wanted > 0) {
            worker = wanted--;
            busy++;
        }
        release(&lock);
        if (!worker)
            continue;
        take_part(worker);
        acquire(&lock);
        if (atomic_fetch_sub(&busy, 1) == 1)
            wake_all(&over);
        release(&lock);
    }
}

#if defined(_WIN32)
static DWORD WINAPI begin(void *seen) {
    serve((uint64_t)(uintptr_t)seen);
    return 0;
}
static int start_thread(void) {
    HANDLE thread = CreateThread(NULL, 0, begin, (void *)(uintptr_t)loops, 0, NULL);
    if (thread)
        CloseHandle(thread);
    return thread != NULL;
}
#else
static void *begin(void *seen) {
    serve((uint64_t)(uintptr_t)seen);
    return 0;
}
static void forget(void) { /* in the child of a fork */
    in_use = lock = (Lock)LOCK;
    news = over = (Signal)SIGNAL;
    started = wanted = 0;
    busy = 0;
}
static int start_thread(void) {
    static int prepared;
    if (!prepared)
        prepared = pthread_atfork(0, 0, forget) == 0;
    sigset_t all, before; /* signals are for the threads of Python */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int failed = pthread_create(&thread, 0, begin, (void *)(uintptr_t)loops);
    if (!failed)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return !failed;
}
#endif

EXPORT void minicnn_parallel_for(Index count, Index threads, Work *work, void *context) {
    if (threads > count)
        threads = count;
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    if (threads < 2 || !try_acquire(&in_use)) {
        for (Index i = 0; i < count; i++)
            work(context, i, 0);
        return;
    }
    acquire(&lock);
    while (started < threads - 1 && start_thread())
        started++;
    task = work;
    argument = context;
    total = count;
    next = 0;
    wanted = threads - 1;
    loops++;
    wake_all(&news);
    release(&lock);

    take_part(0);

    acquire(&lock);
    wanted = 0; /* who has not begun yet need not */
    release(&lock);
    for (int look = 0; look < LOOKS && atomic_load(&busy); look++)
        pause_a_moment();
    acquire(&lock);
    while (busy)
        wait_for(&over, &lock);
    release(&lock);
    release(&in_use);
}
