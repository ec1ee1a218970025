/* Rota::Queue, and the queue inside it, which may be a part of other structs too (a mailbox).
 *
 * Items stand in a ring buffer. What is handed over is never in between: an item pushed while
 * somebody waits for one goes straight to the first who waits, and the item of a push that waits
 * for room enters the ring in the moment in which room is made. So, with `limit` the most items:
 *
 *   somebody waits to pop   =>  the ring is empty
 *   somebody waits to push  =>  the ring holds `limit` items (or more: see put_back)
 *
 * An item whose receiver unwinds (kill, throw) before it could take it is put back in front. */
#ifndef ROTA_QUEUE_H
#define ROTA_QUEUE_H

#include "runtime/waiters.h"

#define ROTA_QUEUE_UNLIMITED SIZE_MAX

typedef struct rota_queue {
    VALUE *items;           /* a ring of `capacity` slots, a power of two, or none */
    size_t capacity;        /* slots */
    size_t head;            /* the slot of the first item */
    size_t count;           /* items */
    size_t limit;           /* items: a push beyond waits */
    rota_waiters_t poppers; /* handed an item; or Qundef, when the queue is closed */
    rota_waiters_t pushers; /* handed Qtrue, when their item has gone in; or Qundef */
    bool closed;
} rota_queue_t;

typedef enum rota_queue_result {
    ROTA_QUEUE_DONE,
    ROTA_QUEUE_TIMEOUT, /* the deadline came first; nothing was moved */
    ROTA_QUEUE_CLOSED,  /* and, for a pop, empty */
} rota_queue_result_t;

/* The queue marks no object that it is a part of; that object must not be write-barrier protected,
 * marks the queue, and frees it. The memory must not move while somebody waits. */
void rota_queue_init(rota_queue_t *queue);
void rota_queue_mark(const rota_queue_t *queue);
void rota_queue_free(rota_queue_t *queue);
size_t rota_queue_memsize(const rota_queue_t *queue); /* beyond the struct */

static inline size_t rota_queue_size(const rota_queue_t *queue)
{
    return queue->count;
}

/* Appends an item; waits until the deadline while the queue is full. A deadline of 0 waits not at
 * all, UINT64_MAX for ever. Raises interrupts (the item is not in the queue then), and
 * NoMemoryError when the ring cannot grow. Never waits, and raises no interrupts, without a limit.
 */
rota_queue_result_t rota_queue_push(rota_queue_t *queue, VALUE item, uint64_t deadline_ns);

/* Takes the first item into *item; waits until the deadline while there is none. `what` is for
 * reports. Raises interrupts; no item was taken then. */
rota_queue_result_t rota_queue_pop(rota_queue_t *queue, VALUE *item, const char *what,
                                   uint64_t deadline_ns);

/* Takes the first item. False when there is none. Raises nothing. */
bool rota_queue_try_pop(rota_queue_t *queue, VALUE *item);

/* Puts an item in front, for who waits first or else for the next pop; beyond the limit if need be,
 * also into a closed queue. */
void rota_queue_put_back(rota_queue_t *queue, VALUE item);

void rota_queue_close(rota_queue_t *queue);

void rota_init_queue(VALUE module);

#endif
