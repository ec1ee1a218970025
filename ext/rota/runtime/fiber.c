#include "runtime/fiber.h"

VALUE rota_cFiber;

VALUE rota_fiber_make(VALUE options, VALUE body)
{
    int argc = NIL_P(options) ? 0 : 1;
    return rb_funcall_with_block_kw(rota_cFiber, rb_intern("new"), argc, &options, body,
                                    argc ? RB_PASS_KEYWORDS : RB_NO_KEYWORDS);
}

void rota_init_fiber(void)
{
    rota_cFiber = rb_path2class("Fiber");
    rb_gc_register_mark_object(rota_cFiber);
}
