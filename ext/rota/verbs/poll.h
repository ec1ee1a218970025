/* Loop#poll and #wait. */
#ifndef ROTA_POLL_H
#define ROTA_POLL_H

#include "runtime/shim.h"

void rota_init_poll(VALUE loop_class);

#endif
