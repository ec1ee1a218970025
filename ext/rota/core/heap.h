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
 * Invariant: seat == 0 when not armed, else the number of its seat plus one. */
struct rota_timer {
    uint64_t deadline_ns;
    void (*fire)(rota_timer_t *timer); /* called by the loop, see rota_heap_take_due */
    uint32_t seat;
};

typedef struct rota_heap_entry {
    uint64_t deadline_ns; /* a copy, see below */
    uint32_t seat;
} rota_heap_entry_t;

/* What is known of a timer beside its place in the order. Timers lie on the stacks of those who
 * sleep, each in a page of its own that was out of any cache for long; so sifting, which moves some
 * eight entries for each timer that leaves, writes their new places here. Arming and disarming
 * touch one timer each. */
typedef struct rota_heap_seat {
    rota_timer_t *timer; /* NULL: free */
    uint32_t position;   /* of its entry; when free, the next free seat plus one */
} rota_heap_seat_t;

typedef struct rota_heap {
    rota_heap_entry_t *entries;
    rota_heap_seat_t *seats;
    uint32_t count, capacity; /* of both */
    uint32_t free_seat;       /* the first free seat below `used_seats`, plus one; 0: none */
    uint32_t used_seats;      /* seats from here on were never taken */
} rota_heap_t;

static inline bool rota_timer_armed(const rota_timer_t *timer)
{
    return timer->seat != 0;
}

/* Makes one that is not armed; the rest of it is filled when it is. */
static inline void rota_timer_init(rota_timer_t *timer)
{
    timer->seat = 0;
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

static inline size_t rota_heap_memsize(const rota_heap_t *heap)
{
    return heap->capacity * (sizeof(rota_heap_entry_t) + sizeof(rota_heap_seat_t));
}

/* Takes off at most `most` timers that are due at `now_ns`, earliest first, equal deadlines in any
 * order, and says how many it were. They are on their way into the cache then. Whoever fires them
 * does so before anything else may run: what fires neither frees nor disarms other timers, and runs
 * no Ruby code. */
uint32_t rota_heap_take_due(rota_heap_t *heap, uint64_t now_ns, rota_timer_t **due, uint32_t most);

#endif
