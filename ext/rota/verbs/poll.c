#include "verbs/poll.h"

#include "runtime/await.h"
#include "runtime/descriptor.h"
#include "runtime/roots.h"

/* call-seq: poll(io, events) -> Integer
 *
 * Waits until a descriptor is ready.
 *
 * @param events [Integer] poll(2)'s bits; +IO::READABLE+, +IO::PRIORITY+ and +IO::WRITABLE+ are the
 *   same numbers
 * @return [Integer] which are ready, and POLLERR (8) or POLLHUP (16)
 * @raise [SystemCallError] +Errno::EBADF+ ...
 * @raise [IOError] the io was closed meanwhile */
static VALUE loop_poll(VALUE self, VALUE io, VALUE events)
{
    rota_loop_t *loop = rota_loop_get(self);
    rota_target_t target = rota_target(loop, io);
    uint32_t mask = NUM2UINT(events);
    rota_op_t *op = rota_await_op(loop, ROTA_OP_POLL);
    rota_target_apply(&target, op);
    op->request_flags = mask;
    rota_roots_set(op, Qfalse, target.io);
    rota_wait_t wait = {.what = "poll", .fd = target.fd};
    int32_t result = rota_await(loop, op, &wait);
    if (result < 0) rota_await_raise(loop, result, "poll");
    return INT2NUM(result);
}

void rota_init_poll(VALUE loop_class)
{
    rb_define_method(loop_class, "poll", loop_poll, 2);
}
