#include "verbs/connect.h"

#include "runtime/await.h"
#include "runtime/roots.h"
#include "verbs/socket.h"

/* call-seq: connect(io, address) -> 0
 *
 * Connects a socket.
 *
 * @param io [Socket, Rota::Stream, Integer]
 * @param address [Addrinfo, String] where to; a String is a packed sockaddr
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::ECONNREFUSED+ ... */
static VALUE loop_connect(VALUE self, VALUE io, VALUE address)
{
    rota_loop_t *loop = rota_loop_get(self);
    rota_target_t target = rota_target(loop, io);
    address = rota_socket_address(address);
    rota_op_t *op = rota_await_op(loop, ROTA_OP_CONNECT);
    op->payload = malloc((size_t)RSTRING_LEN(address) + 1);
    if (!op->payload) {
        rota_engine_release(loop->engine, op);
        rb_memerror();
    }
    op->length = (uint32_t)RSTRING_LEN(address);
    op->memory = memcpy(op->payload, RSTRING_PTR(address), op->length);
    rota_target_apply(&target, op);
    rota_roots_set(op, Qfalse, target.io);
    rota_wait_t wait = {.what = "connect", .fd = target.fd};
    int32_t result = rota_await(loop, op, &wait);
    if (result < 0) rota_await_raise(loop, result, "connect");
    return INT2FIX(0);
}

void rota_init_connect(VALUE loop_class)
{
    rb_define_method(loop_class, "connect", loop_connect, 2);
}
