#include "verbs/close.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "verbs/leftover.h"

#include <unistd.h>

static int32_t close_number(rota_loop_t *loop, int fd)
{
    rota_op_t *op = rota_await_op(loop, ROTA_OP_CLOSE);
    op->fd = fd;
    rota_wait_t wait = {.what = "close", .fd = -1};
    return rota_await(loop, op, &wait);
}

/* call-seq: close(io) -> nil
 *
 * Closes, after every verb of this loop that waits on the io was woken with IOError.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @return [nil]
 * @raise [SystemCallError] +Errno::EBADF+ for an Integer that is no open descriptor */
static VALUE loop_close(VALUE self, VALUE io)
{
    rota_loop_t *loop = rota_loop_get(self);
    rota_target_t target = rota_target(loop, io);
    rota_await_close(loop, target.fd);
    rota_leftover_drop(loop, target.fd);
    if (target.io) {
        /* What is queued for the number must reach the kernel before the number is free. */
        if (loop->engine->api->unsubmitted(loop->engine)) loop->engine->api->flush(loop->engine);
        rb_funcall(target.io, rb_intern("close"), 0);
        return Qnil;
    }
    int32_t result = close_number(loop, target.fd);
    if (result < 0) rota_await_raise(loop, result, "close");
    return Qnil;
}

void rota_init_close(VALUE loop_class)
{
    rb_define_method(loop_class, "close", loop_close, 1);
}
