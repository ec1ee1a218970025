/* A hang is never silent. When nothing is runnable or pending and nothing else could wake the loop,
 * the root task gets Rota::Deadlock; when other Ruby threads are alive, which might, the same
 * report goes to stderr once, after some seconds. */
#ifndef ROTA_DEADLOCK_H
#define ROTA_DEADLOCK_H

#include "runtime/loop.h"

/* Called with nothing ready, before the loop sleeps. True when the root task was made ready.
 * The state of a kill that surfaced is in *jump. */
bool rota_deadlock_check(rota_loop_t *loop, uint64_t now_ns, int *jump);

/* How long the loop may sleep before the report is due; -1: no report is due. */
int64_t rota_deadlock_report_in_ns(const rota_loop_t *loop, uint64_t now_ns);

/* Names on stderr the children that were told to end and do not. Parks nobody, raises nothing;
 * gives the state of a kill. */
int rota_deadlock_report_children(const rota_task_t *task);

#endif
