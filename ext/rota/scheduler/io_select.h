/* The hook for IO.select. */
#ifndef ROTA_IO_SELECT_H
#define ROTA_IO_SELECT_H

#include "runtime/shim.h"

void rota_init_io_select(VALUE scheduler_class);

#endif
