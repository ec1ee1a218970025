/* Loop#splice and #tee; and what moves bytes between two descriptors for other verbs. */
#ifndef ROTA_SPLICE_H
#define ROTA_SPLICE_H

#include "runtime/descriptor.h"

/* Between two ends of which one is a pipe (for tee both). */
typedef struct rota_splice {
    rota_loop_t *loop;
    const char *verb;
    rota_target_t source, target;
    rota_op_kind_t kind; /* SPLICE or TEE */
    bool from_storage, to_storage;
    int duplicate;   /* of the source, while a worker has it; -1: none */
    int64_t unwound; /* moved by an op whose task unwound, and so was never told */
} rota_splice_t;

/* Asks what the ends are. */
void rota_splice_init(rota_splice_t *splice, rota_op_kind_t kind);

/* The ends may have been closed since they were last used, and their numbers be other files':
 * raises IOError. */
void rota_splice_look_again(rota_splice_t *splice);

/* Fills an op: at most `length` bytes, from `offset` of the source (UINT64_MAX: its own position).
 */
void rota_splice_fill(const rota_splice_t *splice, size_t length, uint64_t offset, rota_op_t *op);

/* Looks again, waits until there is something to move and room for it, and moves what is at hand:
 * how much (0 at the end), or a negative result for rota_await_raise. Raises interrupts. */
int32_t rota_splice_some(rota_splice_t *splice, size_t length, uint64_t offset);

/* The same without waiting: -EAGAIN. For ends that are no storage. */
int32_t rota_splice_now(const rota_splice_t *splice, size_t length);

void rota_init_splice(VALUE loop_class);

#endif
