#include "verbs/read.h"

#include "runtime/await.h"
#include "runtime/bytes.h"
#include "runtime/error.h"
#include "runtime/roots.h"
#include "verbs/leftover.h"
#include "verbs/socket.h"

#include <sys/socket.h>

/* One read or recv, from its arguments to its result. */
struct reading {
    rota_loop_t *loop;
    const char *verb;
    rota_target_t target;
    rota_op_kind_t kind;
    uint64_t offset;        /* UINT64_MAX: the descriptor's own position */
    uint32_t request_flags; /* MSG_* */
    size_t length;
    VALUE buffer; /* the caller's String or IO::Buffer; nil: a new String */
    long position;
    rota_lent_t lent;
};

/* The part of the bytes that is there: with MSG_TRUNC the kernel says how long the message was. */
static size_t received(const struct reading *reading, int32_t result)
{
    size_t length = reading->lent.length;
    return (size_t)result < length ? (size_t)result : length;
}

/* The fiber unwinds although bytes came: the next reader gets them. What was read at an offset was
 * taken from nobody. */
static void keep_bytes(rota_loop_t *loop, rota_op_t *op, void *data)
{
    struct reading *reading = data;
    int fd = reading->target.fd;
    size_t length = received(reading, op->result);
    if (reading->offset != UINT64_MAX || (reading->request_flags & MSG_PEEK)) return;
    if (rota_socket_has_messages(fd)) {
        VALUE bytes = rb_str_new((const char *)reading->lent.memory, (long)length);
        rota_leftover_keep_message(loop, fd, rb_ary_new_from_args(3, bytes, Qnil, INT2FIX(0)));
    } else {
        rota_leftover_keep(loop, fd, reading->lent.memory, length);
    }
}

static void return_lent(void *data)
{
    struct reading *reading = data;
    rota_bytes_return_target(&reading->lent, reading->position, -1);
}

static int32_t read_once(struct reading *reading)
{
    rota_loop_t *loop = reading->loop;
    rota_op_t *op = rota_await_op(loop, reading->kind);
    rota_target_apply(&reading->target, op);
    op->memory = reading->lent.memory;
    op->length = (uint32_t)reading->lent.length;
    op->offset = reading->offset;
    op->request_flags = reading->request_flags;
    rota_roots_set(op, reading->lent.object, reading->target.io);
    rota_wait_t wait = {.what = reading->verb,
                        .fd = reading->target.fd,
                        .unwanted = keep_bytes,
                        .settled = return_lent,
                        .data = reading};
    return rota_await(loop, op, &wait);
}

/* read_once may raise before the op is submitted; the lock must not stay then. */
static VALUE read_protected(VALUE data)
{
    return INT2NUM(read_once((struct reading *)data));
}

static int32_t read_lent(struct reading *reading)
{
    int state = 0;
    if (reading->offset == UINT64_MAX) {
        long kept = rota_leftover_take(reading->loop, reading->target.fd, reading->lent.memory,
                                       reading->lent.length, reading->request_flags & MSG_PEEK);
        if (kept >= 0) return (int32_t)kept;
    }
    VALUE result = rb_protect(read_protected, (VALUE)reading, &state);
    if (!state) return NUM2INT(result);
    if (reading->lent.object) return_lent(reading);
    rb_jump_tag(state);
}

static VALUE perform(struct reading *reading)
{
    bool own = NIL_P(reading->buffer);
    if (own) {
        reading->buffer = rb_str_buf_new((long)reading->length);
        reading->position = 0;
    }
    VALUE object = reading->buffer;
    reading->lent = rota_bytes_lend_target(object, reading->length, reading->position);
    /* the kernel may count bytes that it does not copy */
    if (reading->request_flags & MSG_TRUNC) memset(reading->lent.memory, 0, reading->lent.length);
    int32_t result = read_lent(reading);
    long filled = result < 0 ? -1 : (long)received(reading, result);
    rota_bytes_return_target(&reading->lent, reading->position, filled);
    if (result < 0) rota_await_raise(reading->loop, result, reading->verb);
    RB_GC_GUARD(object);
    if (result == 0 && reading->length > 0 && rota_socket_has_end(reading->target.fd)) return Qnil;
    return own ? rota_bytes_shrink(object, reading->length) : INT2NUM(result);
}

VALUE rota_receive(rota_loop_t *loop, const rota_target_t *target, size_t length, const char *verb)
{
    struct reading reading = {
        .loop = loop,
        .verb = verb,
        .kind = ROTA_OP_RECV,
        .target = *target,
        .length = length,
        .buffer = Qnil,
        .offset = UINT64_MAX,
    };
    return perform(&reading);
}

static uint64_t offset_argument(VALUE value)
{
    if (NIL_P(value)) return UINT64_MAX;
    long long offset = NUM2LL(value);
    if (offset < 0) rb_raise(rb_eArgError, "negative offset %lld given", offset);
    return (uint64_t)offset;
}

/* call-seq: read(io, maxlen, buffer = nil, buffer_pos = 0, offset = nil) -> String, Integer or nil
 *
 * Reads what one transfer gives, at most +maxlen+ bytes, and waits until there is something. While
 * it waits the buffer is locked.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @param maxlen [Integer] bytes
 * @param buffer [String, IO::Buffer, nil] where to read to; a String ends behind the bytes read
 * @param buffer_pos [Integer] where in it; -1 is the end of a String
 * @param offset [Integer, nil] where in the file, in bytes; nil is the descriptor's own position
 * @return [String] the bytes (ASCII-8BIT) without a buffer
 * @return [Integer] how many, with a buffer
 * @return [nil] at the end
 * @raise [SystemCallError] the kernel's answer; +Errno::EISDIR+ for a directory ...
 * @raise [IOError] the io is closed, was closed meanwhile, or holds bytes in a buffer of its own
 * @raise [RuntimeError] the buffer is lent already */
static VALUE loop_read(int argc, VALUE *argv, VALUE self)
{
    VALUE io, maxlen, buffer, position, offset;
    rb_scan_args(argc, argv, "23", &io, &maxlen, &buffer, &position, &offset);
    rota_loop_t *loop = rota_loop_get(self);
    struct reading reading = {
        .loop = loop,
        .verb = "read",
        .kind = ROTA_OP_READ,
        .target = rota_target_unbuffered(loop, io),
        .length = rota_bytes_length(maxlen),
        .buffer = buffer,
        .position = NIL_P(position) ? 0 : NUM2LONG(position),
        .offset = offset_argument(offset),
    };
    return perform(&reading);
}

/* call-seq: recv(io, maxlen, buffer = nil, flags = 0) -> String, Integer or nil
 *
 * Receives from a socket what one transfer gives, at most +maxlen+ bytes.
 *
 * @param flags [Integer] +Socket::MSG_*+
 * @return as +read+; an empty datagram is an empty String, or 0
 * @raise as +read+; +Errno::ENOTSOCK+ for what is no socket */
static VALUE loop_recv(int argc, VALUE *argv, VALUE self)
{
    VALUE io, maxlen, buffer, flags;
    rb_scan_args(argc, argv, "22", &io, &maxlen, &buffer, &flags);
    rota_loop_t *loop = rota_loop_get(self);
    struct reading reading = {
        .loop = loop,
        .verb = "recv",
        .kind = ROTA_OP_RECV,
        .target = rota_target_unbuffered(loop, io),
        .length = rota_bytes_length(maxlen),
        .buffer = buffer,
        .request_flags = NIL_P(flags) ? 0 : NUM2UINT(flags),
        .offset = UINT64_MAX,
    };
    return perform(&reading);
}

void rota_init_read(VALUE loop_class)
{
    rb_define_method(loop_class, "read", loop_read, -1);
    rb_define_method(loop_class, "recv", loop_recv, -1);
}
