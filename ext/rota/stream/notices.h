/* What Rota::Files.watch asks the kernel: inotify. */
#ifndef ROTA_NOTICES_H
#define ROTA_NOTICES_H

#include "runtime/shim.h"

void rota_init_notices(VALUE module);

#endif
