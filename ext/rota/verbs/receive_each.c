#include "verbs/receive_each.h"

#include "runtime/await.h"
#include "runtime/leftover.h"
#include "verbs/multishot.h"
#include "verbs/read.h"

/* One receive, where there are no provided buffers. */
#define PIECE_SIZE (16 * 1024)

static void give_back(rota_multishot_t *multishot, rota_shot_t *shot)
{
    multishot->loop->engine->api->shot_release(multishot->loop->engine, shot);
}

/* The buffer goes back before the block sees the bytes. */
static void yield_bytes(rota_multishot_t *multishot, rota_shot_t *shot)
{
    VALUE bytes = rb_str_new((const char *)shot->data, shot->length);
    give_back(multishot, shot);
    rb_yield(bytes);
}

static void keep_bytes(rota_multishot_t *multishot, rota_shot_t *shot)
{
    rota_leftover_keep(multishot->loop, &multishot->target, shot->data, shot->length);
    give_back(multishot, shot);
}

static void yield_copied(rota_multishot_t *multishot, VALUE bytes)
{
    (void)multishot;
    rb_yield(bytes);
}

static void keep_copied(rota_multishot_t *multishot, const uint8_t *bytes, size_t length)
{
    rota_leftover_keep(multishot->loop, &multishot->target, bytes, length);
}

static void yield_leftover(const rota_multishot_t *multishot)
{
    uint8_t bytes[4096];
    long length;
    while ((length = rota_leftover_take(multishot->loop, multishot->target.fd, bytes, sizeof bytes,
                                        false)) >= 0)
        rb_yield(rb_str_new((const char *)bytes, length));
}

static bool receives_many(const rota_loop_t *loop)
{
    return loop->engine->receives_many;
}

static void receive_one_by_one(VALUE io, rota_multishot_t *multishot)
{
    rota_loop_t *loop = multishot->loop;
    VALUE bytes;
    while (!NIL_P(bytes = rota_receive(loop, &multishot->target, PIECE_SIZE, multishot->verb))) {
        rb_yield(bytes);
        multishot->target = rota_target_unbuffered(loop, io); /* it may be closed now */
    }
}

/* call-seq: recv_each(io) { |bytes| } -> self
 *
 * Receives from a socket until the other end closes it, with one request for all of it, into the
 * loop's provided buffers. Bytes that came when the block was left (by break, or an exception) are
 * kept for the next verb that reads the io.
 *
 * @yieldparam bytes [String] what one transfer brought
 * @return [Rota::Loop]
 * @raise [SystemCallError] the kernel's answer
 * @raise [IOError] the io is closed, was closed meanwhile, or holds bytes in a buffer of its own */
static VALUE loop_recv_each(VALUE self, VALUE io)
{
    rb_need_block();
    rota_loop_t *loop = rota_loop_get(self);
    rota_multishot_t multishot = {
        .loop = loop,
        .verb = "recv_each",
        .target = rota_target_unbuffered(loop, io),
        .kind = ROTA_OP_RECV_MULTI,
        .each = yield_bytes,
        .unwanted = keep_bytes,
        .each_copied = yield_copied,
        .unwanted_copied = keep_copied,
    };
    yield_leftover(&multishot);
    multishot.target = rota_target_unbuffered(loop, io); /* it may be closed now */
    int32_t result = receives_many(loop) ? rota_multishot_run(&multishot) : -ENOSYS;
    if (result < 0 && receives_many(loop)) rota_await_raise(loop, result, multishot.verb);
    if (result < 0) receive_one_by_one(io, &multishot);
    return self;
}

void rota_init_receive_each(VALUE loop_class)
{
    rb_define_method(loop_class, "recv_each", loop_recv_each, 1);
}
