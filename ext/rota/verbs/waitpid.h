/* Loop#waitpid, and how a child is waited for without taking its status. */
#ifndef ROTA_WAITPID_H
#define ROTA_WAITPID_H

#include "runtime/loop.h"

/* Returns when waitpid(pid, flags | WNOHANG) may have something to say: a status, or that there is
 * no such child. Takes no status itself, so an interrupt, which it raises, loses none. Without a
 * loop it blocks the thread. */
void rota_waitpid_await(rota_loop_t *loop, pid_t pid, int flags, const char *verb);

void rota_init_waitpid(VALUE loop_class);

#endif
