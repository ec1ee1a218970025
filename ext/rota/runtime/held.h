/* Reads that are held back. A task that reads from a pipe or a socket mostly has to wait for its
 * bytes anyway, and with hardly anybody else ready an entry would need an enter of its own. So its
 * op is held back until the run queue is empty, which is when whoever sends the bytes has mostly
 * sent them; then it is tried once by a system call, oldest first, and goes to the engine only if
 * that was in vain. How often it was in vain decides how often it is tried at all. */
#ifndef ROTA_HELD_H
#define ROTA_HELD_H

#include "runtime/loop.h"

/* The result of a POLL that was held back: nobody else can run, the task tries by itself, says how
 * that went, and if in vain waits by another one. No mask is as large. */
enum { ROTA_HELD_TRY = 1 << 24 };

/* For await: hands an op over, or holds it back; `tries`: it may be (rota_wait_t). No op overtakes
 * one that is held back; several readers of one descriptor are served in no order, as by the
 * kernel.
 */
void rota_held_submit(rota_loop_t *loop, rota_op_t *op, bool tries);

/* For who was told to try. */
void rota_held_learn(rota_loop_t *loop, bool in_vain);

/* Hands over what is held back. */
void rota_held_release(rota_loop_t *loop);

/* For the turn, with nobody ready: tries the oldest of what is held back. True: it is done, and
 * announced. False: nothing is held back any more. */
bool rota_held_try(rota_loop_t *loop);

#endif
