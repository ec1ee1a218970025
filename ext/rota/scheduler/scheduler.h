/* Rota::Scheduler: the object that CRuby asks when a non-blocking fiber would block. Its hooks are
 * methods written in C, in the other files of this folder.
 *
 * A scheduler is bound to a thread and a loop at its first hook, not before: it may have been made
 * on another thread, and nothing tells it that it was installed. Under Rota.run it works on that
 * loop; alone it makes a loop, and ends it in scheduler_close. */
#ifndef ROTA_SCHEDULER_H
#define ROTA_SCHEDULER_H

#include "runtime/loop.h"
#include "scheduler/blocked.h"
#include "scheduler/writers.h"

typedef struct rota_scheduler {
    rota_loop_t *loop; /* NULL: not bound yet */
    VALUE loop_object; /* keeps it */
    rota_blocked_table_t blocked;
    rota_writers_t writers;
    VALUE early;              /* fibers unblocked while they ran, on their way to block; or nil */
    uint64_t early_at_switch; /* ... which they still are if no fiber was entered since */
    bool owns;                /* made the loop, and ends it */
    bool of_run;              /* Rota.run installed it */
    bool holds;               /* the defaults of the socket classes */
    bool closed;
} rota_scheduler_t;

extern const rb_data_type_t rota_scheduler_type;

/* Of a method's `self`. */
static inline rota_scheduler_t *rota_scheduler_get(VALUE self)
{
    return rota_typed_data(self, &rota_scheduler_type);
}

/* Binds it first, if need be. */
rota_loop_t *rota_scheduler_enter_first(VALUE self);

/* The loop for a hook that was called on this thread, with a task running; NULL when nothing can be
 * waited for in a loop (a fiber is ending, the scheduler was closed, or inherited by a forked
 * child): the hook then blocks the thread. */
static inline rota_loop_t *rota_scheduler_enter(VALUE self)
{
    const rota_scheduler_t *scheduler = rota_scheduler_get(self);
    rota_loop_t *loop = scheduler->loop;
    bool at_home = loop && !scheduler->closed && loop == rota_loop_current() && loop->current;
    return ROTA_LIKELY(at_home) ? loop : rota_scheduler_enter_first(self);
}

/* The loop for a hook called on any thread; NULL when there is none any more, or when it is that of
 * the process that forked this one. */
rota_loop_t *rota_scheduler_loop(const rota_scheduler_t *scheduler);

void rota_init_scheduler(VALUE module);

#endif
