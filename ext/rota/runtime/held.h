/* Reads that are held back. A task that reads from a pipe or a socket mostly has to wait for its
 * bytes anyway, so its op is held back until the run queue is empty, which is when whoever sends
 * the bytes has mostly sent them, or at least has queued them.
 *
 * Among many, held reads become entries then, behind the writes of the same turn: the kernel finds
 * the bytes at once, where a read that comes first has to be armed, woken and tried again (which
 * costs half as much as the whole message). A few, with nothing else to hand over, are tried by
 * system calls, oldest first, and go to the engine only if that was in vain. Ruby's own reads,
 * which wait here by a POLL and are system calls in any case, are tried among many, too, the older
 * half of them at a time. On an engine that does not batch everything is tried, one by one. How
 * often it was in vain decides how often they are tried at all.
 *
 * Nobody has looked the descriptor up until then. One whose io was closed meanwhile is done, with
 * ROTA_CLOSED. So that this is true of every op for one of Ruby's IOs, which may be closed without
 * a word, the others wait on a list, too, until the kernel is entered. And so does whatever is
 * sent, because a call is not to overtake it: rota_road_prefers_call. */
#ifndef ROTA_HELD_H
#define ROTA_HELD_H

#include "runtime/loop.h"

/* The result of a POLL that was held back: nobody else can run, the task tries by itself, says how
 * that went, and if in vain waits by another one. No mask is as large. */
enum { ROTA_HELD_TRY = 1 << 24 };

/* For who waits for it: queues an op; `tries`: it may be held back (rota_wait_t). Only what closes
 * a number is behind what is held back; several readers of one descriptor are served in no order,
 * as by the kernel. */
void rota_held_submit(rota_loop_t *loop, rota_op_t *op, bool tries);

/* Before the number is closed: hands over what is for it, and not held back. */
void rota_held_hand_over_for(rota_loop_t *loop, int number);

/* Right before the kernel is entered: hands over what is not held back. */
void rota_held_hand_over(rota_loop_t *loop);

/* Hands it over, and enters the kernel, if there is anything for it. */
void rota_held_flush(rota_loop_t *loop);

/* For who was told to try. */
void rota_held_learn(rota_loop_t *loop, bool in_vain);

/* Is something held back, and was what was tried last in vain? */
bool rota_held_in_doubt(rota_loop_t *loop);

/* Hands over everything. */
void rota_held_release(rota_loop_t *loop);

/* For the turn, about to look at the kernel while others are ready: hands over what is held back,
 * but for what is better off with a try at the end of the turn, for some looks. */
void rota_held_look(rota_loop_t *loop);

/* For the turn, with nobody ready and about to enter the kernel for something else: hands over what
 * is held back, unless it is better off with a try when those have run who are woken by it. */
void rota_held_join(rota_loop_t *loop);

/* For the turn, with nobody ready: may try the oldest of what is held back. True: something is
 * done, and announced. False: everything was handed over. */
bool rota_held_try(rota_loop_t *loop);

#endif
