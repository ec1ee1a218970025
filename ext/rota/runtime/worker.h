/* Workers: fibers that run tasks, one after another. A fiber reached by transfer gives its stack
 * back only at a collection, and making one costs up to ten times a task; so a worker whose task
 * ended takes the next unborn task itself, without a switch, or waits in a bounded idle list.
 *
 * Invariant: nothing of one task is seen by the next. Fiber-locals and fiber storage are cleared;
 * a fiber with instance variables, or one beyond the idle list's bound, is retired: it is parked
 * for good and referenced by nobody, so that the next collection takes it with its stack. (It does
 * not return: a fiber reached by transfer would return into whatever the thread's first fiber
 * resumes, which may be a stranger.) */
#ifndef ROTA_WORKER_H
#define ROTA_WORKER_H

#include "runtime/loop.h"

/* On the stack of its own fiber, and in memory from malloc until that is entered. While it is on
 * the loop's list the loop keeps the fiber, and with it this memory. */
struct rota_worker {
    rota_list_t all;  /* rota_loop.workers, or newborn_workers */
    rota_list_t idle; /* rota_loop.idle_workers */
    rota_loop_t *loop;
    VALUE fiber;
    rota_task_t *task; /* NULL when idle */
    rota_park_t *park; /* entered to run `task`; NULL: it runs one */
};

/* Makes what the fibers of all workers run. One for all, because a Proc keeps the frames that it
 * was made in, and workers are made by workers. */
void rota_workers_open(rota_loop_t *loop);

/* The record to enter so that a worker runs `task`, which must not be on the run queue: an idle
 * worker's, or a new one's. NULL when no fiber could be made; the task has failed then, or
 * waits in line again because of a kill, whose state is in *jump. */
rota_park_t *rota_worker_assign(rota_loop_t *loop, rota_task_t *task, int *jump);

/* The worker may be given a task from now on, or no more. It is idle only while another fiber runs:
 * while its own runs the loop, a trap handler may park in it, and a task that were given to it then
 * would wait for the handler. */
void rota_worker_rest(rota_worker_t *worker);
void rota_worker_rouse(rota_worker_t *worker);

/* An idle worker takes a task that is off the run queue. From here on the task is alive: what ends
 * it does so at its first switchpoint, which is before its block. */
void rota_worker_take(rota_worker_t *worker, rota_task_t *task);

/* The first entry of a new worker's fiber failed with a jump (no memory for its stack): the task
 * fails with it, not whoever dispatched it. False when the worker did start. */
bool rota_worker_stillborn(rota_loop_t *loop, rota_task_t *task, int state, int *jump);

/* Counts a fiber that was reached by transfer and is used no more: its stack goes only at a
 * collection, and this asks for one after some thousands. Gives the state of a kill. */
int rota_workers_note_stack(rota_loop_t *loop);

void rota_workers_mark(rota_loop_t *loop);
/* The loop was closed: its workers are the collector's, and are counted as such. May raise what a
 * trap handler raises. */
void rota_workers_leave(const rota_loop_t *loop);
/* Frees what is left of them with the loop; their fibers are left to the collector. */
void rota_workers_free(rota_loop_t *loop);

void rota_init_worker(void);

#endif
