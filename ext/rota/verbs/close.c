#include "verbs/close.h"

#include "runtime/await.h"
#include "runtime/held.h"
#include "runtime/leftover.h"
#include "runtime/registered.h"
#include "verbs/call.h"

static void take(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 1, 1);
    call->target = rota_target(call->loop, argv[0]);
    call->by_itself = call->target.io != Qfalse; /* the object must know */
}

static bool wake_who_waits(rota_call_t *call)
{
    rota_await_close(call->loop, call->target.fd);
    rota_leftover_drop(call->loop, call->target.fd);
    return true;
}

/* Not `descriptor`: it would be cancelled with those that wait for what it closes. */
static void fill(rota_call_t *call, rota_op_t *op)
{
    op->kind = ROTA_OP_CLOSE;
    op->fd = call->target.fd;
}

static VALUE finish(rota_call_t *call)
{
    if (call->result < 0) rota_await_raise(call->loop, call->result, call->verb->name);
    return Qnil;
}

static const rota_verb_t close_verb = {
    .name = "close",
    .take = take,
    .begin = wake_who_waits,
    .fill = fill,
    .finish = finish,
};

/* Of a command that is read from and written to, the end to write to is another IO, with a number
 * of its own. */
static void wake_who_writes(const rota_call_t *call)
{
    VALUE io = call->target.io;
    VALUE writer = RB_TYPE_P(io, T_FILE) ? rb_io_get_write_io(io) : io;
    int number = writer == io ? -1 : rota_shim_descriptor(writer);
    if (number < 0) return;
    rota_await_close(call->loop, number);
    rota_registered_drop(call->loop, writer);
}

/* What is queued for the number must reach the kernel before the number is free. */
static void close_object(rota_call_t *call)
{
    wake_who_waits(call);
    wake_who_writes(call);
    rota_registered_drop(call->loop, call->target.io);
    rota_held_flush(call->loop);
    rb_funcall(call->target.io, rb_intern("close"), 0);
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
    rota_call_t call;
    rota_call_take(&call, rota_loop_get(self), &close_verb, 1, &io);
    if (!call.by_itself) return rota_call_run(&call);
    close_object(&call);
    return Qnil;
}

void rota_init_close(VALUE loop_class)
{
    rb_define_method(loop_class, "close", loop_close, 1);
    rota_call_offer("close", &close_verb);
}
