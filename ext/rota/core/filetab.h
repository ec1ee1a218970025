/* The registered file table: a sparse table in the kernel whose entries spare an op the look-up of
 * its descriptor. Entries are taken and dropped in memory; the kernel is told in batches, by
 * rota_filetab_flush, before the next submission.
 *
 * An entry keeps its file open after close(2): the owner of a slot drops it when it closes. */
#ifndef ROTA_FILETAB_H
#define ROTA_FILETAB_H

#include "base.h"

struct io_uring;

typedef struct rota_filetab {
    struct io_uring *ring;
    int32_t *fds;      /* what each entry holds, or shall hold after the next flush; -1: nothing */
    uint32_t *free;    /* stack of free entries */
    uint32_t *dirty;   /* entries that the kernel has not been told of */
    uint8_t *is_dirty; /* by entry */
    uint32_t size, free_count, dirty_count;
    uint32_t fresh; /* entries from here on were never used */
} rota_filetab_t;

/* A sparse table of `size` entries. 0 or -errno. */
int rota_filetab_open(rota_filetab_t *table, struct io_uring *ring, uint32_t size);
void rota_filetab_close(rota_filetab_t *table);
/* The same without telling the kernel: for a table whose ring is gone. */
void rota_filetab_forget(rota_filetab_t *table);

/* A slot for the descriptor, or -ENFILE when the table is full. */
int rota_filetab_hold(rota_filetab_t *table, int fd);
/* The slot's file leaves the table at the next flush; only then is the slot free again. */
void rota_filetab_drop(rota_filetab_t *table, int slot);

/* Tells the kernel of all changes, one system call per run of neighbours (*calls counts them).
 * 0, or -errno of the first update that failed; entries that failed are empty. */
int rota_filetab_flush(rota_filetab_t *table, uint64_t *calls);

static inline bool rota_filetab_dirty(const rota_filetab_t *table)
{
    return table->dirty_count != 0;
}

static inline uint32_t rota_filetab_used(const rota_filetab_t *table)
{
    return table->size - table->free_count;
}

#endif
