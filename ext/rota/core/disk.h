/* What is done with files, as system calls: what can be had at once, and what has to wait for a
 * disk.
 *
 * Measured on ext4 and tmpfs (Linux 6.18): whatever the page cache and the cache of names answer
 * costs 1.5 to 10 times less as a call than as an entry, because the kernel gives such entries to a
 * worker (all that changes a directory, statx, a buffered write). What frees blocks of a disk takes
 * milliseconds, and belongs to the worker. */
#ifndef ROTA_DISK_H
#define ROTA_DISK_H

#include "op.h"

/* Up to so many bytes are written at once; more is copied by a worker, beside the loop. */
#define ROTA_DISK_LITTLE (64u << 10)

/* Is it a kind that only files know? Transfers are not among them. */
static inline bool rota_disk_serves(const rota_op_t *op)
{
    return op->kind == ROTA_OP_FSYNC ||
           (op->kind >= ROTA_OP_FALLOCATE && op->kind <= ROTA_OP_SETXATTR);
}

/* Such an op, or a transfer at a position: a result or -errno; ROTA_ATTEMPT_BLOCKS when it would
 * wait for a disk, or nothing tells whether it would, and nothing was done. */
int32_t rota_disk_attempt(const rota_op_t *op);

/* Reads at the descriptor's own position, which nothing else may be using: bytes, 0 at the end, or
 * ROTA_ATTEMPT_BLOCKS, also for an error. Not for O_DIRECT. */
int32_t rota_disk_read_ahead(int fd, void *memory, uint32_t length);

/* Writes there: bytes, -errno, or ROTA_ATTEMPT_BLOCKS. */
int32_t rota_disk_write(int fd, const void *memory, size_t length);

/* Such an op as a call that may block. */
int32_t rota_disk_perform(const rota_op_t *op);

#endif
