/* What a hook does when it cannot park: it blocks the thread, without asking any scheduler. */
#ifndef ROTA_NATIVE_H
#define ROTA_NATIVE_H

#include "runtime/shim.h"

#include <stdbool.h>
#include <stdint.h>

/* Sleeps until the deadline (UINT64_MAX: until something wakes the thread). */
void rota_native_sleep(uint64_t deadline_ns);

/* poll(2) without the GVL: the ready mask, 0 when the deadline came first, or -errno. */
int rota_native_poll(int fd, short events, uint64_t deadline_ns);

#endif
