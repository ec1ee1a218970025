/* Thread#raise for a thread inside Rota.run.
 *
 * Core would raise at the next call that may block, in whichever task makes it (IO#close,
 * Process.kill), and whatever that call had got is lost: a wake-up of Mutex#lock, a process. So
 * what is raised in such a thread never comes to core: it is queued for the root task, by value. */
#ifndef ROTA_THREAD_RAISE_H
#define ROTA_THREAD_RAISE_H

#include "runtime/shim.h"

void rota_init_thread_raise(VALUE module);

#endif
