/* A line of waiters, first come first served, with hand-over: what is waited for (a lock, an item,
 * an end) is given to the first of them at the wake-up, so it is never up for grabs in between.
 * What the gates of streams, the ends of tasks and all of sync/ are made of.
 *
 * A waiter that was given something keeps it, also when an interrupt came in the same turn: the
 * interrupt then stays for its next switchpoint. Only a fiber that unwinds (kill, throw) refuses.
 *
 * Works between tasks of one thread without a system call, and across threads (the GVL orders them)
 * with one wake-up per burst. A thread without a loop may wait too; it sleeps natively. */
#ifndef ROTA_WAITERS_H
#define ROTA_WAITERS_H

#include "runtime/loop.h"

typedef struct rota_waiters {
    rota_list_t line;         /* rota_waiter_t.link, on the stacks of those who wait */
    uint32_t fork_generation; /* after a fork the line is that of tasks that do not exist here */
    uint32_t natives;         /* rota_waiters_natives */
} rota_waiters_t;

typedef struct rota_waiter rota_waiter_t;

struct rota_waiter {
    rota_list_t link;
    const struct rota_waiting *waiting; /* NULL: joined */
    rota_park_t *park;                  /* NULL: a native thread, or one that makes its loop */
    VALUE thread;                       /* ... the native one */
    VALUE value;                        /* what was handed over */
    bool granted;
    bool looks; /* it will call its `look` once more, if it is first in line then */
    /* For those who wait in several lines at once. Called when it is this waiter's turn, off the
     * line: true takes the value, and the waiter is woken unless it took `park` away; false
     * declines, and the next in line is asked. NULL: takes it. Runs no Ruby code. */
    bool (*offer)(rota_waiter_t *waiter, VALUE value);
};

typedef struct rota_waiting {
    const char *what;     /* for reports */
    int detail;           /* -1: none */
    uint64_t deadline_ns; /* UINT64_MAX: none */
    /* The fiber unwinds with what it was given in its hands; it must not be lost. May be NULL. */
    void (*refuse)(void *data, VALUE value);
    void *data; /* the waiter's own: for refuse, and for who looks at the first in line */
    /* For what may happen without a word to those in line. Called every so often while this one
     * waits, in its task, or its thread: it may hand over, to whoever is first. Where the first in
     * line looks, the others need not, and are not woken for it. False: there is no more to look
     * for. May raise. NULL: it is not looked. Only in a wait without a deadline. */
    bool (*look)(void *data);
} rota_waiting_t;

void rota_waiters_init(rota_waiters_t *waiters);
bool rota_waiters_empty(rota_waiters_t *waiters);
uint32_t rota_waiters_count(rota_waiters_t *waiters);
/* Threads without a loop that wait, or have not yet gone on with what they were handed. */
uint32_t rota_waiters_natives(rota_waiters_t *waiters);

/* Waits in line. True: something was handed over, and is in *value. False: the deadline came first.
 * Raises the task's interrupts; nothing was handed over then. The loop is that of rota_switchpoint:
 * who waits meets one first, and only then looks whether there is something to wait for, because
 * an interjection may have run in it for long. */
bool rota_waiters_wait_in(rota_loop_t *loop, rota_waiters_t *waiters, const rota_waiting_t *waiting,
                          VALUE *value);

/* Raises the task's interrupts, if there is a loop and a task. The loop, or NULL. */
rota_loop_t *rota_switchpoint(void);

/* The same for a wait that may be over at once, again and again: every so many times it gives way
 * first. Before anything is taken, for it may be interrupted. */
rota_loop_t *rota_fair_switchpoint(void);

/* Stands a waiter in line without parking: for those who wait in several lines. */
void rota_waiters_join(rota_waiters_t *waiters, rota_waiter_t *waiter);

/* What the first in line waits with; NULL when nobody waits, or one who joined. */
const rota_waiting_t *rota_waiters_first(rota_waiters_t *waiters);

/* Hands `value` to the first in line. False when nobody waits. */
bool rota_waiters_grant(rota_waiters_t *waiters, VALUE value);
/* ... to all of them; how many. */
uint32_t rota_waiters_grant_all(rota_waiters_t *waiters, VALUE value);

#endif
