/* Loop#copy and #double_splice. */
#ifndef ROTA_COPY_H
#define ROTA_COPY_H

#include "runtime/descriptor.h"

/* Copies at most `length` bytes (UINT64_MAX: until the end) from `offset` of the source
 * (UINT64_MAX: from where it is), and adds to *moved what arrived, also when it raises as the verb
 * does. Nothing that was taken from the source is lost then. */
void rota_copy(rota_loop_t *loop, const rota_target_t *source, const rota_target_t *target,
               uint64_t length, uint64_t offset, const char *verb, uint64_t *moved);

void rota_init_copy(VALUE loop_class);

#endif
