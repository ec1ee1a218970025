#include "verbs/read.h"

#include "runtime/await.h"
#include "runtime/bytes.h"
#include "runtime/error.h"
#include "runtime/roots.h"
#include "verbs/leftover.h"

#include <sys/socket.h>

/* A String that keeps less than one part in this many of what it asked for is shrunk. */
#define SHRINK_BELOW 2

/* The kernel moves no more at once, so room for more would be for nothing. */
#define TRANSFER_MAX 0x7ffff000

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

/* The fiber unwinds although bytes came: the next reader gets them. What was read at an offset was
 * taken from nobody. */
static void keep_bytes(rota_loop_t *loop, rota_op_t *op, void *data)
{
    struct reading *reading = data;
    if (reading->offset != UINT64_MAX || (reading->request_flags & MSG_PEEK)) return;
    rota_leftover_keep(loop, reading->target.fd, reading->lent.memory, (size_t)op->result);
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
    rota_wait_t wait = {reading->verb, reading->target.fd, keep_bytes, return_lent, reading, 0};
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
        size_t kept = rota_leftover_take(reading->loop, reading->target.fd, reading->lent.memory,
                                         reading->lent.length);
        if (kept) return (int32_t)kept;
    }
    VALUE result = rb_protect(read_protected, (VALUE)reading, &state);
    if (!state) return NUM2INT(result);
    if (reading->lent.object) return_lent(reading);
    rb_jump_tag(state);
}

static VALUE shrink(VALUE string, size_t asked, size_t got)
{
    if (got < asked / SHRINK_BELOW) rb_str_resize(string, (long)got);
    return string;
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
    int32_t result = read_lent(reading);
    rota_bytes_return_target(&reading->lent, reading->position, result);
    if (result < 0) rota_await_raise(reading->loop, result, reading->verb);
    RB_GC_GUARD(object);
    if (result == 0 && reading->length > 0) return Qnil;
    return own ? shrink(object, reading->length, (size_t)result) : INT2NUM(result);
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

static size_t length_argument(VALUE value)
{
    long length = NUM2LONG(value);
    if (length < 0) rb_raise(rb_eArgError, "negative length %ld given", length);
    return length < TRANSFER_MAX ? (size_t)length : TRANSFER_MAX;
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
        .length = length_argument(maxlen),
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
 * @return as +read+
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
        .length = length_argument(maxlen),
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
