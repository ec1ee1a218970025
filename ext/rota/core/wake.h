/* Waking a loop that sleeps in the kernel, from another thread or a signal handler: an eventfd,
 * and a flag so that it is written only when the loop really sleeps and only once per burst.
 *
 * The owner: rota_wake_prepare; look at what others may have left; sleep in the kernel if there is
 * nothing; rota_wake_finish. The others: leave their message, then rota_wake_up. Both sides are
 * sequentially consistent, so one of them always sees the other: no wake-up is lost. */
#ifndef ROTA_WAKE_H
#define ROTA_WAKE_H

#include "base.h"

#include <stdatomic.h>

/* AWAKE -> SLEEPING by the owner alone; anything -> NOTIFIED by anyone; anything -> AWAKE by the
 * owner alone. Who makes it NOTIFIED out of SLEEPING writes the eventfd, so a burst of wake-ups
 * costs one write, and none while the loop is awake. A writer that is late (the loop woke for
 * another reason meanwhile) costs one needless round, never a lost wake-up. */
enum { ROTA_WAKE_AWAKE, ROTA_WAKE_SLEEPING, ROTA_WAKE_NOTIFIED };

typedef struct rota_wake {
    int fd;             /* eventfd, CLOEXEC and non-blocking; -1 when closed */
    atomic_int state;   /* one of the above */
    atomic_uint writes; /* system calls made to wake, for stats */
} rota_wake_t;

/* 0 or -errno. */
int rota_wake_open(rota_wake_t *wake);
void rota_wake_close(rota_wake_t *wake);

/* Owner: from here on a rota_wake_up writes the eventfd. False when a wake-up came since the last
 * finish: do not sleep, but still call finish. */
bool rota_wake_prepare(rota_wake_t *wake);

/* Owner: awake again. True when somebody called rota_wake_up since the last finish. */
bool rota_wake_finish(rota_wake_t *wake);

/* Does the owner sleep, or is it about to, and has nobody told it yet? */
static inline bool rota_wake_needed(const rota_wake_t *wake)
{
    return atomic_load(&wake->state) == ROTA_WAKE_SLEEPING;
}

/* Anyone, also in a signal handler. */
void rota_wake_up(rota_wake_t *wake);

#endif
