/* Loop#batch and Loop#chain, and the object that their blocks are given. */
#ifndef ROTA_RECORDER_H
#define ROTA_RECORDER_H

#include "runtime/shim.h"

void rota_init_recorder(VALUE module, VALUE loop_class);

#endif
