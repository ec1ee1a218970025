/* The run queue and the one way to stop: a park.
 *
 * A park is a record of one particular wait, on the C stack of the fiber that waits (or, of a task
 * or a worker that was not entered yet, in memory from malloc until it is). Whoever waits:
 * rota_park_begin; register the record with what shall wake it (an op, a timer, a waiter list);
 * rota_park_wait, again and again until the thing waited for is there; take it off what it was
 * registered with; rota_park_end. Nothing between begin and end may raise, so a record never
 * outlives its frame, and because a wake names a record, a stale, double or late wake-up cannot
 * resume a later wait.
 *
 * Parks nest: trap handlers and finalizers run inside our own switches and may park again. Only
 * the innermost park of a task (task->park) is ever on the run queue; a wake of an outer one is
 * remembered in it (`woken`) and acted on when the inner one ends.
 *
 * There is no hub fiber: whoever parks runs the loop until somebody else can run. */
#ifndef ROTA_PARK_H
#define ROTA_PARK_H

#include "core/list.h"
#include "runtime/shim.h"

typedef struct rota_loop rota_loop_t;
typedef struct rota_task rota_task_t;
typedef struct rota_worker rota_worker_t;

/* What a wake-up and a switch touch comes first: it is the sleeper's memory, and cold. */
typedef struct rota_park {
    rota_list_t ready;       /* on the loop's run queue when woken and innermost */
    rota_task_t *task;       /* NULL: an idle worker, or a fiber that entered a parked one */
    rota_worker_t *worker;   /* an idle worker's park: it takes unborn tasks */
    VALUE fiber;             /* the fiber to enter; Qfalse: a task that was not born yet */
    struct rota_park *outer; /* the wait that this one is nested in */
    int jump;                /* state of a kill or throw that surfaced here */
    bool woken;
    bool dispatched;   /* somebody entered the fiber on behalf of this record */
    bool shielded;     /* interrupts wait until this park has ended */
    bool looks;        /* dispatched to look at the thread's interrupts */
    bool visitor;      /* allocated for a fiber that entered a parked one; freed on dispatch */
    bool schedulable;  /* Task#schedule may wake it */
    bool endless;      /* a sleep without end: never a deadlock */
    int detail;        /* the descriptor that is waited for; -1: none */
    const char *what;  /* what for, for reports; static text */
    uint64_t since_ns; /* when the wait began, to the last kernel tick */
    VALUE value;       /* what a schedule brought */
} rota_park_t;

typedef enum rota_park_result {
    ROTA_PARK_WOKEN,       /* woken by what it was registered with */
    ROTA_PARK_INTERRUPTED, /* the task has interrupts to take (never when shielded) */
    ROTA_PARK_JUMP,        /* a kill or throw surfaced: clean up, then rb_jump_tag(park->jump) */
} rota_park_result_t;

/* Makes `park` the innermost wait of the running task. */
void rota_park_begin(rota_loop_t *loop, rota_park_t *park, const char *what, int detail);
/* The same for who can go on at once and only lets others go first: woken, on the run queue, and no
 * clock was asked for it. */
void rota_park_begin_ready(rota_loop_t *loop, rota_park_t *park, const char *what);
void rota_park_end(rota_loop_t *loop, rota_park_t *park);

/* Gives control away until the record is woken (or interrupted). Never raises. May be called again
 * for the same record. */
rota_park_result_t rota_park_wait(rota_loop_t *loop, rota_park_t *park);

/* The same for a record that was woken already: everybody who became ready before it goes first. */
rota_park_result_t rota_park_yield(rota_loop_t *loop, rota_park_t *park);

/* Enters `first`, the record of a fiber that has never run, from a record that was woken already.
 * Gives the state of a jump that surfaced instead, for the caller to sort out. */
int rota_park_start(rota_loop_t *loop, rota_park_t *park, rota_park_t *first);

/* Marks the record woken and, if it is its task's innermost, makes the task ready. Runs no Ruby
 * code; harmless when already woken. Only with the GVL of the loop's thread. */
void rota_park_wake(rota_loop_t *loop, rota_park_t *park);
/* The same at the head of the run queue. */
void rota_park_wake_first(rota_loop_t *loop, rota_park_t *park);

/* Makes a parked task ready to find its interrupts, without waking the record. */
void rota_park_interrupt(rota_loop_t *loop, rota_park_t *park);

/* Lets what was raised in the thread surface, on the fiber of `park`: exceptions become the root
 * task's interrupts, a kill or throw is noted in the park. Trap handlers run inside. */
void rota_park_look(rota_loop_t *loop, rota_park_t *park);

/* The running fiber is about to end, its task has ended. Ruby continues the thread's first fiber,
 * or what that one resumes: it is parked here, or else it entered the ending one itself and must be
 * found as it was. */
void rota_park_leave(rota_loop_t *loop);

/* Has the wait ended, or is there something to do inside of it (which there may be inside a look,
 * where nobody queues who runs already)? */
bool rota_park_is_over(const rota_park_t *park);

/* Continues a kill or throw that surfaced in a park, after `settle(arg)` (which may park) has run
 * under rb_ensure. Does not return. */
RBIMPL_ATTR_NORETURN()
void rota_park_continue_jump(int jump, VALUE (*settle)(VALUE), VALUE arg);

#endif
