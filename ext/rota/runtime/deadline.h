/* move_on_after and cancel_after: a deadline for a block. It interrupts the task at the first
 * switchpoint behind it and inside the block, and never outside: a block that meets no switchpoint
 * keeps its value. Deadlines nest; each knows its own exception by identity. */
#ifndef ROTA_DEADLINE_H
#define ROTA_DEADLINE_H

#include "runtime/loop.h"

/* The task ends: deadlines of blocks that it never came back to are disarmed. */
void rota_deadlines_detach(rota_task_t *task);
/* The task is freed without an end, and perhaps its loop was before it. */
void rota_deadlines_forsake(rota_task_t *task);

/* Yields the number of seconds under a deadline of so many, at which `spec` (a class or an
 * instance; `message` may be nil) is raised; the block's value. With Qundef the block is left by an
 * exception that no ordinary rescue takes, and Qundef is returned. What Timeout.timeout asks of a
 * scheduler. */
VALUE rota_deadline_yield(VALUE seconds, VALUE spec, VALUE message);

void rota_init_deadline(VALUE module);

#endif
