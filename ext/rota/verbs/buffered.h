/* Does one of Ruby's own objects hold bytes that it has read and nobody took? */
#ifndef ROTA_BUFFERED_H
#define ROTA_BUFFERED_H

#include "runtime/shim.h"

void rota_init_buffered(VALUE loop_class);

#endif
