/* The ring of the io_uring floors: the fastest set-up that liburing 2.3 can ask for. */
#ifndef ROTA_BENCH_RING_H
#define ROTA_BENCH_RING_H

#include "floor.h"

#include <liburing.h>
#include <stdbool.h>
#include <sys/socket.h>

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

/* For a registered file that is a pipe or a socket. Of a socket RECV and SEND are the shorter way.
 */
static inline void ring_prep_read(struct io_uring_sqe *sqe, bool socket, int slot, char *bytes,
                                  unsigned length)
{
    if (socket)
        io_uring_prep_recv(sqe, slot, bytes, length, 0);
    else
        io_uring_prep_read(sqe, slot, bytes, length, 0);
    sqe->flags |= IOSQE_FIXED_FILE;
}

static inline void ring_prep_write(struct io_uring_sqe *sqe, bool socket, int slot,
                                   const char *bytes, unsigned length)
{
    if (socket)
        io_uring_prep_send(sqe, slot, bytes, length, MSG_NOSIGNAL);
    else
        io_uring_prep_write(sqe, slot, bytes, length, 0);
    sqe->flags |= IOSQE_FIXED_FILE;
}

#endif
