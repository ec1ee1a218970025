#include "wake.h"

#include <sys/eventfd.h>
#include <unistd.h>

int rota_wake_open(rota_wake_t *wake)
{
    atomic_init(&wake->state, ROTA_WAKE_AWAKE);
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
    int expected = ROTA_WAKE_AWAKE;
    bool sleeps = atomic_compare_exchange_strong(&wake->state, &expected, ROTA_WAKE_SLEEPING);
    assert(sleeps || expected == ROTA_WAKE_NOTIFIED);
    return sleeps;
}

bool rota_wake_finish(rota_wake_t *wake)
{
    return atomic_exchange(&wake->state, ROTA_WAKE_AWAKE) == ROTA_WAKE_NOTIFIED;
}

void rota_wake_up(rota_wake_t *wake)
{
    if (atomic_exchange(&wake->state, ROTA_WAKE_NOTIFIED) != ROTA_WAKE_SLEEPING) return;
    int saved = errno;
    uint64_t one = 1;
    /* EAGAIN would mean a counter of 2^64 - 2: the loop is as awake as it can be. */
    ssize_t written = write(wake->fd, &one, sizeof one);
    (void)written;
    atomic_fetch_add(&wake->writes, 1);
    errno = saved;
}
