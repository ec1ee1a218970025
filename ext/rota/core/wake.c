#include "wake.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* AWAKE -> SLEEPING by the owner alone; anything -> NOTIFIED by anyone; anything -> AWAKE by the
 * owner alone. Who makes it NOTIFIED out of SLEEPING writes the eventfd, so a burst of wake-ups
 * costs one write, and none while the loop is awake. A writer that is late (the loop woke for
 * another reason meanwhile) costs one needless round, never a lost wake-up. */
enum { AWAKE, SLEEPING, NOTIFIED };

int rota_wake_open(rota_wake_t *wake)
{
    atomic_init(&wake->state, AWAKE);
    atomic_init(&wake->writes, 0);
    wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wake->fd < 0 ? -errno : 0;
}

void rota_wake_close(rota_wake_t *wake)
{
    if (wake->fd >= 0) close(wake->fd);
    wake->fd = -1;
}

bool rota_wake_prepare(rota_wake_t *wake)
{
    int expected = AWAKE;
    bool sleeps = atomic_compare_exchange_strong(&wake->state, &expected, SLEEPING);
    assert(sleeps || expected == NOTIFIED);
    return sleeps;
}

bool rota_wake_finish(rota_wake_t *wake)
{
    return atomic_exchange(&wake->state, AWAKE) == NOTIFIED;
}

void rota_wake_up(rota_wake_t *wake)
{
    if (atomic_exchange(&wake->state, NOTIFIED) != SLEEPING) return;
    int saved = errno;
    uint64_t one = 1;
    /* EAGAIN would mean a counter of 2^64 - 2: the loop is as awake as it can be. */
    ssize_t written = write(wake->fd, &one, sizeof one);
    (void)written;
    atomic_fetch_add(&wake->writes, 1);
    errno = saved;
}
