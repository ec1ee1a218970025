/* Which writes leave without being copied, and what is learned from it: the one place.
 *
 * The kernel then reads the memory until the peer has acknowledged the bytes, long after the write
 * has its result. So the memory is a frozen String's that shares its bytes with the caller's: who
 * modifies that one gets other memory, and nothing stays locked. Pinning pages and the notification
 * cost more than a small copy, and to loopback the kernel copies all the same: sending 4, 16, 64
 * and 256 KiB there took 2.6, 3.1, 7.5 and 22.8 us with a copy, and 3.4, 4.5, 10.8 and 35.7
 * without. Each notification says whether the kernel copied; a connection on which it did goes
 * back. */
#ifndef ROTA_ZERO_COPY_H
#define ROTA_ZERO_COPY_H

#include "runtime/await.h"
#include "runtime/descriptor.h"

/* Is a write of so many bytes to this io better not copied? Only for streams: who has no place to
 * remember what was learned had better not try. */
bool rota_zero_copy_pays(rota_loop_t *loop, VALUE io, size_t length);

/* For rota_wait_t.sent: learns from the notification, now or when it comes. */
void rota_zero_copy_sent(rota_op_t *op, VALUE io);

/* The kernel refused: not on this connection. True when `result` says so. */
bool rota_zero_copy_refused(VALUE io, int32_t result);

#endif
