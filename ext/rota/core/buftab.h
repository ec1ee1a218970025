/* Registered buffers: memory whose pages the kernel holds for as long as it is registered, so that
 * an op in it spares the kernel looking them up. Which op lies in which is found by its address.
 *
 * Memory must leave the table before it is unmapped: what is mapped at the same address later would
 * be read and written in the old pages. */
#ifndef ROTA_BUFTAB_H
#define ROTA_BUFTAB_H

#include "base.h"

enum { ROTA_BUFTAB_SIZE = 64 };

struct io_uring;

typedef struct rota_buftab {
    struct io_uring *ring; /* NULL: the table was not wanted yet */
    struct {
        const uint8_t *memory; /* NULL: free */
        size_t size;
    } entries[ROTA_BUFTAB_SIZE];
    uint32_t used;
} rota_buftab_t;

/* Registers memory: its place, or -errno (-ENFILE: the table is full; -ENOMEM: more than
 * RLIMIT_MEMLOCK allows). */
int rota_buftab_hold(rota_buftab_t *table, struct io_uring *ring, const void *memory, size_t size);
void rota_buftab_drop(rota_buftab_t *table, int place);

/* Where the bytes lie, or -1. */
int rota_buftab_find(const rota_buftab_t *table, const void *memory, size_t length);

#endif
