/* What other tasks, deadlines, failed children and the thread itself raise in a task. An interrupt
 * waits on the task's list, by value, until the task meets a switchpoint at which it is not
 * shielded; then it is raised there, by the task itself. So nothing is ever raised in a task that
 * it is not meant for, or while an op of it is in flight. */
#ifndef ROTA_INTERRUPT_H
#define ROTA_INTERRUPT_H

#include "runtime/loop.h"

typedef struct rota_interrupt rota_interrupt_t;

struct rota_interrupt {
    rota_list_t link;    /* rota_task_t.interrupts */
    VALUE exception;     /* Qfalse: `make` makes it when it is raised */
    rota_task_t *source; /* the child whose failure it is, for as long as it matters; or NULL */
    VALUE (*make)(rota_interrupt_t *interrupt);
    VALUE call;    /* a Proc to run in the task instead of an exception; or Qfalse */
    bool embedded; /* part of a deadline: not to be freed */
};

/* Queues an exception for the task and makes the task ready to take it. No-op for a dead task.
 * With the GVL of the task's thread; runs no Ruby code. */
void rota_interrupt_task(rota_task_t *task, VALUE exception, rota_task_t *source);
/* The same for an interrupt embedded in something; it may be on its list already. */
void rota_interrupt_push(rota_task_t *task, rota_interrupt_t *interrupt);

/* Queues a Proc that the task runs at its next switchpoint, inside whatever it waits for. */
void rota_interrupt_interject(rota_task_t *task, VALUE proc);
/* Is that what comes first? */
bool rota_interrupt_interjected(const rota_task_t *task);
/* Takes it off the list and calls it; what it raises is raised. */
void rota_interrupt_call(rota_task_t *task);

/* Are there interrupts that the task may take now? */
bool rota_interrupts_waiting(const rota_task_t *task);

/* Every switchpoint's first line: raises the task's first interrupt, if there is one and it is not
 * shielded. */
void rota_interrupt_check(rota_loop_t *loop);

/* Takes the first interrupt off the list and raises it. */
RBIMPL_ATTR_NORETURN()
void rota_interrupt_raise(rota_loop_t *loop);

/* Drops what waits. Failures of children are collected into an Array (nil when there were none). */
VALUE rota_interrupts_drop(rota_task_t *task);

/* Has the thread interrupts that wait for a blocking point (Thread#raise, a signal)? */
bool rota_interrupt_pending(rota_loop_t *loop);

void rota_interrupts_mark(const rota_task_t *task);

#endif
