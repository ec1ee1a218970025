/* IOs that the user registered: their ops name a slot of the kernel's file table instead of a
 * number. Streams find their own way there (descriptor.h); this is for Ruby's own objects, whose
 * files would otherwise stay open behind their backs. */
#ifndef ROTA_REGISTERED_H
#define ROTA_REGISTERED_H

#include "runtime/loop.h"

/* What is known of an open IO that is registered; NULL: it is not. Costs nothing when none is. */
static inline const rota_numbered_t *rota_registered(const rota_loop_t *loop, VALUE io, int number)
{
    if (ROTA_LIKELY((uint32_t)number >= loop->numbered_room)) return NULL;
    const rota_numbered_t *there = &loop->numbered[number];
    return there->io == io ? there : NULL;
}

/* Its slot is free again, and with it the file when the IO is closed. */
void rota_registered_drop(rota_loop_t *loop, VALUE io);

void rota_init_registered(VALUE loop_class);

#endif
