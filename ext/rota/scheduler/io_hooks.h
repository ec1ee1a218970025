/* Hooks for IO: io_wait, io_read, io_write, io_pread, io_pwrite, io_close. */
#ifndef ROTA_IO_HOOKS_H
#define ROTA_IO_HOOKS_H

#include "runtime/shim.h"

void rota_init_io_hooks(VALUE scheduler_class);

#endif
