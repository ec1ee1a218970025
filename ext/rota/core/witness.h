/* What valgrind does not see by itself: that the kernel wrote into the memory of a request. Empty
 * without --enable-valgrind. Every kind whose completion means that memory was written stands here.
 */
#ifndef ROTA_WITNESS_H
#define ROTA_WITNESS_H

#include "names.h"
#include "op.h"

#ifdef ROTA_VALGRIND

#include <sys/socket.h>
#include <sys/uio.h>
#include <valgrind/memcheck.h>

static inline void rota_witness_bytes(const void *memory, size_t length)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(memory, length);
}

static inline void rota_witness_vector(const struct iovec *vector, size_t count, size_t length)
{
    for (size_t i = 0; i < count && length > 0; i++) {
        size_t part = vector[i].iov_len < length ? vector[i].iov_len : length;
        rota_witness_bytes(vector[i].iov_base, part);
        length -= part;
    }
}

static inline void rota_witness_message(const struct msghdr *message, size_t length)
{
    rota_witness_bytes(message, sizeof *message);
    rota_witness_bytes(message->msg_name, message->msg_namelen);
    rota_witness_bytes(message->msg_control, message->msg_controllen);
    rota_witness_vector(message->msg_iov, message->msg_iovlen, length);
}

static inline void rota_witness_names(const rota_op_t *op, size_t length)
{
    const rota_names_t *names = op->memory;
    if (op->state == ROTA_OP_ABANDONED) return; /* who awaited it may be gone, and the names too */
    if (op->kind == ROTA_OP_STATX) rota_witness_bytes(&names->stat, sizeof names->stat);
    if (op->kind == ROTA_OP_GETXATTR) rota_witness_bytes(names->value, length);
}

static inline void rota_witness_result(const rota_op_t *op, int32_t result)
{
    size_t length = result > 0 ? (size_t)result : 0;
    if (result < 0) return;
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_READ:
    case ROTA_OP_RECV: rota_witness_bytes(op->memory, length); break;
    case ROTA_OP_READV: rota_witness_vector(op->memory, op->length, length); break;
    case ROTA_OP_RECVMSG: rota_witness_message(op->memory, length); break;
    case ROTA_OP_STATX:
    case ROTA_OP_GETXATTR: rota_witness_names(op, length); break;
    default: break;
    }
}

#else

static inline void rota_witness_bytes(const void *memory, size_t length)
{
    (void)memory, (void)length;
}

static inline void rota_witness_result(const rota_op_t *op, int32_t result)
{
    (void)op, (void)result;
}

#endif

#endif
