#include "verbs/recvmsg.h"

#include "runtime/await.h"
#include "runtime/leftover.h"
#include "verbs/control.h"
#include "verbs/message.h"
#include "verbs/socket.h"

/* More control data than the kernel ever gives. */
#define CONTROL_MAX (64 * 1024)

static VALUE cAddrinfo;

struct receiving {
    rota_exchange_t exchange;
    VALUE buffer; /* the caller's String or IO::Buffer; nil: a new String */
    size_t length;
    size_t control_room;
};

/* The part of the bytes that is there: with MSG_TRUNC the kernel says how long the message was. */
static size_t received(const struct receiving *receiving, int32_t result)
{
    size_t length = receiving->exchange.lent.length;
    return (size_t)result < length ? (size_t)result : length;
}

static VALUE sockaddr_of(const struct msghdr *header)
{
    return header->msg_namelen ? rb_str_new(header->msg_name, (long)header->msg_namelen) : Qnil;
}

/* The fiber unwinds although a message came: the next one who receives gets it, but for its control
 * data. */
static void keep_message(rota_loop_t *loop, rota_op_t *op, void *data)
{
    struct receiving *receiving = data;
    const rota_exchange_t *exchange = &receiving->exchange;
    const struct msghdr *header = op->memory;
    size_t length = received(receiving, op->result);

    rota_control_close(header);
    if (exchange->flags & MSG_PEEK) return;
    if (!rota_socket_has_messages(exchange->target.fd)) {
        rota_leftover_keep(loop, &exchange->target, exchange->lent.memory, length);
        return;
    }
    int flags = header->msg_flags | (header->msg_controllen ? MSG_CTRUNC : 0);
    rota_leftover_keep_message(
        loop, &exchange->target,
        rb_ary_new_from_args(3, rb_str_new((const char *)exchange->lent.memory, (long)length),
                             sockaddr_of(header), INT2NUM(flags)));
}

static VALUE addrinfo_of(VALUE sockaddr, int fd)
{
    if (NIL_P(sockaddr)) return Qnil;
    int type = rota_socket_type(fd);
    return rb_funcall(cAddrinfo, rb_intern("new"), 3, sockaddr, INT2NUM(rota_socket_family(fd)),
                      INT2NUM(type < 0 ? 0 : type));
}

/* [bytes, address, flags] in the form of the verb's result. */
static VALUE result_array(const struct receiving *receiving, VALUE bytes, VALUE sockaddr, int flags)
{
    int shown = flags & ~(int)MSG_CMSG_CLOEXEC;
    return rb_ary_new_from_args(3, bytes, addrinfo_of(sockaddr, receiving->exchange.target.fd),
                                INT2NUM(shown));
}

/* What was kept of an unwound receive: as if the kernel gave it now. Nil: nothing was. */
static VALUE receive_kept(struct receiving *receiving)
{
    rota_exchange_t *exchange = &receiving->exchange;
    rota_lent_t *lent = &exchange->lent;
    bool peek = exchange->flags & MSG_PEEK;
    VALUE sockaddr = Qnil;
    int flags = 0;
    VALUE message = rota_leftover_message(exchange->loop, exchange->target.fd);
    if (!NIL_P(message)) {
        sockaddr = RARRAY_AREF(message, 1);
        flags = NUM2INT(RARRAY_AREF(message, 2));
        if ((size_t)RSTRING_LEN(RARRAY_AREF(message, 0)) > lent->length) flags |= MSG_TRUNC;
    }
    long length =
        rota_leftover_take(exchange->loop, exchange->target.fd, lent->memory, lent->length, peek);
    if (length < 0) return Qnil;
    rota_bytes_return_target(lent, 0, length);
    VALUE bytes = NIL_P(receiving->buffer) ? Qnil : LONG2NUM(length);
    return result_array(receiving, bytes, sockaddr, flags);
}

static VALUE receive_new(struct receiving *receiving)
{
    rota_exchange_t *exchange = &receiving->exchange;
    rota_message_t *message = exchange->message;
    message->header.msg_name = &message->address;
    message->header.msg_namelen = sizeof message->address;
    rota_message_bytes(exchange, exchange->lent.memory, exchange->lent.length);
    int32_t result = rota_message_exchange(exchange);
    if (result < 0) rota_await_raise(exchange->loop, result, exchange->verb);

    const struct msghdr *header = &exchange->message->header;
    size_t asked = exchange->lent.length, length = received(receiving, result);
    bool ended = result == 0 && asked > 0 && rota_socket_has_end(exchange->target.fd);
    rota_bytes_return_target(&exchange->lent, 0, (long)length);
    VALUE controls = rota_control_unpack(header, rota_socket_family(exchange->target.fd));
    if (ended) return Qfalse;
    VALUE bytes = NIL_P(receiving->buffer) ? Qnil : INT2NUM(result);
    VALUE found = result_array(receiving, bytes, sockaddr_of(header), header->msg_flags);
    return rb_ary_concat(found, controls);
}

static VALUE perform(VALUE data)
{
    struct receiving *receiving = (struct receiving *)data;
    rota_exchange_t *exchange = &receiving->exchange;
    VALUE target = receiving->buffer;
    rota_target_meet(exchange->loop, &exchange->target);
    rota_message_begin(exchange, receiving->control_room);
    if (NIL_P(target)) target = rb_str_buf_new((long)receiving->length);
    exchange->lent = rota_bytes_lend_target(target, receiving->length, 0);
    if (exchange->flags & MSG_TRUNC) memset(exchange->lent.memory, 0, exchange->lent.length);
    VALUE found = receive_kept(receiving);
    if (NIL_P(found)) found = receive_new(receiving);
    if (!RTEST(found)) return Qnil;
    if (NIL_P(receiving->buffer))
        rb_ary_store(found, 0, rota_bytes_shrink(target, receiving->length));
    return found;
}

static VALUE finish(VALUE data)
{
    rota_message_end(&((struct receiving *)data)->exchange);
    return Qnil;
}

static size_t control_room(VALUE value)
{
    long room = NIL_P(value) ? 0 : NUM2LONG(value);
    if (room < 0 || room > CONTROL_MAX)
        rb_raise(rb_eArgError, "room for %ld bytes of control data", room);
    return (size_t)room;
}

/* call-seq: recvmsg(io, maxlen, buffer = nil, flags = 0, max_control = 0) -> Array or nil
 *
 * Receives one message with what belongs to it.
 *
 * The flags say what was lost: +Socket::MSG_TRUNC+ that a datagram was longer than +maxlen+,
 * +Socket::MSG_CTRUNC+ that there was more control data than +max_control+. Descriptors that come
 * as control data are CLOEXEC, and closed with the objects that +unix_rights+ gives; without room
 * for them they are closed at once.
 *
 * @param io [BasicSocket, Rota::Stream, Integer]
 * @param maxlen [Integer] bytes
 * @param buffer [String, IO::Buffer, nil] where to receive to; a String ends behind the bytes
 * @param flags [Integer] +Socket::MSG_*+
 * @param max_control [Integer] bytes of control data, with the headers of each
 * @return [Array(String, Addrinfo, Integer, *Socket::AncillaryData)] the bytes (binary; with a
 *   buffer their number, and with MSG_TRUNC among the flags the number that was sent), the sender
 *   (nil where the kernel names none: connected streams, unnamed UNIX sockets), the flags of the
 *   message (+Socket::MSG_*+), and control data
 * @return [nil] at the end of a connection
 * @raise [SystemCallError] the kernel's answer
 * @raise [IOError] the io is closed, was closed meanwhile, or holds bytes in a buffer of its own */
static VALUE loop_recvmsg(int argc, VALUE *argv, VALUE self)
{
    VALUE io, maxlen, buffer, flags, max_control;
    rb_scan_args(argc, argv, "23", &io, &maxlen, &buffer, &flags, &max_control);
    rota_loop_t *loop = rota_loop_get(self);
    struct receiving receiving = {
        .exchange = {.loop = loop,
                     .verb = "recvmsg",
                     .kind = ROTA_OP_RECVMSG,
                     .target = rota_target_unbuffered(loop, io),
                     .flags = (NIL_P(flags) ? 0 : NUM2UINT(flags)) | MSG_CMSG_CLOEXEC,
                     .unwanted = keep_message},
        .buffer = buffer,
        .length = rota_bytes_length(maxlen),
        .control_room = control_room(max_control),
    };
    return rb_ensure(perform, (VALUE)&receiving, finish, (VALUE)&receiving);
}

void rota_init_recvmsg(VALUE loop_class)
{
    cAddrinfo = rb_path2class("Addrinfo");
    rb_gc_register_mark_object(cAddrinfo);
    rb_define_method(loop_class, "recvmsg", loop_recvmsg, -1);
}
