/* Who waits in `block` or `kernel_sleep`, by fiber: what `unblock`, which is given nothing but a
 * Fiber, finds the park record by. A hash table whose entries lie on the stacks of those who wait,
 * so that a wait allocates nothing.
 *
 * An entry is found only while its wait goes on: a late `unblock` finds none, or that of a later
 * wait, whose caller looks at what it waited for and waits again. Several entries of one fiber (a
 * trap handler that blocks inside a wait) are found newest first. */
#ifndef ROTA_BLOCKED_H
#define ROTA_BLOCKED_H

#include "runtime/park.h"

typedef struct rota_blocked {
    rota_list_t link;
    VALUE fiber; /* does not move: the task of a parked fiber pins it */
    rota_park_t *park;
    bool woken; /* unblocked: not to be told by a park's flag, which a wait takes back */
} rota_blocked_t;

typedef struct rota_blocked_table {
    rota_list_t *buckets; /* a power of two of them; NULL before the first use */
    uint32_t mask;
    uint32_t count;
} rota_blocked_table_t;

/* Makes room for one more entry. NoMemoryError. */
void rota_blocked_reserve(rota_blocked_table_t *table);
/* Raises nothing: there must be room. */
void rota_blocked_add(rota_blocked_table_t *table, rota_blocked_t *blocked);
void rota_blocked_remove(rota_blocked_table_t *table, rota_blocked_t *blocked);
/* NULL when the fiber waits for nothing that could be unblocked. */
rota_blocked_t *rota_blocked_find(const rota_blocked_table_t *table, VALUE fiber);
void rota_blocked_free(rota_blocked_table_t *table);

#endif
