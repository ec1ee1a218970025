/*
 * pairs_uring PAIRS BYTES WARMUP_S WINDOW_S TRANSPORT [reads_last]
 *
 * The floor of the questions about pairs of pipes and of UNIX sockets with io_uring and the
 * caller's buffers: one-shot reads and writes (of sockets: receives and sends) on registered files,
 * each write queued together with the next read of the same end, write completions skipped, one
 * enter per batch. So every read is there before its message, and has to be armed and woken.
 *
 * With reads_last a read is queued when the write of its end has completed, and behind all writes
 * of the batch: it finds its message at once, which more than pays for a completion per write.
 */
#define _GNU_SOURCE /* pipe2 */
#include "pair.h"
#include "ring.h"

enum { ENTRIES = 1024 };

/* One side of a pair. Two buffers in turn: the read that is armed must not overwrite the write. */
struct end {
    int in_slot, out_slot;
    char *buffer[2];
    unsigned filling;
};

/* Set in the data of a write whose completion is wanted. */
#define WRITTEN 1u

struct run {
    struct io_uring ring;
    struct stint stint;
    size_t bytes;
    bool sockets;
    struct end **late; /* reads for the end of the batch; NULL: they go at once */
    size_t late_count;
};

static void queue_read(struct run *run, struct end *end)
{
    struct io_uring_sqe *sqe = ring_entry(&run->ring, &run->stint.enters);
    char *to = end->buffer[end->filling];
    ring_prep_read(sqe, run->sockets, end->in_slot, to, (unsigned)run->bytes);
    io_uring_sqe_set_data(sqe, end);
    run->stint.entries++;
}

/* With reads at once only a failed write completes, and its data is NULL. */
static void queue_write(struct run *run, struct end *end, const char *from)
{
    struct io_uring_sqe *sqe = ring_entry(&run->ring, &run->stint.enters);
    ring_prep_write(sqe, run->sockets, end->out_slot, from, (unsigned)run->bytes);
    if (!run->late) sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = run->late ? (uintptr_t)end | WRITTEN : 0;
    run->stint.entries++;
}

static void bounce(struct run *run, const struct io_uring_cqe *cqe)
{
    struct end *end = (struct end *)(uintptr_t)(cqe->user_data & ~(uint64_t)WRITTEN);
    if (!end) die("write", -cqe->res);
    if (cqe->user_data & WRITTEN) {
        check_uring(cqe->res, "write");
        run->late[run->late_count++] = end;
        return;
    }
    if (check_uring(cqe->res, "read") != (int)run->bytes) die("read", EMSGSIZE);
    const char *message = end->buffer[end->filling];
    end->filling ^= 1;
    queue_write(run, end, message);
    if (!run->late) queue_read(run, end);
    run->stint.ops++;
}

/* Slots of a pair, in this order: those of one side (read, write), those of the other. */
static void open_pair(int *fds, struct end ends[2], int slot, const char *transport, size_t bytes)
{
    struct side sides[2];
    pair_open(sides, transport);
    for (int side = 0; side < 2; side++) {
        fds[side * 2] = sides[side].in_fd;
        fds[side * 2 + 1] = sides[side].out_fd;
        ends[side].in_slot = slot + side * 2;
        ends[side].out_slot = slot + side * 2 + 1;
        ends[side].buffer[0] = allocate(bytes);
        ends[side].buffer[1] = allocate(bytes);
    }
}

static void open_pairs(struct run *run, struct end (*ends)[2], size_t pairs, const char *transport)
{
    int *fds = allocate(pairs * 4 * sizeof(int));
    for (size_t i = 0; i < pairs; i++) {
        open_pair(fds + i * 4, ends[i], (int)i * 4, transport, run->bytes);
    }
    check_uring(io_uring_register_files(&run->ring, fds, (unsigned)pairs * 4), "register_files");
    free(fds);
}

static void turn(struct run *run)
{
    check_uring(io_uring_submit_and_wait(&run->ring, 1), "io_uring_submit_and_wait");
    run->stint.enters++;
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&run->ring, head, cqe)
    {
        bounce(run, cqe);
        count++;
    }
    io_uring_cq_advance(&run->ring, count);
    while (run->late_count) queue_read(run, run->late[--run->late_count]);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        die("usage: pairs_uring PAIRS BYTES WARMUP_S WINDOW_S TRANSPORT [reads_last]", EINVAL);
    size_t pairs = strtoul(argv[1], NULL, 10);
    struct run run = {.bytes = strtoul(argv[2], NULL, 10), .sockets = pair_is_socket(argv[5])};
    struct end(*ends)[2] = allocate(pairs * sizeof(*ends));
    if (argc > 6) run.late = allocate(pairs * 2 * sizeof(*run.late));
    ring_open(&run.ring, ENTRIES);
    open_pairs(&run, ends, pairs, argv[5]);

    await_go();
    stint_start(&run.stint, atof(argv[3]), atof(argv[4]));
    for (size_t i = 0; i < pairs; i++) {
        if (!run.late) queue_read(&run, &ends[i][0]);
        queue_read(&run, &ends[i][1]);
        queue_write(&run, &ends[i][0], ends[i][0].buffer[1]);
    }
    do {
        turn(&run);
    } while (stint_goes_on(&run.stint));
    stint_report(&run.stint);
    return 0;
}
