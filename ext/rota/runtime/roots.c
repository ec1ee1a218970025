#include "runtime/roots.h"

void rota_roots_mark(const rota_ops_t *ops)
{
    uint32_t left = ops->in_use;
    for (uint32_t index = 0; left; index++) {
        const rota_op_t *op = rota_op_at(ops, index);
        if (op->state == ROTA_OP_FREE) continue;
        left--;
        rb_gc_mark(op->root[ROTA_ROOT_BYTES]);
        rb_gc_mark(op->root[ROTA_ROOT_IO]);
    }
}
