#include "verbs/sendmsg.h"

#include "runtime/await.h"
#include "verbs/control.h"
#include "verbs/message.h"
#include "verbs/socket.h"

struct sending {
    rota_exchange_t exchange;
    VALUE source;
    VALUE address; /* a packed sockaddr, or nil */
};

static size_t length_of(VALUE string)
{
    return NIL_P(string) ? 0 : (size_t)RSTRING_LEN(string);
}

static void fill_in(struct sending *sending)
{
    rota_exchange_t *exchange = &sending->exchange;
    size_t name_length = length_of(sending->address);
    if (name_length > sizeof exchange->message->address)
        rb_raise(rb_eArgError, "an address of %zu bytes", name_length);
    rota_message_begin(exchange, length_of(exchange->control));
    rota_message_t *message = exchange->message;
    if (!name_length) return;
    memcpy(&message->address, RSTRING_PTR(sending->address), name_length);
    message->header.msg_name = &message->address;
    message->header.msg_namelen = (socklen_t)name_length;
}

static VALUE perform(VALUE data)
{
    struct sending *sending = (struct sending *)data;
    rota_exchange_t *exchange = &sending->exchange;
    fill_in(sending);
    exchange->lent = rota_bytes_lend_source(sending->source);
    rota_message_bytes(exchange, exchange->lent.memory, exchange->lent.length);
    int32_t result = rota_message_send(exchange);
    if (result < 0) rota_await_raise(exchange->loop, result, exchange->verb);
    return INT2NUM(result);
}

static VALUE finish(VALUE data)
{
    rota_message_end(&((struct sending *)data)->exchange);
    return Qnil;
}

/* call-seq: sendmsg(io, string, flags = 0, address = nil, *controls) -> Integer
 *
 * Sends one message: a datagram with its address, or bytes with control data.
 *
 * @param io [BasicSocket, Rota::Stream, Integer]
 * @param string [String, IO::Buffer, #to_s] locked while it is lent, or copied
 * @param flags [Integer] +Socket::MSG_*+; MSG_NOSIGNAL is always set
 * @param address [Addrinfo, String, nil] where to; a String is a packed sockaddr, nil for a
 *   connected socket
 * @param controls [Array<Socket::AncillaryData, Array(Integer, Integer, String)>] each an object,
 * or [level, type, data]
 * @return [Integer] bytes sent; a stream socket may take fewer than given, and then has the
 *   controls already
 * @raise [SystemCallError] +Errno::EMSGSIZE+ for a datagram that is too large ...
 * @raise [IOError] the io is closed, or was closed meanwhile */
static VALUE loop_sendmsg(int argc, VALUE *argv, VALUE self)
{
    VALUE io, string, flags, address, controls;
    rb_scan_args(argc, argv, "22*", &io, &string, &flags, &address, &controls);
    rota_loop_t *loop = rota_loop_get(self);
    struct sending sending = {
        .exchange = {.loop = loop,
                     .verb = "sendmsg",
                     .kind = ROTA_OP_SENDMSG,
                     .target = rota_target(loop, io),
                     .flags = (NIL_P(flags) ? 0 : NUM2UINT(flags)) | MSG_NOSIGNAL},
        .source = rota_bytes_is_buffer(string) ? string : rb_obj_as_string(string),
        .address = NIL_P(address) ? Qnil : rota_socket_address(address),
    };
    sending.exchange.control = rota_control_pack(controls);
    VALUE result = rb_ensure(perform, (VALUE)&sending, finish, (VALUE)&sending);
    RB_GC_GUARD(sending.address);
    RB_GC_GUARD(sending.exchange.control);
    RB_GC_GUARD(
        controls); /* may name descriptors, whose objects they keep until those are doubled */
    RB_GC_GUARD(sending.source);
    return result;
}

void rota_init_sendmsg(VALUE loop_class)
{
    rb_define_method(loop_class, "sendmsg", loop_sendmsg, -1);
}
