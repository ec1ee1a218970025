/* What a fork leaves behind. A child's copies of a ring's descriptor and mappings keep the ring,
 * and so every file in its table, alive: the parent's connections would get no FIN for the child's
 * whole life. So the atfork handler drops every engine in the child at once. */
#ifndef ROTA_FORK_H
#define ROTA_FORK_H

#include "list.h"

typedef struct rota_fork_guard {
    rota_list_t link;
    void (*drop_in_child)(struct rota_fork_guard *guard); /* async-signal-safe calls only */
} rota_fork_guard_t;

/* Counts the forks between the first process and this one. Verbs compare it (getpid costs 100 ns).
 */
extern uint32_t rota_fork_generation;

/* Installs the handlers, if that was not done yet: from here on forks are counted. */
void rota_fork_watch(void);

/* Any thread. Installs the handlers, too. */
void rota_fork_guard_add(rota_fork_guard_t *guard);
void rota_fork_guard_remove(rota_fork_guard_t *guard);

#endif
