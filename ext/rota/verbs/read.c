#include "verbs/read.h"

#include "runtime/await.h"
#include "runtime/bytes.h"
#include "runtime/error.h"
#include "runtime/leftover.h"
#include "runtime/roots.h"
#include "verbs/call.h"
#include "verbs/socket.h"

#include <sys/socket.h>

/* Of a call: `object` is the caller's String or IO::Buffer, or nil: a new String; `step` is where
 * the bytes come from. */

static bool is_own(const rota_call_t *call)
{
    return NIL_P(call->object);
}

static bool begin(rota_call_t *call)
{
    VALUE object = call->object;
    if (is_own(call)) {
        object = rb_str_buf_new((long)call->length);
        call->position = 0;
    }
    call->lent = rota_bytes_lend_target(object, call->length, call->position);
    /* the kernel may count bytes that it does not copy */
    if (call->request_flags & MSG_TRUNC) memset(call->lent.memory, 0, call->lent.length);
    if (call->offset != UINT64_MAX) return true;
    long kept = rota_leftover_take(call->loop, call->target.fd, call->lent.memory,
                                   call->lent.length, call->request_flags & MSG_PEEK);
    if (kept < 0) return true;
    call->result = (int32_t)kept;
    call->step = ROTA_FROM_LEFTOVER;
    return false;
}

/* The part of the bytes that is there: with MSG_TRUNC the kernel says how long the message was. */
static size_t received(const rota_call_t *call)
{
    size_t length = call->lent.length;
    return (size_t)call->result < length ? (size_t)call->result : length;
}

static void fill(rota_call_t *call, rota_op_t *op)
{
    op->kind = call->kind;
    rota_target_apply(&call->target, op);
    op->memory = call->lent.memory;
    op->length = (uint32_t)call->lent.length;
    op->offset = call->offset;
    op->request_flags = call->kind == ROTA_OP_READ ? call->target.hint : call->request_flags;
    rota_roots_set(op, call->lent.object, call->target.io);
}

static VALUE finish(rota_call_t *call)
{
    VALUE object = call->lent.object;
    int32_t result = call->result;
    long filled = result < 0 ? -1 : (long)received(call);
    rota_bytes_return_target(&call->lent, call->position, filled);
    if (result < 0) rota_await_raise(call->loop, result, call->verb->name);
    if (result == 0 && call->length > 0 && rota_socket_has_end(call->target.fd)) return Qnil;
    return is_own(call) ? rota_bytes_shrink(object, call->length) : INT2NUM(result);
}

void rota_read_keep(const rota_call_t *call, VALUE bytes)
{
    bool message = rota_socket_has_messages(call->target.fd);
    VALUE taken = message ? rb_ary_new_from_args(3, bytes, Qnil, INT2FIX(0)) : bytes;
    if (call->step == ROTA_FROM_LEFTOVER) {
        rota_leftover_put_back(call->loop, &call->target, taken);
    } else if (message) {
        rota_leftover_keep_message(call->loop, &call->target, taken);
    } else {
        rota_leftover_keep(call->loop, &call->target, (const uint8_t *)RSTRING_PTR(bytes),
                           (size_t)RSTRING_LEN(bytes));
    }
    RB_GC_GUARD(bytes);
}

/* What was read at an offset was taken from nobody. */
static void drop(rota_call_t *call)
{
    if (!call->lent.object) return;
    bool taken = call->offset == UINT64_MAX && !(call->request_flags & MSG_PEEK);
    if (call->result >= 0 && taken)
        rota_read_keep(call, rb_str_new((const char *)call->lent.memory, (long)received(call)));
    rota_bytes_return_target(&call->lent, call->position, -1);
}

static bool is_short(const rota_call_t *call)
{
    return (size_t)call->result < call->lent.length;
}

static void take_read(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 2, 5);
    VALUE buffer = argc > 2 ? argv[2] : Qnil, position = argc > 3 ? argv[3] : Qnil;
    VALUE offset = argc > 4 ? argv[4] : Qnil;
    call->kind = ROTA_OP_READ;
    call->length = rota_bytes_length(argv[1]);
    call->object = buffer;
    call->position = NIL_P(position) ? 0 : NUM2LONG(position);
    if (!NIL_P(offset)) call->offset = rota_bytes_offset(offset);
    call->target = rota_target_unbuffered(call->loop, argv[0]); /* to_int may have closed it */
    call->tries = NIL_P(offset) && call->length && rota_target_tries(&call->target);
}

static void take_pread(rota_call_t *call, int argc, const VALUE *argv)
{
    VALUE io, maxlen, offset, buffer, position;
    rb_scan_args(argc, argv, "32", &io, &maxlen, &offset, &buffer, &position);
    call->kind = ROTA_OP_READ;
    call->length = rota_bytes_length(maxlen);
    call->object = buffer;
    call->position = NIL_P(position) ? 0 : NUM2LONG(position);
    call->offset = rota_bytes_offset(offset);
    call->target = rota_target(call->loop, io);
}

static void take_recv(rota_call_t *call, int argc, const VALUE *argv)
{
    VALUE io, maxlen, buffer, flags;
    rb_scan_args(argc, argv, "22", &io, &maxlen, &buffer, &flags);
    call->kind = ROTA_OP_RECV;
    call->length = rota_bytes_length(maxlen);
    call->object = buffer;
    call->request_flags = NIL_P(flags) ? 0 : NUM2UINT(flags);
    call->target = rota_target_unbuffered(call->loop, io);
    call->tries = call->request_flags == 0 && call->length;
}

static const rota_verb_t read_verb = {
    .name = "read",
    .take = take_read,
    .begin = begin,
    .fill = fill,
    .finish = finish,
    .drop = drop,
    .is_short = is_short,
};

static const rota_verb_t pread_verb = {
    .name = "pread",
    .take = take_pread,
    .begin = begin,
    .fill = fill,
    .finish = finish,
    .drop = drop,
    .is_short = is_short,
};

/* A chain does not end at a short one: the kernel goes on behind it. */
static const rota_verb_t recv_verb = {
    .name = "recv",
    .take = take_recv,
    .begin = begin,
    .fill = fill,
    .finish = finish,
    .drop = drop,
};

VALUE rota_receive(rota_loop_t *loop, const rota_target_t *target, size_t length, const char *verb)
{
    rota_verb_t named = recv_verb;
    named.name = verb;
    rota_call_t call = {
        .verb = &named,
        .loop = loop,
        .target = *target,
        .kind = ROTA_OP_RECV,
        .length = length,
        .object = Qnil,
        .offset = UINT64_MAX,
    };
    return rota_call_run(&call);
}

size_t rota_read_into(rota_loop_t *loop, const rota_target_t *target, VALUE string, size_t length,
                      uint64_t offset, const char *verb)
{
    rota_verb_t named = read_verb;
    named.name = verb;
    rota_call_t call = {
        .verb = &named,
        .loop = loop,
        .target = *target,
        .kind = ROTA_OP_READ,
        .length = length,
        .object = string,
        .offset = offset,
    };
    VALUE count = rota_call_run(&call);
    return NIL_P(count) ? 0 : NUM2SIZET(count);
}

ROTA_FLAT static VALUE loop_read(int argc, VALUE *argv, VALUE self);

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
    return rota_call_perform_known(self, &read_verb, argc, argv);
}

/* call-seq: pread(io, maxlen, offset, buffer = nil, buffer_pos = 0) -> String, Integer or nil
 *
 * Reads at a place of a file, and leaves the descriptor's own position where it is. Of a file fewer
 * bytes come only at its end.
 *
 * @param io [IO, Rota::Stream, Integer] also a stream that buffers: its bytes are left alone
 * @param maxlen [Integer] bytes
 * @param offset [Integer] where in the file, in bytes
 * @param buffer [String, IO::Buffer, nil] where to read to, as +read+
 * @param buffer_pos [Integer] where in it; -1 is the end of a String
 * @return as +read+
 * @raise as +read+; +Errno::ESPIPE+ for what has no places */
static VALUE loop_pread(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &pread_verb, argc, argv);
}

/* call-seq: read_each(io, maxlen = 16384) { |bytes| } -> self
 *
 * Yields what each transfer brings, as +read+ gives it, until the end.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @param maxlen [Integer] bytes of one transfer, at most
 * @yieldparam bytes [String]
 * @return [Rota::Loop]
 * @raise as +read+ */
static VALUE loop_read_each(int argc, VALUE *argv, VALUE self)
{
    VALUE io, maxlen, bytes;
    rb_scan_args(argc, argv, "11", &io, &maxlen);
    rb_need_block();
    VALUE arguments[] = {io, NIL_P(maxlen) ? INT2FIX(16384) : maxlen};
    if (rota_bytes_length(arguments[1]) == 0) rb_raise(rb_eArgError, "maxlen must be positive");
    while (!NIL_P(bytes = rota_call_perform(self, &read_verb, 2, arguments))) rb_yield(bytes);
    return self;
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
    return rota_call_perform(self, &recv_verb, argc, argv);
}

void rota_init_read(VALUE loop_class)
{
    rb_define_method(loop_class, "read", loop_read, -1);
    rb_define_method(loop_class, "pread", loop_pread, -1);
    rb_define_method(loop_class, "read_each", loop_read_each, -1);
    rb_define_method(loop_class, "recv", loop_recv, -1);
    rota_call_offer("read", &read_verb);
    rota_call_offer("pread", &pread_verb);
    rota_call_offer("recv", &recv_verb);
}
