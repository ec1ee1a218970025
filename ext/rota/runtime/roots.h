/* What an op keeps alive: the only file that knows that rota_op.root holds VALUEs. Memory that the
 * kernel may touch is pinned (Strings up to 640 bytes are embedded, and compaction would move their
 * bytes under the kernel's hands). */
#ifndef ROTA_ROOTS_H
#define ROTA_ROOTS_H

#include "core/op.h"
#include "runtime/shim.h"

enum { ROTA_ROOT_BYTES, ROTA_ROOT_IO };

_Static_assert(sizeof(VALUE) == sizeof(uintptr_t), "an op stores VALUEs as words");

/* The loop must be marked when these change; it is not write-barrier protected. */
static inline void rota_roots_set(rota_op_t *op, VALUE bytes, VALUE io)
{
    op->root[ROTA_ROOT_BYTES] = bytes;
    op->root[ROTA_ROOT_IO] = io;
}

/* Marks what every op that is not free keeps alive. */
void rota_roots_mark(const rota_ops_t *ops);

#endif
