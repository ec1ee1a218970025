/* Ownership with hand-over: what Mutex and Monitor are made of, and what a condition variable gives
 * up while it waits.
 *
 * The owner is the running task, whichever of its fibers runs; or the thread, where it has no loop.
 * A lock is handed to the first in line at the moment it is left: it is never free between two
 * waiters, so nobody overtakes. What a task still holds at its end is released. */
#ifndef ROTA_LOCK_H
#define ROTA_LOCK_H

#include "runtime/task.h"

typedef struct rota_lock {
    rota_held_t held; /* on the owner's list while a task owns the lock */
    rota_waiters_t waiters;
    VALUE owner;    /* a Task or Thread; Qfalse: free; Qundef: on its way to a waiter */
    uint32_t depth; /* how often the owner entered: more than once only a monitor */
    uint32_t fork_generation;
} rota_lock_t;

/* What a Rota::Mutex and a Rota::Monitor are to Ruby: each holds a lock. */
extern const rb_data_type_t rota_mutex_type, rota_monitor_type;

/* A new one that nobody owns, of one of these types. */
VALUE rota_lock_alloc(VALUE klass, const rb_data_type_t *type);

/* The lock in a Rota::Mutex or Rota::Monitor. TypeError for anything else. */
rota_lock_t *rota_lock_get(VALUE object);

bool rota_lock_taken(rota_lock_t *lock);
/* Is the running task the owner? */
bool rota_lock_owned(rota_lock_t *lock);

/* Takes a free lock. False when somebody has it, be it the caller. `self` is the lock's object. */
bool rota_lock_try(rota_lock_t *lock, VALUE self);

/* Waits for a lock that the caller does not own. Raises interrupts; it is not taken then. */
void rota_lock_enter(rota_lock_t *lock, VALUE self);

/* The owner leaves the lock, however often it entered: the next in line has it. */
void rota_lock_leave(rota_lock_t *lock);

/* In the ensure of a block that owned the lock: did a deadlock leave it in the middle of a wait
 * that had given the lock up, so that there is nothing to leave? */
bool rota_lock_lost(rota_lock_t *lock);

/* Raises what MRI's Mutex#unlock raises for a lock that is not the caller's. */
void rota_lock_require_owned(rota_lock_t *lock);

/* Leaves the lock, calls `wait(arg)`, takes the lock again in the same depth whatever happened, and
 * only then lets an exception go on. The value of the wait. Only a deadlock goes on without the
 * lock: one in which nobody will ever leave it. */
VALUE rota_lock_without(rota_lock_t *lock, VALUE self, VALUE (*wait)(VALUE), VALUE arg);

#endif
