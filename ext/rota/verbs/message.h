/* One sendmsg or recvmsg: the block of memory that the kernel reads and writes besides the bytes,
 * which is the op's payload while it is in flight, and the wait for it. */
#ifndef ROTA_MESSAGE_H
#define ROTA_MESSAGE_H

#include "runtime/bytes.h"
#include "runtime/descriptor.h"

#include <sys/socket.h>

typedef struct rota_message {
    struct msghdr header;
    struct iovec part;
    struct sockaddr_storage address;
    uint8_t byte; /* what a descriptor travels with */
    struct cmsghdr control[];
} rota_message_t;

/* From its arguments to its result. */
typedef struct rota_exchange {
    rota_loop_t *loop;
    const char *verb;
    rota_target_t target;
    rota_op_kind_t kind;     /* SENDMSG or RECVMSG */
    uint32_t flags;          /* MSG_* */
    rota_message_t *message; /* owned, but while the op is in flight */
    VALUE control;           /* SENDMSG: packed, a String of its own; nil or Qfalse: none */
    bool duplicated;         /* it names duplicates */
    rota_lent_t lent;        /* the bytes, when they are not the message's own */
    /* As rota_wait_t.unwanted, with the exchange as data; the message is the op's payload. */
    void (*unwanted)(rota_loop_t *loop, rota_op_t *op, void *exchange);
} rota_exchange_t;

/* Makes the message, with so much room for control data. NoMemoryError. */
void rota_message_begin(rota_exchange_t *exchange, size_t control_room);

/* Names `length` bytes at `memory` as what is sent, or where to receive. */
void rota_message_bytes(rota_exchange_t *exchange, void *memory, size_t length);

/* Waits for it. The result, or -errno; the message is the exchange's again. */
int32_t rota_message_exchange(rota_exchange_t *exchange);

/* The same for SENDMSG, with its control data, and at once when it can be. */
int32_t rota_message_send(rota_exchange_t *exchange);

/* Frees the message, closes duplicates, and gives back lent bytes; for rb_ensure. */
void rota_message_end(rota_exchange_t *exchange);

#endif
