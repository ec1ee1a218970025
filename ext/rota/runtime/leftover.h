/* Bytes that were received for a task that could not take them any more (it was killed, or left the
 * block of recv_each): the next verb that reads this descriptor gets them first. They are known by
 * descriptor number and by the file behind it, so that a number used again gets nothing.
 *
 * Those that keep say whose the bytes were: of an io that was closed since then nothing is kept,
 * and a file gets its bytes back by its position. */
#ifndef ROTA_LEFTOVER_H
#define ROTA_LEFTOVER_H

#include "runtime/descriptor.h"

/* Appends to what is kept for the descriptor. */
void rota_leftover_keep(rota_loop_t *loop, const rota_target_t *source, const uint8_t *bytes,
                        size_t length);

/* The same where messages have bounds: [bytes, packed sockaddr or nil, MSG_* flags]. */
void rota_leftover_keep_message(rota_loop_t *loop, const rota_target_t *source, VALUE message);

/* In front of what is kept: bytes (a String) or a message (as above) that were taken from it. */
void rota_leftover_put_back(rota_loop_t *loop, const rota_target_t *source, VALUE taken);

/* Is anything kept for the descriptor? */
bool rota_leftover_is_kept(rota_loop_t *loop, int fd);

/* The message that is next, or nil where bytes or nothing are kept. */
VALUE rota_leftover_message(rota_loop_t *loop, int fd);

/* Copies at most `length` kept bytes to `memory`, of one message; how many, or -1 when nothing is
 * kept. `peek`: they stay. Costs nothing when nothing is kept. */
long rota_leftover_take(rota_loop_t *loop, int fd, uint8_t *memory, size_t length, bool peek);

/* Drops what is kept for a descriptor that is being closed. */
void rota_leftover_drop(rota_loop_t *loop, int fd);

#endif
