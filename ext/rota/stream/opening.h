/* Loop#open, Rota.pair and the two ends of Rota.pipe: streams over new descriptors. */
#ifndef ROTA_OPENING_H
#define ROTA_OPENING_H

#include "runtime/shim.h"

void rota_init_opening(VALUE module, VALUE loop_class);

#endif
