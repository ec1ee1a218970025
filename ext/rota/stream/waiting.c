#include "stream/waiting.h"

#include "runtime/await.h"
#include "runtime/roots.h"
#include "stream/reading.h"
#include "stream/receive.h"
#include "verbs/poll.h"

#include <poll.h>

static uint64_t deadline_of(int argc, VALUE *argv)
{
    VALUE seconds;
    rb_scan_args(argc, argv, "01", &seconds);
    return NIL_P(seconds) ? UINT64_MAX : rota_now_ns() + rota_seconds_to_ns(seconds);
}

struct readiness {
    rota_loop_t *loop;
    rota_stream_t *stream;
    uint64_t deadline_ns;
};

static VALUE await_bytes(VALUE data)
{
    struct readiness *readiness = (struct readiness *)data;
    rota_stream_t *stream = readiness->stream;
    if (rota_stream_await(readiness->loop, stream, readiness->deadline_ns)) return Qtrue;
    return RBOOL(rota_ready_now(stream->descriptor.fd, POLLIN) > 0);
}

/* call-seq: wait_readable(timeout = nil) -> self or nil
 *
 * Waits until a read would not: there is something, or the end. The stream's own +timeout+ does not
 * matter.
 *
 * @param timeout [Numeric, nil] seconds
 * @return [self]
 * @return [nil] when the time is up
 * @raise [IOError] the stream is closed, was closed meanwhile, or is only written to */
static VALUE stream_wait_readable(int argc, VALUE *argv, VALUE self)
{
    struct readiness readiness = {.deadline_ns = deadline_of(argc, argv)};
    readiness.stream = rota_stream_for_text(self, &readiness.loop);
    VALUE ready = rota_stream_as_reader_until(self, await_bytes, &readiness, readiness.deadline_ns);
    return RTEST(ready) ? self : Qnil;
}

/* call-seq: wait_writable(timeout = nil) -> self or nil
 *
 * Waits until the kernel takes something.
 *
 * @param timeout [Numeric, nil] seconds
 * @return [self]
 * @return [nil] when the time is up
 * @raise [IOError] the stream is closed, was closed meanwhile, or is only read from */
static VALUE stream_wait_writable(int argc, VALUE *argv, VALUE self)
{
    rota_loop_t *loop;
    uint64_t deadline_ns = deadline_of(argc, argv);
    rota_stream_t *stream = rota_stream_get(self, &loop);
    if (!stream->writable) rb_raise(rb_eIOError, "not opened for writing");
    rota_target_t target = rota_target(loop, self);
    rota_target_meet(loop, &target);
    rota_op_t *op = rota_await_op(loop, ROTA_OP_POLL);
    rota_target_apply(&target, op);
    op->request_flags = POLLOUT;
    rota_roots_set(op, Qfalse, self);
    rota_wait_t wait = {.what = "wait_writable", .fd = target.fd, .deadline_ns = deadline_ns};
    int32_t result = rota_await(loop, op, &wait);
    if (result == -ETIME) {
        rota_target_look_again(loop, &target);
        result = rota_ready_now(target.fd, POLLOUT);
    }
    if (result < 0) rota_await_raise(loop, result, "wait_writable");
    return result ? self : Qnil;
}

void rota_init_stream_waiting(VALUE klass)
{
    rb_define_method(klass, "wait_readable", stream_wait_readable, -1);
    rb_define_method(klass, "wait_writable", stream_wait_writable, -1);
}
