/* Timers: a 4-ary heap of deadlines, indexed, so that disarming costs as little as arming (15 ns
 * either way; the kernel's own timeout entries cost 380 to 580, and their removal is linear in
 * their number). The loop's next deadline is the heap's first. */
#ifndef ROTA_HEAP_H
#define ROTA_HEAP_H

#include "base.h"

typedef struct rota_timer rota_timer_t;

/* Embedded in whatever waits (a park on a C stack, a deadline). The owner removes it from the heap
 * before its memory goes.
 *
 * Invariant: position == 0 when not armed, else the heap's entry number plus one. */
struct rota_timer {
    uint64_t deadline_ns;
    void (*fire)(rota_timer_t *timer); /* called by the loop after the pop; runs no Ruby code */
    uint32_t position;
};

typedef struct rota_heap_entry {
    uint64_t deadline_ns; /* a copy, so that sifting touches no timer but the moved ones */
    rota_timer_t *timer;
} rota_heap_entry_t;

typedef struct rota_heap {
    rota_heap_entry_t *entries;
    uint32_t count, capacity;
} rota_heap_t;

static inline bool rota_timer_armed(const rota_timer_t *timer)
{
    return timer->position != 0;
}

void rota_heap_init(rota_heap_t *heap);
void rota_heap_free(rota_heap_t *heap);

/* Arms a timer that is not armed. 0, or -ENOMEM with nothing changed. */
int rota_heap_insert(rota_heap_t *heap, rota_timer_t *timer, uint64_t deadline_ns);

/* Disarms; harmless for a timer that is not armed. Shrinks the array when it is mostly empty. */
void rota_heap_remove(rota_heap_t *heap, rota_timer_t *timer);

/* The next deadline, or UINT64_MAX when nothing is armed. */
static inline uint64_t rota_heap_next_ns(const rota_heap_t *heap)
{
    return heap->count ? heap->entries[0].deadline_ns : UINT64_MAX;
}

/* Takes off the first timer if it is due at `now_ns`, else NULL. Equal deadlines leave in any
 * order. */
rota_timer_t *rota_heap_pop_due(rota_heap_t *heap, uint64_t now_ns);

#endif
