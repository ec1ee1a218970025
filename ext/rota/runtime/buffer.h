/* Rota::Buffer: page-aligned memory that a loop registers with the kernel where it can.
 *
 * The memory lives as long as the Buffer, its slices, and ops in flight in it. It leaves the
 * kernel's table before it is unmapped: a Buffer that is collected leaves its memory to its loop.
 */
#ifndef ROTA_BUFFER_H
#define ROTA_BUFFER_H

#include "runtime/loop.h"

typedef struct rota_memory {
    uint8_t *memory;
    size_t size;
    VALUE whole; /* a slice: the Buffer that owns the memory; else Qfalse */
    /* of a whole one */
    rota_list_t link;  /* rota_loop.buffers while registered */
    rota_loop_t *loop; /* NULL: not registered */
    int place;
    bool lost; /* the kernel may still write to it although its loop is gone: never unmapped */
} rota_memory_t;

extern const rb_data_type_t rota_memory_type;

bool rota_is_buffer(VALUE object);

/* In the turn: takes memory that was left by collected Buffers off the table, and unmaps it. */
void rota_buffers_bury(rota_loop_t *loop);

/* The loop ends: nothing is registered any more. `lost`: the kernel still owns some of it. */
void rota_buffers_leave(rota_loop_t *loop, bool lost);

/* In a forked child, async-signal-safe: what the parent registered is plain memory here. */
void rota_buffers_forsake(rota_loop_t *loop);

void rota_init_buffer(VALUE module, VALUE loop_class);

#endif
