/* Loop#read, #pread, #read_each and #recv. */
#ifndef ROTA_READ_H
#define ROTA_READ_H

#include "runtime/descriptor.h"

/* What one transfer brings, at most `length` bytes; nil at the end. Raises as the verb does. */
VALUE rota_receive(rota_loop_t *loop, const rota_target_t *target, size_t length, const char *verb);

/* Reads once into a String, from its beginning: how much, 0 at the end. Raises as the verb does. */
size_t rota_read_into(rota_loop_t *loop, const rota_target_t *target, VALUE string, size_t length,
                      uint64_t offset, const char *verb);

void rota_init_read(VALUE loop_class);

#endif
