/*
 * pairs_uring PAIRS BYTES WARMUP_S WINDOW_S TRANSPORT
 *
 * The floor of the questions about pairs of pipes and of UNIX sockets with io_uring and the
 * caller's buffers: one-shot reads and writes on registered files, each write queued together with
 * the next read of the same end, write completions skipped, one enter per batch.
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

struct run {
    struct io_uring ring;
    struct stint stint;
    size_t bytes;
};

static void queue_read(struct run *run, struct end *end)
{
    struct io_uring_sqe *sqe = ring_entry(&run->ring, &run->stint.enters);
    io_uring_prep_read(sqe, end->in_slot, end->buffer[end->filling], (unsigned)run->bytes, 0);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, end);
    run->stint.entries++;
}

/* Only a failed write completes, and its data is NULL. */
static void queue_write(struct run *run, int slot, const char *from)
{
    struct io_uring_sqe *sqe = ring_entry(&run->ring, &run->stint.enters);
    io_uring_prep_write(sqe, slot, from, (unsigned)run->bytes, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data(sqe, NULL);
    run->stint.entries++;
}

static void bounce(struct run *run, const struct io_uring_cqe *cqe)
{
    struct end *end = io_uring_cqe_get_data(cqe);
    if (!end) die("write", -cqe->res);
    if (check_uring(cqe->res, "read") != (int)run->bytes) die("read", EMSGSIZE);
    const char *message = end->buffer[end->filling];
    end->filling ^= 1;
    queue_write(run, end->out_slot, message);
    queue_read(run, end);
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
}

int main(int argc, char **argv)
{
    if (argc != 6) die("usage: pairs_uring PAIRS BYTES WARMUP_S WINDOW_S TRANSPORT", EINVAL);
    size_t pairs = strtoul(argv[1], NULL, 10);
    struct run run = {.bytes = strtoul(argv[2], NULL, 10)};
    struct end(*ends)[2] = allocate(pairs * sizeof(*ends));
    ring_open(&run.ring, ENTRIES);
    open_pairs(&run, ends, pairs, argv[5]);

    await_go();
    stint_start(&run.stint, atof(argv[3]), atof(argv[4]));
    for (size_t i = 0; i < pairs; i++) {
        queue_read(&run, &ends[i][0]);
        queue_read(&run, &ends[i][1]);
        queue_write(&run, ends[i][0].out_slot, ends[i][0].buffer[1]);
    }
    do {
        turn(&run);
    } while (stint_goes_on(&run.stint));
    stint_report(&run.stint);
    return 0;
}
