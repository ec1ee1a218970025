/* A task waits for many ops at once: entries that are asked for together, each of which may go on
 * with another op when one is done, without waiting for the others. Or for the links of one chain.
 * What await.h says about interrupts holds for all of them together. */
#ifndef ROTA_AWAIT_MANY_H
#define ROTA_AWAIT_MANY_H

#include "runtime/loop.h"

typedef struct rota_many rota_many_t;

struct rota_many {
    const char *what; /* for reports */
    uint32_t count;
    bool linked; /* a chain: the engine's links_max is not exceeded, and no entry has two ops */

    /* What the entry asks for next: `kind` and the rest of an op from the slab. Must not raise. */
    void (*fill)(rota_many_t *many, uint32_t index, rota_op_t *op);

    /* An op of the entry is done: its result or -errno, ROTA_CLOSED, -ECANCELED. True: the entry
     * goes on, fill is called again. Not asked for more after an interrupt. Runs on the task, but
     * must neither raise nor park. */
    bool (*absorb)(rota_many_t *many, uint32_t index, int32_t result);

    /* The fiber unwinds (kill, throw), and nothing is in flight any more: gives back what was lent,
     * keeps or undoes results. May be NULL. */
    void (*settled)(rota_many_t *many);
    void *data;

    bool cut_by_close; /* result, of a chain: see rota_many_closing */
};

/* Submits an op for each entry, together, and parks until none has anything in flight. An interrupt
 * cancels all of them, and they are waited for. True: every entry came to its own end, and if there
 * was an interrupt it waits for the next switchpoint. False: some were cut short; the caller keeps
 * or undoes the results that it has, and raises by rota_await_raise(loop, -ECANCELED, ...).
 *
 * Raises waiting interrupts and NoMemoryError before anything was submitted. */
bool rota_await_many(rota_loop_t *loop, rota_many_t *many);

/* The descriptor of the op is about to be closed. A later link of a chain is nothing that the
 * kernel could cancel, and it still has its file (under a number of its own): so the link that runs
 * is cancelled, which ends the chain. It did nothing wrong: -ECANCELED then, with `cut_by_close`,
 * means that it may be asked for again. Harmless for other ops. */
void rota_many_closing(rota_op_t *op);

#endif
