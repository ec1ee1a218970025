/* An op as a system call that does not block. O_NONBLOCK is neither needed nor changed, but for
 * listening sockets: it belongs to the open file, which other processes share. */
#ifndef ROTA_ATTEMPT_H
#define ROTA_ATTEMPT_H

#include "op.h"

/* What an attempt says besides a result or -errno. No result is as small. */
enum {
    ROTA_ATTEMPT_WAIT = INT32_MIN, /* not now: wait for rota_attempt_events, and try again */
    ROTA_ATTEMPT_BLOCKS,           /* cannot be asked not to block: a helper's */
};

/* A terminal that was reported writable takes so many bytes without blocking: the other end of a
 * pair always has a whole page for them. */
enum { ROTA_TERMINAL_PIECE = 1024 };

/* Every kind but CLOSE, WAITID and the multishot ones. `woken`: the descriptor was just reported
 * ready. What a SEND or RECV with MSG_WAITALL has moved so far is kept in op->result. */
int32_t rota_attempt(rota_op_t *op, bool woken);

/* A READ or RECV without asking first whether it is ready, and by its descriptor, for `fd` may be a
 * slot: bytes, or -errno. ROTA_ATTEMPT_WAIT also for what cannot be tried so: a file that knows no
 * RWF_NOWAIT, what was taken for a socket and is none. */
int32_t rota_attempt_read(const rota_op_t *op);

/* 0, or -EBADF for an op whose descriptor was not opened for it: it would never be ready. Asked
 * once per file. */
int32_t rota_attempt_may_wait(const rota_op_t *op);

/* The readiness that lets the op go on, in epoll's and poll's common bits. */
uint32_t rota_attempt_events(const rota_op_t *op);

/* One connection, or -errno, or ROTA_ATTEMPT_WAIT. */
int32_t rota_attempt_accept(const rota_op_t *op);

/* One receive into `memory`; -errno, or ROTA_ATTEMPT_WAIT. */
int32_t rota_attempt_receive(const rota_op_t *op, void *memory, uint32_t room);

/* A multishot op begins: ROTA_ATTEMPT_WAIT, or -errno for what can be neither received nor accepted
 * from. Takes nothing. */
int32_t rota_attempt_multishot(const rota_op_t *op);

/* SPLICE and TEE, or one end of them that is not ready: what is at hand, -EAGAIN, or -errno. Blocks
 * only for storage. */
int32_t rota_attempt_splice(const rota_op_t *op);

/* Which end of them is not ready, and what for: a descriptor, and POLLIN or POLLOUT. */
int rota_attempt_unready_end(const rota_op_t *op, uint32_t *events);

/* A file that is always ready and may block all the same. */
bool rota_attempt_is_storage(int fd);

/* The same op as a call that may block: for a helper, with a copy of the op. */
int32_t rota_attempt_blocking(const rota_op_t *op);

#endif
