/* What other tasks, deadlines, failed children and the thread itself raise in a task. An interrupt
 * waits on the task's list, by value, until the task meets a switchpoint at which it is not
 * shielded; then it is raised there, by the task itself. So nothing is ever raised in a task that
 * it is not meant for, or while an op of it is in flight. */
#ifndef ROTA_INTERRUPT_H
#define ROTA_INTERRUPT_H

#include "runtime/task.h"

typedef struct rota_interrupt rota_interrupt_t;

struct rota_interrupt {
    rota_list_t link;    /* rota_task_t.interrupts */
    VALUE exception;     /* Qfalse: `make` makes it when it is raised */
    rota_task_t *source; /* the child whose failure it is, for as long as it matters; or NULL */
    VALUE (*make)(rota_interrupt_t *interrupt);
    VALUE call;      /* a Proc to run in the task instead of an exception; or Qfalse */
    uint32_t number; /* ... in the order in which they came; they may wrap */
    VALUE fiber;     /* only code on this fiber may take it; Qfalse: any code of the task */
    /* How deep in shields the task was when it set up where this comes from: it is held back by the
     * shields inside which it was not. */
    uint32_t level;
    bool embedded; /* part of a deadline: not to be freed */
    bool foreign;  /* raised in the thread, not in the task: the root task's */
};

/* Queues an exception for the task and makes the task ready to take it. No-op for a dead task.
 * With the GVL of the task's thread; runs no Ruby code, and raises nothing: a task may be in the
 * middle of a wait. */
void rota_interrupt_task(rota_task_t *task, VALUE exception, rota_task_t *source);
/* The same for what was raised in the loop's thread: for the root task, whose end does not drop it.
 */
void rota_interrupt_root(rota_loop_t *loop, VALUE exception);
/* The same for what no shield holds back, because nothing else could ever happen. */
void rota_interrupt_through_shields(rota_task_t *task, VALUE exception);
/* The same for an interrupt embedded in something; it may be on its list already. */
void rota_interrupt_push(rota_task_t *task, rota_interrupt_t *interrupt);

/* Queues a Proc that the task runs at its next switchpoint, inside whatever it waits for. A
 * switchpoint runs those that stood there when it was met: one that queues another each time keeps
 * nobody from running. So the first interrupt behind them may still be an interjection. */
void rota_interrupt_interject(rota_task_t *task, VALUE proc);
/* The first interrupt, if it is an interjection and came no later than the one of this number
 * (rota_task_t.interjections); or NULL. */
rota_interrupt_t *rota_interrupt_call_due(const rota_task_t *task, VALUE fiber, uint32_t last);
/* Takes it off the list and calls it; what it raises is raised. */
void rota_interrupt_call(rota_task_t *task, rota_interrupt_t *interrupt);

/* Takes it off the task's list for good. */
void rota_interrupt_discard(rota_task_t *task, rota_interrupt_t *interrupt);

/* The first interrupt that the task may take on this fiber now, or NULL. */
rota_interrupt_t *rota_interrupt_first(const rota_task_t *task, VALUE fiber);

/* Is the running task's first interrupt one to be raised? */
bool rota_interrupts_waiting(const rota_task_t *task);

/* The rest of the next one, for a task that is disturbed. */
bool rota_interrupt_take(rota_loop_t *loop);

/* Every switchpoint's first line: raises the task's first interrupt, if there is one and it is not
 * shielded. True: interjections ran, which may have closed anything: who had looked an io up looks
 * again. */
static inline bool rota_interrupt_check(rota_loop_t *loop)
{
    return ROTA_UNLIKELY(!rota_task_undisturbed(loop->current)) && rota_interrupt_take(loop);
}

/* Takes the first interrupt, which is one to be raised, off the list and raises it. */
RBIMPL_ATTR_NORETURN()
void rota_interrupt_raise(rota_loop_t *loop);

/* Raises IOError for an io that was closed, unless the running task was to be interrupted before it
 * met that: who stops a task and then closes its stream has stopped it. */
RBIMPL_ATTR_NORETURN()
void rota_interrupt_raise_closed(const char *message);

/* ... for who waited on it meanwhile; the words are MRI's. */
#define ROTA_CLOSED_MEANWHILE "stream closed in another thread"

/* A Rota::Restart, if that is what was raised in the task first and waits; else Qfalse. */
VALUE rota_interrupt_take_restart(rota_task_t *task);

/* The exception of a deadline whose block has ended, if it waits, is not raised any more. */
void rota_interrupt_take_back(rota_task_t *task, VALUE exception);

/* Drops what waits. Failures of children, and what was raised in the thread, are collected into an
 * Array (nil when there were none). */
VALUE rota_interrupts_drop(rota_task_t *task);
/* Takes off only the failures of children that were spun in this scope or inside it. */
VALUE rota_interrupts_drop_failures(rota_task_t *task, uint64_t scope);

void rota_interrupts_mark(const rota_task_t *task);

#endif
