/* Loop#read, #pread, #read_each and #recv; and what readv shares with them. */
#ifndef ROTA_READ_H
#define ROTA_READ_H

#include "verbs/call.h"

/* A reading call's `step`: where the bytes come from, if they came. */
enum { ROTA_FROM_KERNEL, ROTA_FROM_LEFTOVER };

/* Bytes that came to such a call, and that nobody takes: the next reader gets them, in their order.
 * A String is a message where those have bounds. */
void rota_read_keep(const rota_call_t *call, VALUE bytes);

/* What one transfer brings, at most `length` bytes; nil at the end. Raises as the verb does. */
VALUE rota_receive(rota_loop_t *loop, const rota_target_t *target, size_t length, const char *verb);

/* Reads once into a String, from its beginning: how much, 0 at the end. Raises as the verb does. */
size_t rota_read_into(rota_loop_t *loop, const rota_target_t *target, VALUE string, size_t length,
                      uint64_t offset, const char *verb);

void rota_init_read(VALUE loop_class);

#endif
