/* Tasks: units of work in a tree, run on workers.
 *
 * Life: RUNNABLE (spun, or woken) -> RUNNING -> WAITING (parked) -> ... -> DEAD. When a task's
 * block ends its children are terminated and awaited, then its awaiters are told; the root task and
 * a scope (a part of a task) wait for theirs instead. A failure goes to whoever awaits the task,
 * else it interrupts the parent, once.
 *
 * Tasks of Fiber.schedule run on fibers of their own, which really end. They are the root's in
 * everything but this: no end of a task terminates them, only that of the loop. */
#ifndef ROTA_TASK_H
#define ROTA_TASK_H

#include "runtime/waiters.h"

typedef enum rota_task_state {
    ROTA_TASK_UNBORN, /* its block was not entered yet */
    ROTA_TASK_ALIVE,
    ROTA_TASK_DEAD,
} rota_task_state_t;

/* Something that a task holds and that is given back when it ends: a lock. */
typedef struct rota_held {
    rota_list_t link;                        /* rota_task_t.held */
    VALUE self;                              /* the object that it is a part of */
    void (*release)(struct rota_held *held); /* off the list already; runs no Ruby code */
} rota_held_t;

/* What few tasks have. */
typedef struct rota_task_rest {
    VALUE monitors;        /* Array of what is pushed [task, result] at the end, or nil */
    VALUE supervisors;     /* the same for those that also take the failure off the parent; or nil.
                              Shared with other tasks: replaced, never changed */
    VALUE brood;           /* supervisors of children to come, or nil */
    uint64_t brood_scope;  /* ... of this scope, not of those inside it */
    uint64_t scope_open;   /* the innermost scope that the task is in; 0: none */
    uint64_t scope_ended;  /* while it ends children: those of this one and inside it; 0: all */
    rota_list_t deadlines; /* rota_deadline_t.link: those on other fibers than the task's */
} rota_task_rest_t;

/* A wait for the last child's end. */
typedef struct rota_children_wait {
    rota_park_t *park;
    uint64_t scope; /* ... of this scope */
    bool scheduled; /* ... and the last scheduled one's, too */
} rota_children_wait_t;

struct rota_task {
    rota_loop_t *loop;
    rota_park_t *park;      /* the innermost wait; NULL: running */
    rota_list_t interrupts; /* rota_interrupt_t.link */
    VALUE self;
    rota_task_t *parent;
    rota_list_t children; /* rota_task_t.sibling */
    rota_list_t sibling;
    rota_list_t alive;      /* rota_loop.tasks: what keeps a live task from the collector */
    rota_waiters_t waiters; /* who awaits the end */
    rota_list_t held;       /* rota_held_t.link */

    rota_park_t *birth; /* on the run queue until the task is entered; NULL from then on */
    rota_children_wait_t *children_wait; /* the innermost */
    rota_task_rest_t *rest;              /* NULL: nothing of it yet */

    VALUE block;
    VALUE argument; /* Qundef: none */
    VALUE tag;
    VALUE home;  /* the Task that it was spun by: where a restart of a dead task puts it */
    VALUE fiber; /* nil before the first run and after the end */
    union {
        VALUE storage; /* before the end: the spawner's fiber storage at spin */
        VALUE result;  /* then: the value, or the exception when `failed` */
    };
    uint64_t scope;   /* of the parent's: the one it was spun in. Siblings are in this order */
    uint32_t awaited; /* who awaits it among other tasks */
    uint32_t interjections; /* queued so far: their numbers */
    uint32_t shield : 24;
    uint32_t state : 8;        /* rota_task_state_t */
    uint32_t shielded_at : 24; /* how deep in shields the parent was at the spin */
    bool failed : 1;
    bool graceful : 1;      /* the termination on its way asked to finish what was begun */
    bool waits : 1;         /* waits for its children instead of terminating them: the root */
    bool ends_children : 1; /* they were told to end, and are waited for */
    bool apart : 1;         /* a signal's handler, or a process: in no brood */
};

_Static_assert(sizeof(void *) != 8 || sizeof(struct rota_task) == 232,
               "tasks are many: one more word is 16 bytes of each");

/* For who puts something into it: made at the first use. */
rota_task_rest_t *rota_task_rest(rota_task_t *task);

static inline VALUE rota_task_supervisors(const rota_task_t *task)
{
    return task->rest ? task->rest->supervisors : Qnil;
}

static inline uint64_t rota_task_scope_open(const rota_task_t *task)
{
    return task->rest ? task->rest->scope_open : 0;
}

/* Has nobody raised anything in it? What every look for interrupts asks first. */
static inline bool rota_task_undisturbed(const rota_task_t *task)
{
    return rota_list_empty(&task->interrupts);
}

extern const rb_data_type_t rota_task_type;
extern VALUE rota_cTask;

/* The loop is freed, and its tasks will be. */
void rota_tasks_forsake(rota_loop_t *loop);

/* Runs the block, then waits for the tasks that it spun; left early, it ends them first. The
 * running task's first failure among them is raised in it, which is what ends the others. */
VALUE rota_task_scope(rota_loop_t *loop, VALUE block);

/* A new child of `parent`, queued at the tail. ResourceError when there are too many tasks. */
rota_task_t *rota_task_spin(rota_loop_t *loop, rota_task_t *parent, VALUE tag, VALUE block);

/* A new task of Fiber.schedule, on no queue. Its fiber (the caller makes it, puts it into `fiber`
 * and its birth, and queues that) calls rota_task_run_scheduled. ResourceError as above. */
rota_task_t *rota_task_schedule(rota_loop_t *loop, VALUE block);

/* Runs a task of Fiber.schedule to its end; the fiber must end next. Raises nothing; only a kill or
 * throw goes on through it. */
void rota_task_run_scheduled(rota_task_t *task);

/* The loop makes no more tasks: memory that it keeps for them is for others. Any thread. */
void rota_tasks_leave(rota_loop_t *loop);

/* The task that stands for the running fiber at the top of a loop. */
rota_task_t *rota_task_root(rota_loop_t *loop);

/* Runs a task on the calling worker to its end. Raises nothing; gives the state of a kill or throw
 * that is to go on now that the task has ended. */
int rota_task_run(rota_loop_t *loop, rota_task_t *task);

/* Runs the root task's block in the calling fiber, waits for its children, ends the task. The
 * value, or the exception is raised. */
VALUE rota_task_run_root(rota_task_t *task, VALUE block);

/* Ends the root task of a script at the end of its main fiber: children are terminated. Their
 * failure, which nobody else will hear of, or nil. */
VALUE rota_task_finish_root(rota_task_t *task);

/* Waits until every scheduled task (`all`: and every task below the root) has ended. Interrupts are
 * raised. */
void rota_task_run_out(rota_task_t *root, bool all);

/* The same at the end of a loop outside Rota.run, and then ends the root task. `dying`, or an
 * interrupt of the wait, terminates whoever is left; the exception is raised when they have ended.
 */
void rota_task_close_root(rota_task_t *root, bool dying);

/* Ends a task whose block was never entered: with nil, or with an exception (nil: none). Gives the
 * state of a kill. */
int rota_task_end_unborn(rota_task_t *task, VALUE exception);

/* The task behind a Rota::Task. */
rota_task_t *rota_task_get(VALUE self);

/* Parks the running task until `task` is dead. True, or false when `deadline_ns` came first
 * (UINT64_MAX: none). Interrupts are raised. Without a loop the thread sleeps. */
bool rota_task_join(rota_loop_t *loop, rota_task_t *task, uint64_t deadline_ns);

/* The value of a dead task, or raises what it failed with. */
VALUE rota_task_result(const rota_task_t *task);

/* A failure of `child` that is on its way to `parent` is taken off it: an await of the child raises
 * it instead, and only there. */
void rota_task_take_failure(rota_task_t *parent, const rota_task_t *child);

/* Raises in the task at its next switchpoint; a task that was not entered yet never is. */
void rota_task_interrupt(rota_task_t *task, VALUE exception);

/* Does who watches over all children of the parent watch over this one? */
bool rota_task_in_brood(const rota_task_t *parent, const rota_task_t *child);

/* Adds a supervisor, or takes it away; harmless for one that it has already, or never had. */
void rota_task_supervise(rota_task_t *task, VALUE supervisor);
void rota_task_release(rota_task_t *task, VALUE supervisor);

/* If the parent has told its children to end, this new one is told, too. */
void rota_task_join_ending(rota_task_t *task);

/* Makes `parent` the task's parent. Both alive, of one loop, and no cycle. */
void rota_task_attach(rota_task_t *task, rota_task_t *parent);

/* Runs a dead task's block again, with `argument`, as a child of who spun it (of the root
 * if that is dead, or ends its children). Rota::Error when the root ends them as well. */
void rota_task_revive(rota_task_t *task, VALUE argument);

/* Waits until all `tasks` are dead or one has failed, with one wake-up. Interrupts are raised.
 * Without a loop the thread sleeps. */
void rota_tasks_join(rota_loop_t *loop, VALUE tasks);

void rota_init_task(VALUE module);

#endif
