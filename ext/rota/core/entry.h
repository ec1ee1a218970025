/* From an op to the entry of the submission queue that asks for it. */
#ifndef ROTA_ENTRY_H
#define ROTA_ENTRY_H

#include "buftab.h"
#include "op.h"

struct io_uring_sqe;

/* How this ring serves what kernels serve differently. */
typedef struct rota_entry_style {
    uint32_t buffer_size;  /* of the provided buffers */
    uint16_t buffer_group; /* where RECV_MULTI takes its buffers from */
    bool multishot_recv;   /* else RECV_MULTI is a one-shot that the engine arms again */
    bool multishot_accept; /* likewise */
    rota_buftab_t buffers; /* registered memory */
} rota_entry_style_t;

/* Fills the entry, user_data included. An op marked POLLING is asked for as a poll. */
void rota_entry_fill(struct io_uring_sqe *sqe, const rota_op_t *op,
                     const rota_entry_style_t *style);

/* A multishot op: does the engine arm it again after each completion, because the kernel does
 * not? */
bool rota_entry_rearms(const rota_op_t *op, const rota_entry_style_t *style);

#endif
