/* Rota::Event: something that happens, with a value. */
#ifndef ROTA_EVENT_H
#define ROTA_EVENT_H

#include "runtime/shim.h"

void rota_init_event(VALUE module);

#endif
