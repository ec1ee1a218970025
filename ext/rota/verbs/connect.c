#include "verbs/connect.h"

#include "runtime/roots.h"
#include "verbs/call.h"
#include "verbs/socket.h"

static void take(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 2, 2);
    call->target = rota_target(call->loop, argv[0]);
    call->object = rb_str_new_frozen(rota_socket_address(argv[1]));
}

/* The kernel reads the address when the entry is submitted, and the helpers of the other engine
 * whenever they come to it: it is pinned until then. */
static void fill(rota_call_t *call, rota_op_t *op)
{
    op->kind = ROTA_OP_CONNECT;
    rota_target_apply(&call->target, op);
    op->memory = RSTRING_PTR(call->object);
    op->length = (uint32_t)RSTRING_LEN(call->object);
    rota_roots_set(op, call->object, call->target.io);
}

static const rota_verb_t connect_verb = {
    .name = "connect",
    .take = take,
    .fill = fill,
    .finish = rota_call_number,
};

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
    VALUE arguments[] = {io, address};
    return rota_call_perform(self, &connect_verb, 2, arguments);
}

void rota_init_connect(VALUE loop_class)
{
    rb_define_method(loop_class, "connect", loop_connect, 2);
    rota_call_offer("connect", &connect_verb);
}
