/* The one function in which a task waits for an op. Cancellation is its property, not the verbs'.
 */
#ifndef ROTA_AWAIT_H
#define ROTA_AWAIT_H

#include "runtime/loop.h"

/* Called when the fiber unwinds (kill, throw) although the op succeeded: keep or undo the result.
 */
typedef void (*rota_unwanted_t)(rota_loop_t *loop, rota_op_t *op, void *data);

typedef struct rota_wait {
    const char *what; /* for reports: the verb */
    int fd;           /* ... and its descriptor */
    rota_unwanted_t unwanted;
    void (*settled)(void *data); /* gives back lent memory when the fiber unwinds */
    void *data;
    uint64_t deadline_ns; /* 0 or UINT64_MAX: none. When it comes the op is cancelled. */
    bool tries;           /* a READ, RECV or POLL that may be held back, and tried first: held.h */
    /* Not NULL: the op's payload is moved here instead of freed, unless the fiber unwinds. */
    void **payload;
    /* For SEND_ZERO_COPY: the task leaves with the result. While the op is SENT the kernel still
     * reads the memory: then this says what the op does when it is notified (`complete`, `owner`),
     * which frees it. */
    void (*sent)(rota_op_t *op, void *data);
} rota_wait_t;

/* An op for a verb: raises the interrupts of the task first. Interjections are run where the verb
 * looks its ios up, before that, or inside the wait: never here. Raises NoMemoryError. Nothing may
 * raise between this and rota_await. */
rota_op_t *rota_await_op(rota_loop_t *loop, rota_op_kind_t kind);

/* The same without raising, for who need not be protected then: NULL when the task may have
 * interrupts to take, or memory is out, of which rota_await_op tells. */
rota_op_t *rota_await_op_quietly(rota_loop_t *loop, rota_op_kind_t kind);

/* Submits the op, parks until its final completion and frees it; what it kept alive may go then.
 * Returns the result, or -errno.
 *
 * An interrupt cancels the op and waits for its final completion. When the op completed all the
 * same, its result is returned and the interrupt stays for the next switchpoint: no byte and no
 * connection is lost. When it was cancelled, -ECANCELED is returned with the interrupt still
 * waiting: the verb gives back what it lent and calls rota_await_raise. -ETIME: the deadline of the
 * wait came first. */
int32_t rota_await(rota_loop_t *loop, rota_op_t *op, const rota_wait_t *wait);

/* The result of an op that is DONE, as its verb is told: ROTA_CLOSED when it was cancelled because
 * its descriptor is being closed. */
int32_t rota_await_outcome(const rota_op_t *op);

/* Raises for a negative result: the interrupt for -ECANCELED, IOError when the descriptor was
 * closed meanwhile, Rota::TimeoutError for -ETIME, else Errno. */
RBIMPL_ATTR_NORETURN()
void rota_await_raise(rota_loop_t *loop, int32_t result, const char *verb);

/* Cancels every op on a descriptor that is about to be closed; they result in ROTA_CLOSED. */
void rota_await_close(rota_loop_t *loop, int fd);

#endif
