#include "verbs/accept.h"

#include "runtime/await.h"
#include "runtime/roots.h"
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

static void close_accepted(rota_loop_t *loop, rota_op_t *op, void *data)
{
    (void)loop;
    (void)data;
    close(op->result);
}

/* call-seq: accept(io) -> Rota::Stream or Integer
 *
 * Waits for a connection.
 *
 * @param io [IO, Integer] a listening socket
 * @return [Rota::Stream] owned by the caller; for an Integer, the connection's descriptor number
 * @raise [SystemCallError] +Errno::EMFILE+ when the process has no descriptor left ...
 * @raise [IOError] the socket was closed meanwhile */
static VALUE loop_accept(VALUE self, VALUE io)
{
    rota_loop_t *loop = rota_loop_get(self);
    rota_target_t target = rota_target(loop, io);
    rota_op_t *op = rota_await_op(loop, ROTA_OP_ACCEPT);
    rota_target_apply(&target, op);
    op->request_flags = ACCEPTED_FLAGS;
    rota_roots_set(op, Qfalse, target.io);
    rota_wait_t wait = {.what = "accept", .fd = target.fd, .unwanted = close_accepted};
    int32_t result = rota_await(loop, op, &wait);
    if (result < 0) rota_await_raise(loop, result, "accept");
    return wrap(loop, &target, result);
}

static void yield_connection(rota_multishot_t *multishot, rota_shot_t *shot)
{
    int fd = shot->fd;
    multishot->loop->engine->api->shot_release(multishot->loop->engine, shot);
    rb_yield(wrap(multishot->loop, &multishot->target, fd));
}

static void close_connection(rota_multishot_t *multishot, rota_shot_t *shot)
{
    close(shot->fd);
    multishot->loop->engine->api->shot_release(multishot->loop->engine, shot);
}

/* call-seq: accept_each(io) { |connection| }
 *
 * Accepts connections for ever, with one request for all of them. Connections that came when the
 * block was left (by break, or an exception) are closed.
 *
 * @yieldparam connection [Rota::Stream, Integer] as +accept+ returns it
 * @raise as +accept+ */
static VALUE loop_accept_each(VALUE self, VALUE io)
{
    rb_need_block();
    rota_loop_t *loop = rota_loop_get(self);
    rota_multishot_t multishot = {
        .loop = loop,
        .verb = "accept_each",
        .target = rota_target(loop, io),
        .kind = ROTA_OP_ACCEPT_MULTI,
        .request_flags = ACCEPTED_FLAGS,
        .each = yield_connection,
        .unwanted = close_connection,
    };
    rota_await_raise(loop, rota_multishot_run(&multishot), "accept");
}

void rota_init_accept(VALUE loop_class)
{
    rb_define_method(loop_class, "accept", loop_accept, 1);
    rb_define_method(loop_class, "accept_each", loop_accept_each, 1);
}
