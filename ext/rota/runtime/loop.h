/* The per-thread runtime: one engine, one run queue, one heap of timers, the tasks. All mutable
 * state of Rota hangs off a loop; the only globals are ids, classes and type tables.
 *
 * A loop belongs to one thread. Other Ruby threads may wake tasks of it while they hold the GVL
 * (the loop touches its lists only with the GVL held); they end with rota_loop_notify. */
#ifndef ROTA_LOOP_H
#define ROTA_LOOP_H

#include "core/engine.h"
#include "core/fork.h"
#include "core/heap.h"
#include "runtime/budget.h"
#include "runtime/park.h"
#include "runtime/reserve.h"

#include <stdatomic.h>

typedef struct rota_loop_stats {
    uint64_t turns;    /* passes with nothing ready: looked at the kernel or waited */
    uint64_t polls;    /* looks at the kernel while tasks were ready (fairness) */
    uint64_t switches; /* fibers entered */
    uint64_t spins;    /* tasks made */
    uint64_t timers_fired;
    uint64_t visits;       /* fibers that entered a parked one from outside */
    uint64_t workers_made; /* fibers created for tasks */
    uint64_t retired;      /* ... given up, because a task left something on them */
    uint64_t busy_waits;   /* times that the engine was looked at again and again before a sleep */
    uint64_t busy_waits_in_vain; /* ... and brought nothing */
} rota_loop_stats_t;

/* Something that receives into provided buffers. */
typedef struct rota_receiver {
    rota_list_t holding; /* on rota_loop.holding while it holds pieces of provided buffers */
    rota_list_t starved; /* on rota_loop.starved while it waits for buffers to come back */
    const struct rota_receiver_kind *kind;
} rota_receiver_t;

/* Both calls run in a turn, without Ruby code. */
typedef struct rota_receiver_kind {
    /* Buffers run low: copy out what you hold. False when memory is out, and some are held still.
     */
    bool (*relieve)(rota_receiver_t *receiver);
    void (*rearm)(rota_receiver_t *receiver); /* buffers are back: receive again */
} rota_receiver_kind_t;

void rota_receiver_init(rota_receiver_t *receiver, const rota_receiver_kind_t *kind);

typedef struct rota_spare_task {
    struct rota_spare_task *next;
} rota_spare_task_t;

/* An IO that is registered; Qfalse: none. */
typedef struct rota_numbered {
    VALUE io;
    int slot;
    rota_file_hint_t hint;
} rota_numbered_t;

struct rota_loop {
    rota_engine_t *engine;  /* NULL: closed */
    char why_not_ring[256]; /* empty: the engine is io_uring's */
    VALUE self;
    VALUE thread;
    uint32_t fork_generation;
    rota_fork_guard_t guard;

    rota_list_t ready; /* rota_park_t.ready: who can run, first come first served */
    rota_heap_t timers;
    rota_task_t *current; /* set by dispatch, captured by park; NULL: a fiber just ended */
    VALUE current_fiber;  /* the fiber that the last dispatch entered */
    rota_task_t *root;
    rota_list_t tasks;     /* rota_task_t.alive: roots for the collector, lines of a report */
    rota_list_t scheduled; /* rota_task_t.sibling: the root's children that structure never ends */
    rota_spare_task_t *spare_tasks; /* memory for tasks to come; task.c */
    rota_park_t *births;            /* ... and for their births, by `outer` */
    uint32_t births_kept;
    rota_reserve_t interrupts; /* memory for those of its tasks; interrupt.c */
    rota_reserve_t visitors;   /* ... and for fibers that entered a parked one; park.c */
    uint32_t tasks_alive;
    rota_budget_t budget;
    uint64_t scopes;         /* opened so far: their numbers */
    uint32_t endless_sleeps; /* parked without end on purpose: never a deadlock */
    uint32_t looks;          /* armed timers that only have something looked at (rota_waiting_t) */

    VALUE worker_body;           /* what their fibers run: a Proc */
    rota_list_t workers;         /* rota_worker_t.all */
    rota_list_t newborn_workers; /* ... of those whose fibers were not entered yet */
    rota_list_t idle_workers;    /* rota_worker_t.idle, last in first out */
    uint32_t idle_count;

    rota_list_t descriptors;   /* rota_descriptor_t.link: open, and closed when the loop is */
    rota_list_t orphans;       /* descriptors whose object was collected while open */
    rota_list_t buffers;       /* rota_memory_t.link: registered */
    rota_list_t remains;       /* memory of registered buffers that were collected */
    rota_list_t holding;       /* rota_receiver_t.holding */
    rota_list_t starved;       /* rota_receiver_t.starved */
    VALUE registered;          /* registered.c's Hash; nil: none */
    rota_numbered_t *numbered; /* ... and the same by descriptor number */
    uint32_t numbered_room;
    VALUE leftovers; /* leftover.c's Hash; nil: none */
    VALUE scheduler; /* the Rota::Scheduler that works on it, or nil */

    /* the turn's memory between passes */
    uint32_t switches_since_poll;
    uint32_t clock_due;       /* after so many the clock is asked how long that was */
    uint64_t polled_until_ns; /* when the last look at the kernel was over */
    uint64_t polled_at_ns;    /* when it began, by the coarse clock */
    uint64_t looked_at_ns;    /* the same, of the last look at the thread's interrupts */
    uint32_t direct_in_a_row; /* system calls made at once since the last entry */
    uint64_t row_since_ns;    /* when the fourth of them was made */
    rota_list_t held;         /* ops that held.c holds back (rota_op_t.link), oldest first */
    rota_list_t outgoing;     /* ... and those that wait for the next enter */
    uint8_t passed_over;      /* looks at the kernel that they had no part in */
    bool slow_before;         /* the last look was due by the clock, not by the count of switches */
    uint8_t untried;          /* so many of the next are not worth a try */
    uint8_t doubt;            /* how often in a row it was in vain */
    int32_t in_vain;          /* of those tried since: so many more than not */
    bool wait_was_short;      /* the last wait returned within some 150 microseconds */
    bool crowded;             /* the last waits were ended by many: nobody is waited for */
    uint8_t waits_counted;    /* since it was found out */
    uint64_t ended_by;        /* a bit for each whose ops ended them, by the op's index */
    uint8_t spin_doubt;       /* the last so many spins were in vain */
    uint8_t unspun;           /* waits to come that go without one */
    bool look_wanted;         /* the root task shall look at the thread's interrupts */
    bool looking;             /* ... and is inside that look now */
    bool script;              /* the root task is the thread's own fiber, outside Rota.run */
    bool closing;
    uint64_t idle_since_ns; /* when a deadlock was first seen with something else alive; 0: not */

    rota_loop_stats_t stats;
};

extern const rb_data_type_t rota_loop_type;
extern VALUE rota_cLoop;

/* Which loop is a thread's, without a look at the thread's variables. A thread-local would be
 * another thread's under M:N threads, and to find one costs a call in a shared object; so the cells
 * are everybody's, and each says of which thread it speaks.
 *
 * A thread looks for its own name only, and nobody else writes that: who finds it before and after
 * reading the loop has read its own, whoever else uses the cell meanwhile. A loop that is closed or
 * freed, and a parent's in a forked child, is forgotten at once. */
typedef struct rota_loop_cell {
    _Atomic(VALUE) thread; /* Qfalse: none */
    _Atomic(rota_loop_t *) loop;
} rota_loop_cell_t;

#define ROTA_LOOP_CELLS 64 /* threads of the same one take turns, and are slower for it */

extern rota_loop_cell_t rota_loop_cells[ROTA_LOOP_CELLS];

static inline rota_loop_cell_t *rota_loop_cell(VALUE thread)
{
    return &rota_loop_cells[thread / sizeof(VALUE) % ROTA_LOOP_CELLS];
}

/* ... which may be there although no cell says so. */
rota_loop_t *rota_loop_look_up(VALUE thread);

/* This thread's open loop, or NULL. 3 ns. */
static inline rota_loop_t *rota_loop_current(void)
{
    VALUE thread = rb_thread_current();
    rota_loop_cell_t *cell = rota_loop_cell(thread);
    if (ROTA_LIKELY(atomic_load_explicit(&cell->thread, memory_order_acquire) == thread)) {
        rota_loop_t *loop = atomic_load_explicit(&cell->loop, memory_order_acquire);
        if (ROTA_LIKELY(atomic_load_explicit(&cell->thread, memory_order_relaxed) == thread))
            return loop;
    }
    return rota_loop_look_up(thread);
}

/* That of any thread. */
rota_loop_t *rota_loop_of(VALUE thread);

rota_loop_t *rota_loop_make_sure(rota_loop_t *loop);

/* This thread's loop with a task running on it; on the main thread it is made at the first use.
 * Elsewhere outside Rota.run: Rota::Error. */
static inline rota_loop_t *rota_loop_demand(void)
{
    rota_loop_t *loop = rota_loop_current();
    return ROTA_LIKELY(loop && loop->current) ? loop : rota_loop_make_sure(loop);
}

/* Between two tasks of a worker no task runs, but a trap handler or a finalizer may: it belongs to
 * the root task. Called before whatever may let one run there. */
void rota_loop_stand_in(rota_loop_t *loop);

/* Makes a loop for this thread, which has none, outside Rota.run: the running fiber is its root
 * task. Whoever calls this ends it. */
rota_loop_t *rota_loop_open_bare(void);

/* The loop behind a Rota::Loop whose verb was called: open, of this thread, of this process.
 * IOError or Rota::Error otherwise. */
rota_loop_t *rota_loop_get(VALUE self);

/* Any thread that holds the GVL: makes the loop look at its run queue if it sleeps. One that is
 * awake looks there before it sleeps, without giving the GVL away in between. */
static inline void rota_loop_notify(rota_loop_t *loop)
{
    if (loop->engine && ROTA_UNLIKELY(rota_wake_needed(&loop->engine->wake)))
        rota_wake_up(&loop->engine->wake);
}

/* Is this a forked child, and the loop its parent's? */
static inline bool rota_loop_left_behind(const rota_loop_t *loop)
{
    return loop->fork_generation != rota_fork_generation;
}

/* Cancels and drains what is in flight, then frees the engine; what the kernel does not give back
 * within the grace period is leaked and reported. Parks nobody. */
void rota_loop_close(rota_loop_t *loop);

/* Arms a timer: NoMemoryError when the heap cannot grow. */
void rota_loop_arm(rota_loop_t *loop, rota_timer_t *timer, uint64_t deadline_ns);

/* Seconds as Kernel#sleep takes them: a number stays, what has divmod (ActiveSupport's durations)
 * becomes one. TypeError for anything else. */
VALUE rota_seconds_number(VALUE seconds);

/* ... which raises ArgumentError for less than none, as core does. */
VALUE rota_seconds_not_negative(VALUE seconds);

/* Seconds as Ruby gives them to nanoseconds from now, clamped; negative is 0. ArgumentError or
 * TypeError for what is no number of seconds. */
uint64_t rota_seconds_to_ns(VALUE seconds);

void rota_init_loop(VALUE module);

#endif
