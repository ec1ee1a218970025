/* Ruby's class Fiber, which its headers do not export, and how fibers of it are made. */
#ifndef ROTA_FIBER_H
#define ROTA_FIBER_H

#include "runtime/shim.h"

/* Pinned and never collected, even when a program removes the constant. */
extern VALUE rota_cFiber;

/* Fiber.new(**options, &body); options is nil for none, and core makes no Hash then. May raise.
 * rb_fiber_new makes blocking fibers on Ruby 3.1 and 3.2, and a Proc for each everywhere. */
VALUE rota_fiber_make(VALUE options, VALUE body);

void rota_init_fiber(void);

#endif
