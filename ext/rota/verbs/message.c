#include "verbs/message.h"

#include "runtime/await.h"
#include "runtime/roots.h"

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
    rota_roots_set(op, exchange->lent.object, exchange->kept);
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

void rota_message_end(rota_exchange_t *exchange)
{
    give_back(exchange);
    free(exchange->message);
    exchange->message = NULL;
}
