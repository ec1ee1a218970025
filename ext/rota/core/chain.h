/* A doubly linked list of ops, by their places in the slab: room for two more pointers in an op
 * would cost it a third cache line. An op is on at most one chain; whose it is, its owner knows. */
#ifndef ROTA_CHAIN_H
#define ROTA_CHAIN_H

#include "op.h"

/* Places count from 1; 0 is none. */
typedef struct rota_chain {
    uint32_t first, last;
} rota_chain_t;

static inline bool rota_chain_empty(const rota_chain_t *chain)
{
    return chain->first == 0;
}

/* The op at a place, NULL at place 0. */
static inline rota_op_t *rota_chain_at(const rota_ops_t *ops, uint32_t place)
{
    return place ? rota_op_at(ops, place - 1) : NULL;
}

static inline void rota_chain_push_back(const rota_ops_t *ops, rota_chain_t *chain, rota_op_t *op)
{
    rota_op_t *last = rota_chain_at(ops, chain->last);
    assert(op->before == 0 && op->after == 0);
    op->before = chain->last;
    chain->last = op->index + 1;
    if (last) {
        last->after = chain->last;
    } else {
        chain->first = chain->last;
    }
}

static inline void rota_chain_remove(const rota_ops_t *ops, rota_chain_t *chain, rota_op_t *op)
{
    rota_op_t *before = rota_chain_at(ops, op->before), *after = rota_chain_at(ops, op->after);
    assert(before || chain->first == op->index + 1);
    assert(after || chain->last == op->index + 1);
    if (before) {
        before->after = op->after;
    } else {
        chain->first = op->after;
    }
    if (after) {
        after->before = op->before;
    } else {
        chain->last = op->before;
    }
    op->before = op->after = 0;
}

/* The current op may be removed inside, but no other. */
#define ROTA_CHAIN_EACH(ops, chain, op)                                                            \
    for (rota_op_t *op = rota_chain_at(ops, (chain)->first),                                       \
                   *op##_after = op ? rota_chain_at(ops, op->after) : NULL;                        \
         op; op = op##_after, op##_after = op ? rota_chain_at(ops, op->after) : NULL)

#endif
