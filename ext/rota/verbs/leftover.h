/* Bytes that were received for a task that could not take them any more (it was killed, or left the
 * block of recv_each): the next verb that reads this descriptor gets them first. They are known by
 * descriptor number and by the file behind it, so that a number used again gets nothing. */
#ifndef ROTA_LEFTOVER_H
#define ROTA_LEFTOVER_H

#include "runtime/descriptor.h"

/* Appends to what is kept for the descriptor. */
void rota_leftover_keep(rota_loop_t *loop, int fd, const uint8_t *bytes, size_t length);

/* Copies at most `length` kept bytes to `memory`; how many. Costs nothing when nothing is kept. */
size_t rota_leftover_take(rota_loop_t *loop, int fd, uint8_t *memory, size_t length);

/* Drops what is kept for a descriptor that is being closed. */
void rota_leftover_drop(rota_loop_t *loop, int fd);

#endif
