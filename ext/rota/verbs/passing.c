#include "verbs/passing.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "verbs/control.h"
#include "verbs/message.h"

#include <unistd.h>

static VALUE eSocketError;

struct passing {
    rota_exchange_t exchange;
    VALUE klass; /* what to wrap a received one in, or nil */
};

static struct passing passing_for(VALUE self, VALUE io, const char *verb, rota_op_kind_t kind)
{
    rota_loop_t *loop = rota_loop_get(self);
    struct passing passing = {.exchange = {.loop = loop, .verb = verb, .kind = kind}};
    passing.exchange.target =
        kind == ROTA_OP_RECVMSG ? rota_target_unbuffered(loop, io) : rota_target(loop, io);
    return passing;
}

static VALUE finish(VALUE data)
{
    rota_message_end(&((struct passing *)data)->exchange);
    return Qnil;
}

static int32_t pass(struct passing *passing)
{
    rota_exchange_t *exchange = &passing->exchange;
    rota_message_bytes(exchange, &exchange->message->byte, 1);
    int32_t result = exchange->kind == ROTA_OP_SENDMSG ? rota_message_send(exchange)
                                                       : rota_message_exchange(exchange);
    if (result < 0) rota_await_raise(exchange->loop, result, exchange->verb);
    return result;
}

static VALUE send_descriptor(VALUE data)
{
    struct passing *passing = (struct passing *)data;
    rota_message_begin(&passing->exchange, (size_t)RSTRING_LEN(passing->exchange.control));
    pass(passing);
    return Qnil;
}

/* call-seq: send_io(io, other) -> nil
 *
 * Sends an open descriptor to who receives with +recv_io+ (or UNIXSocket#recv_io) at the other end
 * of a UNIX socket. It stays open here.
 *
 * @param io [UNIXSocket, Rota::Stream, Integer]
 * @param other [IO, Rota::Stream, Integer] what to send
 * @return [nil]
 * @raise [SystemCallError] +Errno::EPIPE+, +Errno::EINVAL+ for what is no UNIX socket,
 *   +Errno::EMFILE+: it has to wait, and no number is free for a duplicate ...
 * @raise [IOError] the io is closed, or was closed meanwhile */
static VALUE loop_send_io(VALUE self, VALUE io, VALUE other)
{
    rota_interrupt_check(rota_loop_get(self)); /* it may close `other` */
    struct passing passing = passing_for(self, io, "send_io", ROTA_OP_SENDMSG);
    rota_target_t sent = rota_target(passing.exchange.loop, other);
    passing.exchange.control = rota_control_pack_descriptor(sent.fd);
    passing.exchange.flags = MSG_NOSIGNAL;
    VALUE result = rb_ensure(send_descriptor, (VALUE)&passing, finish, (VALUE)&passing);
    RB_GC_GUARD(passing.exchange.control);
    RB_GC_GUARD(sent.io);
    return result;
}

static void close_received(rota_loop_t *loop, rota_op_t *op, void *data)
{
    (void)loop;
    (void)data;
    rota_control_close(op->memory);
}

RBIMPL_ATTR_NORETURN()
static void raise_missing(const struct msghdr *header)
{
    /* the kernel drops what finds no free number */
    if (header->msg_flags & MSG_CTRUNC) rota_error_raise(-EMFILE, "recv_io");
    rb_raise(eSocketError, "no descriptor came with the message");
}

struct wrapping {
    VALUE klass;
    int fd;
};

static VALUE wrap_in_class(VALUE data)
{
    const struct wrapping *wrapping = (const struct wrapping *)data;
    return rb_funcall(wrapping->klass, rb_intern("for_fd"), 1, INT2NUM(wrapping->fd));
}

/* An Integer in gives an Integer out, as with accept. */
static VALUE wrap(const struct passing *passing, int fd)
{
    struct wrapping wrapping = {passing->klass, fd};
    int state = 0;
    if (!NIL_P(passing->klass)) {
        VALUE wrapped = rb_protect(wrap_in_class, (VALUE)&wrapping, &state);
        if (!state) return wrapped;
        close(fd);
        rb_jump_tag(state);
    }
    return passing->exchange.target.io ? rota_control_wrap(fd) : INT2NUM(fd);
}

static VALUE receive_descriptor(VALUE data)
{
    struct passing *passing = (struct passing *)data;
    rota_target_meet(passing->exchange.loop, &passing->exchange.target);
    rota_message_begin(&passing->exchange, CMSG_SPACE(sizeof(int)));
    int32_t result = pass(passing);
    const struct msghdr *header = &passing->exchange.message->header;
    int fd = rota_control_take_descriptor(header);
    if (fd >= 0) return wrap(passing, fd);
    if (result == 0) return Qnil;
    raise_missing(header);
}

/* call-seq: recv_io(io, klass = nil) -> IO, BasicSocket or Integer
 *
 * Receives a descriptor that was sent with +send_io+ (or UNIXSocket#send_io). It is CLOEXEC. One
 * that arrives for a task that was ended meanwhile is closed.
 *
 * @param io [UNIXSocket, Rota::Stream, Integer]
 * @param klass [Class, nil] whose +for_fd+ wraps it: IO, Rota::Stream ...; nil chooses
 * @return [BasicSocket, IO] owned by the caller
 * @return [Integer] for an Integer
 * @return [nil] at the end
 * @raise [SocketError] the byte that came was sent without a descriptor
 * @raise [SystemCallError] +Errno::EMFILE+: no number was free, and the kernel dropped it ...
 * @raise [IOError] the io is closed, was closed meanwhile, or holds bytes in a buffer of its own */
static VALUE loop_recv_io(int argc, VALUE *argv, VALUE self)
{
    VALUE io, klass;
    rb_scan_args(argc, argv, "11", &io, &klass);
    struct passing passing = passing_for(self, io, "recv_io", ROTA_OP_RECVMSG);
    passing.klass = klass;
    passing.exchange.flags = MSG_CMSG_CLOEXEC;
    passing.exchange.unwanted = close_received;
    return rb_ensure(receive_descriptor, (VALUE)&passing, finish, (VALUE)&passing);
}

void rota_init_passing(VALUE loop_class)
{
    eSocketError = rb_path2class("SocketError");
    rb_gc_register_mark_object(eSocketError);
    rb_define_method(loop_class, "send_io", loop_send_io, 2);
    rb_define_method(loop_class, "recv_io", loop_recv_io, -1);
}
