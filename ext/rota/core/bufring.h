/* Receive buffers that are chosen from when bytes arrive, by the kernel or by an engine that takes
 * its part, so that an idle connection holds none. One ring per loop; a buffer is consumed piece by
 * piece where the kernel can (incremental), whole elsewhere. The pool grows when receives starve
 * and shrinks when it is idle.
 *
 * A buffer is, at any time, exactly one of:
 *   provided  the kernel may write to it (incremental: behind `filled`)
 *   lent      the kernel is done with it; `segments` > 0 pieces are not yet given back
 *   spare     neither: its memory was returned to the system; its bid may be used again
 * Incremental buffers may be provided and have segments at once; such a buffer is provided again
 * only when the kernel is done with it *and* the last segment came back. */
#ifndef ROTA_BUFRING_H
#define ROTA_BUFRING_H

#include "base.h"

struct io_uring;
struct io_uring_buf_ring;

typedef struct rota_buffer {
    uint8_t *bytes;    /* NULL: spare */
    uint32_t filled;   /* incremental: bytes that the kernel wrote since it was provided */
    uint32_t segments; /* pieces handed out and not yet given back */
    bool provided;
} rota_buffer_t;

typedef struct rota_bufring {
    struct io_uring *ring;             /* NULL: the engine itself chooses the buffers */
    struct io_uring_buf_ring *entries; /* shared with the kernel */
    rota_buffer_t *buffers;            /* by bid; `capacity` of them */
    uint32_t capacity;                 /* entries of the ring: a power of two */
    uint32_t buffer_size;
    uint32_t count;  /* buffers that exist (not spare) */
    uint32_t target; /* how many there should be: grows on starvation, decays */
    uint32_t minimum;
    uint32_t provided; /* buffers that the kernel can still write to */
    uint32_t lent;     /* buffers with segments out */
    uint32_t fresh;    /* bids from here on never had memory */
    uint32_t bgid;
    uint32_t taken; /* without a ring: entries that were used up, ever */
    bool incremental;
    uint8_t *memory; /* address space for `capacity` buffers; the system backs what is touched */
} rota_bufring_t;

/* Registers (without `ring`: only makes) a buffer ring of `maximum` entries (rounded up to a power
 * of two, at most 32768) with `initial` buffers in it. 0 or -errno. */
int rota_bufring_open(rota_bufring_t *pool, struct io_uring *ring, uint32_t bgid, uint32_t initial,
                      uint32_t maximum, uint32_t buffer_size, bool incremental);
/* Unmaps everything. Only when the kernel uses none of it any more. */
void rota_bufring_close(rota_bufring_t *pool);
/* In a forked child, where none of the pool's memory was mapped: drops only the bookkeeping. */
void rota_bufring_forget(rota_bufring_t *pool);

/* Without a ring nobody but the caller takes buffers out of it: the buffer whose turn it is, and
 * how many bytes fit behind what it holds; NULL when none is left. What was written there is told
 * to rota_bufring_take before the next question. */
uint8_t *rota_bufring_front(const rota_bufring_t *pool, uint32_t *bid, uint32_t *room);

/* A completion of `length` bytes in buffer `bid`; `more`: the kernel keeps the rest of it. Gives
 * the address of the bytes and counts one segment. */
uint8_t *rota_bufring_take(rota_bufring_t *pool, uint32_t bid, uint32_t length, bool more);

/* Is it open? */
static inline bool rota_bufring_is_open(const rota_bufring_t *pool)
{
    return pool->buffers != NULL;
}

/* One segment of `bid` was copied out. Provides the buffer again when it was the last one. */
void rota_bufring_give_back(rota_bufring_t *pool, uint32_t bid);

/* A receive found no buffer: doubles the target up to the capacity. True when buffers were added.
 */
bool rota_bufring_grow(rota_bufring_t *pool);
/* Called now and then: lets the target sink towards the minimum; buffers beyond it go back to the
 * system as they return. */
void rota_bufring_decay(rota_bufring_t *pool);

/* Few buffers are left for the kernel: less than one in eight. */
bool rota_bufring_low(const rota_bufring_t *pool);

#endif
