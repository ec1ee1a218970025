/* One request, many results: what accept_each and recv_each share. */
#ifndef ROTA_MULTISHOT_H
#define ROTA_MULTISHOT_H

#include "runtime/descriptor.h"

typedef struct rota_multishot {
    rota_loop_t *loop;
    const char *verb;
    rota_target_t target;
    rota_op_kind_t kind; /* RECV_MULTI or ACCEPT_MULTI */
    uint32_t request_flags;
    /* Called for each result, in order; may raise, break, park. Gives back the shot. */
    void (*each)(struct rota_multishot *multishot, rota_shot_t *shot);
    /* A result that nobody takes any more. */
    void (*unwanted)(struct rota_multishot *multishot, rota_shot_t *shot);
    /* The same for bytes that were copied out because provided buffers ran low; they come before
     * the shots. Only for RECV_MULTI. */
    void (*each_copied)(struct rota_multishot *multishot, VALUE bytes);
    void (*unwanted_copied)(struct rota_multishot *multishot, const uint8_t *bytes, size_t length);

    rota_op_t *op;     /* NULL: not armed */
    rota_list_t shots; /* taken off the op, not yet handed out */
    rota_park_t *park; /* the task waits */
    int32_t result;    /* the final one, when op is NULL */
    rota_receiver_t receiver;
    bool starved;   /* waits for buffers */
    bool held_back; /* ended because too much waits for the block */
    size_t held;    /* weight of `shots` and `copied` */
    uint8_t *copied;
    size_t copied_length, copied_capacity;
} rota_multishot_t;

/* Hands out results until the end: 0 (end of file) or -errno. Arms again whenever the kernel ends
 * the request without an error. Raises interrupts and whatever `each` raises; the request is
 * cancelled then and awaited, and results that came are given to `unwanted`. */
int32_t rota_multishot_run(rota_multishot_t *multishot);

#endif
