/* Loop#read and Loop#recv. */
#ifndef ROTA_READ_H
#define ROTA_READ_H

#include "runtime/shim.h"

void rota_init_read(VALUE loop_class);

#endif
