/* What every module of the core may assume: integer types, assertions, the monotonic clock, and
 * the limits that a hostile build shrinks so that rare paths become common ones. No ruby.h. */
#ifndef ROTA_BASE_H
#define ROTA_BASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* pwritev2, memmem, accept4: before the first system header */
#endif

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROTA_LIKELY(x)   __builtin_expect(!!(x), 1)
#define ROTA_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* On the way of every operation: what such a function calls is compiled into it, across files where
 * the linker optimizes. A task that waits has fewer frames then, and they are cold when it goes on.
 * What is rarely called from there is ROTA_APART. */
#define ROTA_FLAT  __attribute__((flatten))
#define ROTA_APART __attribute__((noinline))
/* A function in a header that is compiled for the constants that it is called with. */
#define ROTA_TEMPLATE __attribute__((always_inline)) static inline

#define ROTA_CONTAINER_OF(pointer, type, member)                                                   \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define ROTA_NS_PER_S  INT64_C(1000000000)
#define ROTA_NS_PER_MS INT64_C(1000000)
#define ROTA_NS_PER_US INT64_C(1000)

/* ROTA_HOSTILE makes bugs likely: a ring of 2 entries, two receive buffers, a slab of one op a
 * chunk, and freed ops filled with a pattern that the next use checks. */
#ifdef ROTA_HOSTILE
#define ROTA_DEFAULT_ENTRIES    2
#define ROTA_DEFAULT_CQ_ENTRIES 4
#define ROTA_DEFAULT_BUFFERS    2
#define ROTA_OPS_PER_CHUNK_LOG2 0
#else
#define ROTA_DEFAULT_ENTRIES    256
#define ROTA_DEFAULT_CQ_ENTRIES 4096
#define ROTA_DEFAULT_BUFFERS    16
#define ROTA_OPS_PER_CHUNK_LOG2 6
#endif

/* An option that was not given is 0. */
static inline uint32_t rota_or_default(uint32_t value, uint32_t standard)
{
    return value ? value : standard;
}

/* CLOCK_MONOTONIC in nanoseconds; the one time base of deadlines and timers. */
static inline uint64_t rota_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * (uint64_t)ROTA_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The same clock to the last kernel tick (1 to 4 ms), for a quarter of the price. */
static inline uint64_t rota_now_coarse_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * (uint64_t)ROTA_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Of two times to wait, where a negative one is for ever; `other_ns` is not. */
static inline int64_t rota_sooner(int64_t timeout_ns, int64_t other_ns)
{
    return timeout_ns < 0 || other_ns < timeout_ns ? other_ns : timeout_ns;
}

#endif
