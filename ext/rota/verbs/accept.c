#include "verbs/accept.h"

#include "runtime/await.h"
#include "runtime/roots.h"
#include "verbs/call.h"
#include "verbs/multishot.h"

#include <sys/socket.h>
#include <unistd.h>

VALUE (*rota_accept_wrap)(rota_loop_t *loop, int fd);

#define ACCEPTED_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

/* An Integer in gives an Integer out; an object gives a Stream. */
static VALUE wrap(rota_loop_t *loop, const rota_target_t *target, int fd)
{
    return target->io ? rota_accept_wrap(loop, fd) : INT2NUM(fd);
}

static void take_listener(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 1, 1);
    call->target = rota_target(call->loop, argv[0]);
}

static void fill(rota_call_t *call, rota_op_t *op)
{
    op->kind = ROTA_OP_ACCEPT;
    rota_target_apply(&call->target, op);
    op->request_flags = ACCEPTED_FLAGS;
    rota_roots_set(op, Qfalse, call->target.io);
}

static bool absorb(rota_call_t *call, int32_t result)
{
    call->result = result;
    return result == ROTA_ENDED_EARLY && rota_call_look_again(call);
}

static VALUE finish(rota_call_t *call)
{
    if (call->failure) rota_call_raise_failure(call);
    if (call->result < 0) rota_await_raise(call->loop, call->result, call->verb->name);
    return wrap(call->loop, &call->target, call->result);
}

static const rota_verb_t accept_verb = {
    .name = "accept",
    .take = take_listener,
    .fill = fill,
    .absorb = absorb,
    .finish = finish,
    .drop = rota_call_close,
};

/* call-seq: accept(io) -> Rota::Stream or Integer
 *
 * Waits for a connection. Of several processes that share the socket the kernel tells one; if that
 * one was just killed, the others look within half a second, unless they wait in a chain. On the
 * epoll engine the socket is made non-blocking (O_NONBLOCK), for all processes that share it.
 *
 * @param io [IO, Integer] a listening socket
 * @return [Rota::Stream] owned by the caller; for an Integer, the connection's descriptor number
 * @raise [SystemCallError] +Errno::EMFILE+ when the process has no descriptor left ...
 * @raise [IOError] the socket was closed meanwhile */
static VALUE loop_accept(VALUE self, VALUE io)
{
    return rota_call_perform(self, &accept_verb, 1, &io);
}

static void yield_connection(rota_multishot_t *multishot, rota_shot_t *shot)
{
    int fd = shot->fd;
    multishot->loop->engine->api->shot_release(multishot->loop->engine, shot);
    rb_yield(wrap(multishot->loop, &multishot->target, fd));
}

static void yield_number(rota_multishot_t *multishot, rota_shot_t *shot)
{
    int fd = shot->fd;
    multishot->loop->engine->api->shot_release(multishot->loop->engine, shot);
    rb_yield(INT2NUM(fd));
}

static void close_connection(rota_multishot_t *multishot, rota_shot_t *shot)
{
    close(shot->fd);
    multishot->loop->engine->api->shot_release(multishot->loop->engine, shot);
}

static VALUE accept_each(VALUE self, VALUE io, void (*each)(rota_multishot_t *, rota_shot_t *))
{
    rb_need_block();
    rota_loop_t *loop = rota_loop_get(self);
    rota_multishot_t multishot = {
        .loop = loop,
        .verb = "accept_each",
        .target = rota_target(loop, io),
        .kind = ROTA_OP_ACCEPT_MULTI,
        .request_flags = ACCEPTED_FLAGS,
        .each = each,
        .unwanted = close_connection,
    };
    rota_await_raise(loop, rota_multishot_run(&multishot), "accept");
}

/* call-seq: accept_each(io) { |connection| }
 *
 * As +accept+, for ever, with one request for all connections. Those that came when the block was
 * left (by break, or an exception) are closed.
 *
 * What is said there of several processes, and of the socket on the epoll engine, holds here, too.
 *
 * @yieldparam connection [Rota::Stream, Integer] as +accept+ returns it
 * @raise as +accept+ */
static VALUE loop_accept_each(VALUE self, VALUE io)
{
    return accept_each(self, io, yield_connection);
}

/* For an object, too, yields numbers: the object alone knows that its own is another file's by now.
 *
 * @private */
static VALUE loop_accept_numbers(VALUE self, VALUE io)
{
    return accept_each(self, io, yield_number);
}

void rota_init_accept(VALUE loop_class)
{
    rb_define_method(loop_class, "accept", loop_accept, 1);
    rota_call_offer("accept", &accept_verb);
    rb_define_method(loop_class, "accept_each", loop_accept_each, 1);
    rb_define_method(loop_class, "__accept_numbers", loop_accept_numbers, 1);
}
