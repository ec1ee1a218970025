#include "verbs/poll.h"

#include "runtime/roots.h"
#include "verbs/call.h"

static void take(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 2, 2);
    call->target = rota_target(call->loop, argv[0]);
    call->request_flags = NUM2UINT(argv[1]);
}

static void fill(rota_call_t *call, rota_op_t *op)
{
    op->kind = ROTA_OP_POLL;
    rota_target_apply(&call->target, op);
    op->request_flags = call->request_flags;
    rota_roots_set(op, Qfalse, call->target.io);
}

static const rota_verb_t poll_verb = {
    .name = "poll",
    .take = take,
    .fill = fill,
    .finish = rota_call_number,
};

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
    VALUE arguments[] = {io, events};
    return rota_call_perform(self, &poll_verb, 2, arguments);
}

void rota_init_poll(VALUE loop_class)
{
    rb_define_method(loop_class, "poll", loop_poll, 2);
    rota_call_offer("poll", &poll_verb);
}
