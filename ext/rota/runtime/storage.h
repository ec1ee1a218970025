/* What a fiber carries beside its stack: fiber-locals (Thread#[]) and, from Ruby 3.2, fiber storage
 * (Fiber[]). Workers are made clean between tasks; storage is inherited by a task from its spawner
 * at spin. */
#ifndef ROTA_STORAGE_H
#define ROTA_STORAGE_H

#include "runtime/shim.h"

/* Clears both on the running fiber; as rota_error_catch. */
int rota_storage_clear(VALUE thread, VALUE *exception);

/* A copy of the running fiber's storage, or nil when it is empty or Ruby has none. */
VALUE rota_storage_copy(void);
/* Gives the running (clean) fiber what rota_storage_copy gave. */
void rota_storage_install(VALUE copy);

#endif
