/* Times as Mutex#sleep and ConditionVariable#wait take and give them. */
#ifndef ROTA_INTERVAL_H
#define ROTA_INTERVAL_H

#include "runtime/loop.h"

/* When an interval that begins at `start_ns` ends; nil: UINT64_MAX. ArgumentError when negative. */
uint64_t rota_interval_end_ns(uint64_t start_ns, VALUE seconds);

/* Whole seconds since then, rounded. */
VALUE rota_interval_since(uint64_t start_ns);

#endif
