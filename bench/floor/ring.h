/* The ring of the io_uring floors: the fastest set-up that liburing 2.3 can ask for. */
#ifndef ROTA_BENCH_RING_H
#define ROTA_BENCH_RING_H

#include "floor.h"

#include <liburing.h>

static inline void ring_open(struct io_uring *ring, unsigned entries)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE,
        .cq_entries = entries * 4,
    };
    check_uring(io_uring_queue_init_params(entries, ring, &params), "io_uring_queue_init");
    check_uring(io_uring_register_ring_fd(ring), "io_uring_register_ring_fd");
}

/* An entry; a full submission queue is submitted first. */
static inline struct io_uring_sqe *ring_entry(struct io_uring *ring, uint64_t *enters)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (sqe) return sqe;
    check_uring(io_uring_submit(ring), "io_uring_submit");
    (*enters)++;
    sqe = io_uring_get_sqe(ring);
    if (!sqe) die("io_uring_get_sqe", EBUSY);
    return sqe;
}

#endif
