#include "verbs/poll.h"

#include "runtime/await.h"
#include "runtime/roots.h"
#include "verbs/call.h"

#include <poll.h>

static void take(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 2, 2);
    call->request_flags = NUM2UINT(argv[1]);
    call->target = rota_target(call->loop, argv[0]); /* to_int may have closed it */
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

int32_t rota_ready_now(int fd, uint32_t events)
{
    struct pollfd question = {.fd = fd, .events = (short)events};
    if (poll(&question, 1, 0) < 0) return -errno;
    return question.revents & POLLNVAL ? -EBADF : question.revents;
}

/* call-seq: wait(io, events, timeout = nil) -> Integer or nil
 *
 * Waits until a descriptor is ready, or the time is up.
 *
 * @param events [Integer] as +poll+'s
 * @param timeout [Numeric, nil] seconds; nil is without end, 0 or less only asks
 * @return [Integer] as +poll+
 * @return [nil] it was not ready in time
 * @raise as +poll+ */
static VALUE loop_wait(int argc, VALUE *argv, VALUE self)
{
    VALUE io, events, timeout;
    rb_scan_args(argc, argv, "21", &io, &events, &timeout);
    rota_loop_t *loop = rota_loop_get(self);
    rota_call_t call = {.loop = loop};
    take(&call, 2, argv);
    uint64_t deadline_ns = NIL_P(timeout) ? 0 : rota_now_ns() + rota_seconds_to_ns(timeout);
    rota_target_meet(loop, &call.target);
    rota_wait_t wait = {.what = "wait", .fd = call.target.fd, .deadline_ns = deadline_ns};
    rota_op_t *op = rota_await_op(loop, ROTA_OP_POLL);
    fill(&call, op);
    int32_t result = rota_await(loop, op, &wait);
    if (result == -ETIME) {
        rota_target_look_again(loop, &call.target);
        result = rota_ready_now(call.target.fd, call.request_flags);
    }
    if (result < 0) rota_await_raise(loop, result, "wait");
    return result ? INT2NUM(result) : Qnil;
}

void rota_init_poll(VALUE loop_class)
{
    rb_define_method(loop_class, "wait", loop_wait, -1);
    rb_define_method(loop_class, "poll", loop_poll, 2);
    rota_call_offer("poll", &poll_verb);
}
