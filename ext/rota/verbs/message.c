#include "verbs/message.h"

#include "runtime/await.h"
#include "runtime/road.h"
#include "runtime/roots.h"
#include "runtime/sleep.h"
#include "verbs/control.h"

/* How long a full receiver is left alone before it is tried again. */
#define TRY_FIRST_NS ROTA_NS_PER_MS
#define TRY_MAX_NS   (16 * ROTA_NS_PER_MS)

void rota_message_begin(rota_exchange_t *exchange, size_t control_room)
{
    rota_message_t *message = calloc(1, sizeof *message + control_room);
    if (!message) rb_memerror();
    message->header.msg_iov = &message->part;
    message->header.msg_iovlen = 1;
    message->header.msg_control = control_room ? message->control : NULL;
    message->header.msg_controllen = control_room;
    exchange->message = message;
}

void rota_message_bytes(rota_exchange_t *exchange, void *memory, size_t length)
{
    exchange->message->part = (struct iovec){.iov_base = memory, .iov_len = length};
}

static void give_back(rota_exchange_t *exchange)
{
    if (!exchange->lent.object) return;
    if (exchange->kind == ROTA_OP_SENDMSG)
        rota_bytes_return_source(&exchange->lent);
    else
        rota_bytes_return_target(&exchange->lent, 0, -1);
}

static void settled(void *data)
{
    give_back(data);
}

int32_t rota_message_exchange(rota_exchange_t *exchange)
{
    void *payload = NULL;
    rota_op_t *op = rota_await_op(exchange->loop, exchange->kind);
    rota_target_apply(&exchange->target, op);
    op->payload = exchange->message;
    op->memory = &exchange->message->header;
    op->request_flags = exchange->flags;
    rota_roots_set(op, exchange->lent.object, exchange->target.io);
    exchange->message = NULL;
    rota_wait_t wait = {.what = exchange->verb,
                        .fd = exchange->target.fd,
                        .unwanted = exchange->unwanted,
                        .settled = settled,
                        .data = exchange,
                        .payload = &payload};
    int32_t result = rota_await(exchange->loop, op, &wait);
    exchange->message = payload;
    return result;
}

/* --- sending ------------------------------------------------------------------------------ */

/* The message itself may be gone with its op when the duplicates are closed. */
static struct msghdr header_of(VALUE control)
{
    return (struct msghdr){.msg_control = RSTRING_PTR(control),
                           .msg_controllen = (size_t)RSTRING_LEN(control)};
}

static void copy_control(rota_exchange_t *exchange)
{
    if (!RTEST(exchange->control)) return;
    memcpy(exchange->message->control, RSTRING_PTR(exchange->control),
           (size_t)RSTRING_LEN(exchange->control));
}

/* The kernel looks descriptors up at each attempt, and their numbers may be other files' by then:
 * for one that waits it gets numbers that nobody else knows. */
static int32_t duplicate_descriptors(rota_exchange_t *exchange)
{
    if (!RTEST(exchange->control)) return 0;
    struct msghdr header = header_of(exchange->control);
    int32_t status = rota_control_duplicate(&header);
    exchange->duplicated = status == 0;
    copy_control(exchange);
    return status;
}

/* One attempt that cannot block; -EAGAIN: it would. */
static int32_t send_directly(const rota_exchange_t *exchange)
{
    int flags = (int)exchange->flags | MSG_DONTWAIT;
    ssize_t result = sendmsg(exchange->target.fd, &exchange->message->header, flags);
    if (result >= 0) return (int32_t)result;
    return errno == EINTR ? -EAGAIN : -errno;
}

static bool goes_to_path(const rota_exchange_t *exchange)
{
    const struct sockaddr *address = exchange->message->header.msg_name;
    return address && address->sa_family == AF_UNIX;
}

/* A UNIX socket that is not connected is always writable, whether or not there is room where its
 * datagrams go, and the kernel wakes nobody but those who block in it. */
static int32_t try_until_room(rota_exchange_t *exchange)
{
    bool waits = !(exchange->flags & MSG_DONTWAIT);
    uint64_t span_ns = TRY_FIRST_NS;
    exchange->flags |= MSG_DONTWAIT;
    for (;;) {
        int32_t result = rota_message_exchange(exchange);
        if (result != -EAGAIN || !waits) return result;
        rota_sleep_until(exchange->loop, rota_now_ns() + span_ns, exchange->verb, false);
        if (span_ns < TRY_MAX_NS) span_ns *= 2;
        rota_target_meet(exchange->loop, &exchange->target);
    }
}

int32_t rota_message_send(rota_exchange_t *exchange)
{
    int32_t result = -EAGAIN;
    rota_target_meet(exchange->loop, &exchange->target);
    copy_control(exchange);
    if (rota_road_prefers_call(exchange->loop, exchange->target.fd))
        result = send_directly(exchange);
    if (result != -EAGAIN) return result;
    exchange->loop->direct_in_a_row = 0;
    result = duplicate_descriptors(exchange);
    if (result < 0) return result;
    return goes_to_path(exchange) ? try_until_room(exchange) : rota_message_exchange(exchange);
}

void rota_message_end(rota_exchange_t *exchange)
{
    if (exchange->duplicated) {
        struct msghdr header = header_of(exchange->control);
        rota_control_close(&header);
    }
    give_back(exchange);
    free(exchange->message);
    exchange->message = NULL;
}
