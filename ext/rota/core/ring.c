/* The io_uring engine. One ring per thread; nobody else touches it, but for the eventfd. */
#include "engine.h"

#include "bufring.h"
#include "compat.h"
#include "entry.h"
#include "filetab.h"
#include "fork.h"
#include "ladder.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    BUFFER_GROUP = 0,
    INCREMENTAL_BUFFER_SIZE = 64 << 10,
    WHOLE_BUFFER_SIZE = 8 << 10,
    WHOLE_PER_INCREMENTAL = 4, /* whole buffers are smaller, so there are more of them */
#ifdef ROTA_HOSTILE
    INCREMENTAL_BUFFERS_MAX = 4,
#else
    INCREMENTAL_BUFFERS_MAX = 1024,
#endif
    FILES_MAX = 65536,
    IOWQ_MAX = 16,       /* workers for what the kernel cannot do without blocking */
    COLLECT_PASSES = 64, /* one enter hands over at most 20 completions */
    SPARE_SHOTS_MAX = 1024,
    RECEIVES_IN_A_ROW = 32, /* of one multishot receive, before the kernel puts it off */
    DRAINS_PER_DECAY = 4096,
};

/* user_data of the engine's own requests: handles of generation 0, which no op has. */
enum { TAG_WAKE = 1, TAG_CANCEL = 2 };

/* What an op waits for when the submission queue was full at a bad moment. */
enum { WANTS = ROTA_OPF_CANCEL_WANTED | ROTA_OPF_ENTRY_WANTED };

typedef struct ring ring_t;

struct ring {
    rota_engine_t engine; /* first: the engine is the ring */
    struct io_uring uring;
    unsigned enter_flags; /* of every io_uring_enter */
    rota_entry_style_t style;
    rota_list_t overflow; /* QUEUED ops that found no entry (rota_op_t.link), oldest first */
    uint32_t wanting;     /* ops with one of WANTS */
    rota_bufring_t pool;  /* open when pool.ring is set, from the first RECV_MULTI on */
    uint32_t buffers, buffers_max; /* what to open it with */
    uint32_t buffer_size;
    rota_filetab_t files; /* open when files.ring is set */
    rota_list_t spare_shots;
    uint32_t spare_shot_count;
    uint32_t drains; /* since the pool last decayed */
    bool wake_armed; /* the eventfd's READ is in flight or in the queue */
    bool starved;    /* a receive found no buffer since buffers_back was last said */
    bool forkless;   /* the ring's memory is not inherited by forked children */
    long owner;      /* the thread that opened it */
    rota_fork_guard_t guard;
    ring_t *next_lost;
};

static ring_t *ring_of(const rota_engine_t *engine)
{
    return ROTA_CONTAINER_OF(engine, ring_t, engine);
}

/* --- entering the kernel ------------------------------------------------------------------ */

/* Shows the kernel the filled entries. Returns how many it has yet to consume: those, and what an
 * earlier enter left over. */
static unsigned publish(struct io_uring_sq *sq)
{
    for (; sq->sqe_head != sq->sqe_tail; sq->sqe_head++) {
        /* absent when a newer liburing could do without it */
        if (sq->array) sq->array[sq->sqe_head & sq->ring_mask] = sq->sqe_head & sq->ring_mask;
    }
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    return sq->sqe_tail - IO_URING_READ_ONCE(*sq->khead);
}

/* The only way into the kernel: hands over `count` entries, then waits for `wait_nr` completions
 * for at most `timeout_ns` (-1: for ever). 0 or -errno; a short submission is no error, what was
 * left over goes next time. */
static int enter_with(ring_t *ring, unsigned count, unsigned wait_nr, int64_t timeout_ns,
                      unsigned flags)
{
    struct __kernel_timespec limit = {
        .tv_sec = timeout_ns / ROTA_NS_PER_S,
        .tv_nsec = timeout_ns % ROTA_NS_PER_S,
    };
    struct io_uring_getevents_arg argument = {.ts = (uintptr_t)&limit};
    bool limited = wait_nr > 0 && timeout_ns >= 0;

    flags |= ring->enter_flags | (limited ? IORING_ENTER_EXT_ARG : 0);
    ring->engine.stats.enters++;
    if (wait_nr > 0) ring->engine.stats.waits++;
    int result = io_uring_enter2((unsigned)ring->uring.enter_ring_fd, count, wait_nr, flags,
                                 limited ? (void *)&argument : NULL, limited ? sizeof argument : 0);
    return result < 0 ? result : 0;
}

/* Who holds a slot whose descriptor was refused finds out by -EBADF. */
static void flush_files(ring_t *ring)
{
    if (!rota_filetab_dirty(&ring->files)) return;
    (void)rota_filetab_flush(&ring->files, &ring->engine.stats.updates);
    ring->engine.stats.slots_used = rota_filetab_used(&ring->files);
}

/* Submits everything. The file table goes first: entries may name slots that are new in it. */
static int enter(ring_t *ring, unsigned wait_nr, int64_t timeout_ns, unsigned flags)
{
    flush_files(ring);
    return enter_with(ring, publish(&ring->uring.sq), wait_nr, timeout_ns, flags);
}

/* Collects without submitting. */
static int collect(ring_t *ring)
{
    return enter_with(ring, 0, 0, -1, IORING_ENTER_GETEVENTS);
}

static unsigned queue_flags(const ring_t *ring)
{
    return IO_URING_READ_ONCE(*ring->uring.sq.kflags);
}

/* Half full: another enter might hand over more than there is room for. */
static bool is_crowded(const ring_t *ring)
{
    return io_uring_cq_ready(&ring->uring) > ring->uring.cq.ring_entries / 2;
}

static void collect_rest(ring_t *ring)
{
    for (int pass = 0; pass < COLLECT_PASSES; pass++) {
        if (!(queue_flags(ring) & IORING_SQ_TASKRUN) || is_crowded(ring)) break;
        if (collect(ring) < 0) break;
    }
}

/* EBUSY: completions must be drained first. EAGAIN: the kernel is short of memory right now. The
 * entries stay where they are, and the next turn tries again. */
static int engine_fault(int status)
{
    return status == -EBUSY || status == -EAGAIN || status == -EINTR ? 0 : status;
}

/* --- filling entries ---------------------------------------------------------------------- */

static struct io_uring_sqe *entry_at_hand(ring_t *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (sqe) ring->engine.stats.entries++;
    return sqe;
}

/* Makes room by submitting. NULL when the kernel takes nothing. */
static struct io_uring_sqe *next_entry(ring_t *ring)
{
    struct io_uring_sqe *sqe = entry_at_hand(ring);
    if (ROTA_LIKELY(sqe)) return sqe;
    (void)enter(ring, 0, -1, 0);
    return entry_at_hand(ring);
}

static bool launch(ring_t *ring, rota_op_t *op, struct io_uring_sqe *sqe)
{
    if (!sqe) return false;
    rota_entry_fill(sqe, op, &ring->style);
    rota_op_enter(&ring->engine.ops, op, ROTA_OP_IN_FLIGHT);
    if (op->flags & ROTA_OPF_LEFT) rota_op_enter(&ring->engine.ops, op, ROTA_OP_ABANDONED);
    return true;
}

static void want(ring_t *ring, rota_op_t *op, uint8_t wish)
{
    if (!(op->flags & WANTS)) ring->wanting++;
    op->flags |= wish;
}

static void unwant(ring_t *ring, rota_op_t *op, uint8_t wishes)
{
    if (!(op->flags & wishes)) return;
    op->flags &= (uint8_t)~wishes;
    if (!(op->flags & WANTS)) ring->wanting--;
}

/* The next entry of an op that stays in flight. Called inside the walk, so it must not enter. */
static void relaunch(ring_t *ring, rota_op_t *op)
{
    struct io_uring_sqe *sqe = entry_at_hand(ring);
    if (sqe) {
        unwant(ring, op, ROTA_OPF_ENTRY_WANTED);
        rota_entry_fill(sqe, op, &ring->style);
    } else {
        want(ring, op, ROTA_OPF_ENTRY_WANTED);
    }
}

/* Only its failure completes: success shows as the op's own final completion. */
static void request_cancel(ring_t *ring, rota_op_t *op)
{
    struct io_uring_sqe *sqe = entry_at_hand(ring);
    if (!sqe) {
        want(ring, op, ROTA_OPF_CANCEL_WANTED);
        return;
    }
    unwant(ring, op, ROTA_OPF_CANCEL_WANTED);
    io_uring_prep_cancel64(sqe, rota_op_handle(op), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = TAG_CANCEL;
}

/* What the kernel writes there says nothing that the completion does not, and nobody reads it.
 * It is static because the last READ of a closed ring may outlive the ring. */
static uint64_t wake_count;

static void arm_wake(ring_t *ring)
{
    struct io_uring_sqe *sqe = entry_at_hand(ring);
    ring->wake_armed = sqe != NULL;
    if (!sqe) return;
    io_uring_prep_read(sqe, ring->engine.wake.fd, &wake_count, sizeof wake_count, 0);
    sqe->user_data = TAG_WAKE;
}

static void grant_wishes(ring_t *ring)
{
    rota_ops_t *ops = &ring->engine.ops;
    for (uint32_t i = 0; ring->wanting && i < rota_ops_capacity(ops); i++) {
        rota_op_t *op = rota_op_at(ops, i);
        if (op->state == ROTA_OP_FREE || !(op->flags & WANTS)) continue;
        if (io_uring_sq_space_left(&ring->uring) == 0 && enter(ring, 0, -1, 0) < 0) break;
        if (op->flags & ROTA_OPF_ENTRY_WANTED) relaunch(ring, op);
        if (op->flags & ROTA_OPF_CANCEL_WANTED) request_cancel(ring, op);
    }
}

/* Stops while the completion queue is full: more requests would only lengthen the kernel's own
 * overflow list. */
static void move_overflow(ring_t *ring)
{
    while (!rota_list_empty(&ring->overflow)) {
        if (io_uring_cq_ready(&ring->uring) >= ring->uring.cq.ring_entries) break;
        rota_op_t *op = ROTA_LIST_ENTRY(ring->overflow.next, rota_op_t, link);
        if (!launch(ring, op, next_entry(ring))) break;
        rota_list_remove(&op->link);
        ring->engine.stats.queued--;
    }
}

/* Gives entries to everything that waits for one: the wake-up first, without it nobody may sleep;
 * then what is in flight already; then new ops in their order. */
static void fill_queue(ring_t *ring)
{
    if (!ring->wake_armed) {
        if (io_uring_sq_space_left(&ring->uring) == 0) (void)enter(ring, 0, -1, 0);
        arm_wake(ring);
    }
    if (ring->wanting) grant_wishes(ring);
    move_overflow(ring);
}

/* --- shots and buffers -------------------------------------------------------------------- */

static rota_shot_t *new_shot(ring_t *ring)
{
    rota_list_t *spare = rota_list_pop(&ring->spare_shots);
    if (spare) {
        ring->spare_shot_count--;
        return ROTA_LIST_ENTRY(spare, rota_shot_t, link);
    }
    rota_shot_t *shot = malloc(sizeof *shot);
    if (shot) rota_list_init(&shot->link);
    return shot;
}

static void recycle_shot(ring_t *ring, rota_shot_t *shot)
{
    assert(!rota_list_linked(&shot->link));
    if (ring->spare_shot_count >= SPARE_SHOTS_MAX) {
        free(shot);
        return;
    }
    rota_list_push_front(&ring->spare_shots, &shot->link);
    ring->spare_shot_count++;
}

/* Tells the runtime how the pool stands. */
static void note_buffers(ring_t *ring)
{
    rota_engine_t *engine = &ring->engine;
    engine->stats.buffers = ring->pool.count;
    engine->stats.buffers_lent = ring->pool.lent;
    engine->buffers_low = rota_bufring_low(&ring->pool);
    if (ring->starved && !engine->buffers_low && ring->pool.provided > 0) {
        ring->starved = false;
        engine->buffers_back = true;
    }
}

static void note_starved(ring_t *ring)
{
    ring->engine.stats.starved++;
    ring->engine.buffers_back = false;
    ring->starved = true;
    (void)rota_bufring_grow(&ring->pool);
}

static void ring_shot_release(rota_engine_t *engine, rota_shot_t *shot)
{
    ring_t *ring = ring_of(engine);
    /* after a fork the pool is the parent's */
    if (shot->data && !engine->dead) {
        rota_bufring_give_back(&ring->pool, shot->bid);
        note_buffers(ring);
    }
    recycle_shot(ring, shot);
}

/* --- the walk over the completions -------------------------------------------------------- */

static void announce(ring_t *ring, rota_op_t *op)
{
    if (!rota_list_linked(&op->link)) rota_list_push_back(&ring->engine.completed, &op->link);
}

/* The final completion. The op is nobody's when its task left, DONE otherwise. */
static void conclude(ring_t *ring, rota_op_t *op, int32_t result)
{
    unwant(ring, op, WANTS);
    op->flags &= (uint8_t)~ROTA_OPF_POLLING;
    if (op->state == ROTA_OP_ABANDONED || op->flags & ROTA_OPF_LEFT) {
        rota_engine_drop_result(op, result);
        rota_op_release(&ring->engine.ops, op);
        return;
    }
    op->result = result;
    rota_op_enter(&ring->engine.ops, op, ROTA_OP_DONE);
    announce(ring, op);
}

/* A received piece, counted as one segment of its buffer. */
typedef struct segment {
    uint8_t *bytes; /* NULL: the completion names no buffer */
    uint32_t length, bid;
} segment_t;

/* Before anything else is asked about a completion: whoever it is for, the buffer is accounted. */
static segment_t take_segment(ring_t *ring, const struct io_uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_BUFFER)) return (segment_t){0};
    segment_t segment = {
        .length = cqe->res > 0 ? (uint32_t)cqe->res : 0,
        .bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT,
    };
    bool more = cqe->flags & ROTA_CQE_F_BUF_MORE;
    segment.bytes = rota_bufring_take(&ring->pool, segment.bid, segment.length, more);
    return segment;
}

static void give_back(ring_t *ring, const segment_t *segment)
{
    if (segment->bytes) rota_bufring_give_back(&ring->pool, segment->bid);
}

static bool wants_shots(const rota_op_t *op)
{
    return op->state == ROTA_OP_IN_FLIGHT && !(op->flags & ROTA_OPF_FAILED);
}

/* No memory for a shot: what it held is lost, so nothing may follow it. The op ends, and says so.
 */
static void fail_shots(ring_t *ring, rota_op_t *op, bool more)
{
    op->flags |= ROTA_OPF_FAILED;
    if (more) ring->engine.api->cancel(&ring->engine, op);
}

/* The last shot, when the segment continues it in the same buffer. */
static rota_shot_t *shot_before(const rota_op_t *op, const segment_t *segment)
{
    if (rota_list_empty(&op->shots)) return NULL;
    rota_shot_t *last = ROTA_LIST_ENTRY(op->shots.prev, rota_shot_t, link);
    bool continues = last->bid == segment->bid && last->data + last->length == segment->bytes;
    return continues ? last : NULL;
}

static void keep_segment(ring_t *ring, rota_op_t *op, const segment_t *segment, bool more)
{
    rota_shot_t *shot = shot_before(op, segment);
    if (shot) {
        shot->length += segment->length;
        give_back(ring, segment); /* the shot holds one already */
    } else if ((shot = new_shot(ring))) {
        shot->data = segment->bytes;
        shot->length = segment->length;
        shot->bid = segment->bid;
        shot->fd = -1;
        rota_list_push_back(&op->shots, &shot->link);
    } else {
        give_back(ring, segment);
        fail_shots(ring, op, more);
        return;
    }
    announce(ring, op);
}

static void keep_descriptor(ring_t *ring, rota_op_t *op, int fd, bool more)
{
    rota_shot_t *shot = new_shot(ring);
    if (!shot) {
        close(fd);
        fail_shots(ring, op, more);
        return;
    }
    *shot = (rota_shot_t){.fd = fd};
    rota_list_init(&shot->link);
    rota_list_push_back(&op->shots, &shot->link);
    announce(ring, op);
}

/* Was the final completion of a multishot op a delivery like those before it? */
static bool delivered(const rota_op_t *op, int32_t result)
{
    return op->kind == ROTA_OP_ACCEPT_MULTI ? result >= 0 : result > 0;
}

static int32_t multishot_result(const rota_op_t *op, int32_t result)
{
    if (op->flags & ROTA_OPF_FAILED) return -ENOMEM;
    if (result == -ECANCELED && !(op->flags & ROTA_OPF_CANCELLED)) return ROTA_ENDED_EARLY;
    if (!delivered(op, result)) return result;
    return op->flags & ROTA_OPF_CANCELLED ? -ECANCELED : ROTA_ENDED_EARLY;
}

static bool goes_on(const ring_t *ring, const rota_op_t *op, int32_t result)
{
    return rota_entry_rearms(op, &ring->style) && delivered(op, result) && wants_shots(op) &&
           !(op->flags & ROTA_OPF_CANCELLED);
}

static void end_multishot(ring_t *ring, rota_op_t *op, int32_t result)
{
    if (op->kind == ROTA_OP_RECV_MULTI && result == -ENOBUFS) note_starved(ring);
    if (goes_on(ring, op, result)) {
        relaunch(ring, op);
    } else {
        conclude(ring, op, multishot_result(op, result));
    }
}

/* A multishot receive that was put off after many pieces and then finds the last one of a UNIX
 * socket waits for a wake-up, although the other end may be closed: nothing will ever wake it (seen
 * on Linux 6.18; the kernel asks for the end only where it knows that more is there). Then it is
 * ended, and who armed it arms it again, which finds the end. */
static void renew_put_off(ring_t *ring, rota_op_t *op, bool nonempty)
{
    bool put_off = op->length >= RECEIVES_IN_A_ROW;
    op->length = nonempty ? op->length + 1 : 0;
    if (put_off && !nonempty && wants_shots(op) && !(op->flags & ROTA_OPF_CANCELLED))
        request_cancel(ring, op);
}

static void absorb_received(ring_t *ring, rota_op_t *op, const segment_t *segment, int32_t result,
                            uint32_t flags)
{
    bool more = flags & IORING_CQE_F_MORE;
    if (segment->length > 0 && wants_shots(op)) {
        keep_segment(ring, op, segment, more);
    } else {
        give_back(ring, segment);
    }
    if (more) {
        renew_put_off(ring, op, flags & IORING_CQE_F_SOCK_NONEMPTY);
    } else {
        end_multishot(ring, op, result);
    }
}

static void absorb_accepted(ring_t *ring, rota_op_t *op, int32_t result, bool more)
{
    if (result >= 0) {
        if (wants_shots(op)) {
            keep_descriptor(ring, op, result, more);
        } else {
            close(result);
        }
    }
    if (!more) end_multishot(ring, op, result);
}

/* Some files wait only if O_NONBLOCK is not set (inotify, older kernels' pipes): the engine polls
 * for them, as the epoll engine does for all. */
static bool polls_first(const rota_op_t *op, int32_t result)
{
    return result == -EAGAIN && op->kind >= ROTA_OP_READ && op->kind <= ROTA_OP_WRITEV;
}

static void absorb_single(ring_t *ring, rota_op_t *op, int32_t result)
{
    bool cancelled = op->flags & ROTA_OPF_CANCELLED;
    bool polled = op->flags & ROTA_OPF_POLLING && result >= 0;
    if (!cancelled && (polled || polls_first(op, result))) {
        op->flags ^= ROTA_OPF_POLLING;
        relaunch(ring, op);
    } else {
        conclude(ring, op, polled || polls_first(op, result) ? -ECANCELED : result);
    }
}

static void absorb_own(ring_t *ring, uint64_t tag)
{
    if (tag == TAG_WAKE) arm_wake(ring);
}

static void absorb(ring_t *ring, const struct io_uring_cqe *cqe)
{
    if (cqe->user_data <= UINT32_MAX) {
        absorb_own(ring, cqe->user_data);
        return;
    }
    segment_t segment = take_segment(ring, cqe);
    rota_op_t *op = rota_op_find(&ring->engine.ops, cqe->user_data);
    bool more = cqe->flags & IORING_CQE_F_MORE;
    if (!op) {
        give_back(ring, &segment);
    } else if (op->kind == ROTA_OP_RECV_MULTI) {
        absorb_received(ring, op, &segment, cqe->res, cqe->flags);
    } else if (op->kind == ROTA_OP_ACCEPT_MULTI) {
        absorb_accepted(ring, op, cqe->res, more);
    } else {
        absorb_single(ring, op, cqe->res);
    }
}

static uint32_t walk(ring_t *ring)
{
    unsigned head, count = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&ring->uring, head, cqe)
    {
        absorb(ring, cqe);
        count++;
    }
    io_uring_cq_advance(&ring->uring, count);
    return count;
}

/* What found no room in the completion queue waits in the kernel, and holds up everything behind
 * it. Submits nothing, so it comes to an end. */
static uint32_t recover_overflow(ring_t *ring)
{
    uint32_t walked = 0, last = 1;
    ring->engine.stats.cq_overflows++;
    while (last > 0 && io_uring_cq_has_overflow(&ring->uring) && collect(ring) == 0) {
        last = walk(ring);
        walked += last;
    }
    return walked;
}

static void decay_pool(ring_t *ring)
{
    if (++ring->drains < DRAINS_PER_DECAY) return;
    ring->drains = 0;
    rota_bufring_decay(&ring->pool);
}

static uint32_t ring_drain(rota_engine_t *engine)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead) return 0;
    uint32_t walked = walk(ring);
    if (ROTA_UNLIKELY(io_uring_cq_has_overflow(&ring->uring))) walked += recover_overflow(ring);
    engine->stats.completions += walked;
    decay_pool(ring);
    note_buffers(ring);
    return walked;
}

/* --- the calls of the seam ---------------------------------------------------------------- */

static int open_pool(ring_t *ring)
{
    rota_features_t *features = &ring->engine.features;
    if (ring->pool.ring) return 0;
    if (!rota_feature_granted(features, ROTA_FEATURE_provided_buffers)) {
        return -features->refusal[ROTA_FEATURE_provided_buffers];
    }
    bool incremental = rota_feature_granted(features, ROTA_FEATURE_incremental_buffers);
    int status = rota_bufring_open(&ring->pool, &ring->uring, BUFFER_GROUP, ring->buffers,
                                   ring->buffers_max, ring->buffer_size, incremental);
    if (status < 0) rota_features_refuse(features, ROTA_FEATURE_provided_buffers, status);
    return status;
}

static int refusal_of(ring_t *ring, const rota_op_t *op)
{
    if (ring->engine.dead) return -ECANCELED;
    return op->kind == ROTA_OP_RECV_MULTI ? open_pool(ring) : 0;
}

static void queue_on_overflow(ring_t *ring, rota_op_t *op)
{
    rota_list_push_back(&ring->overflow, &op->link);
    ring->engine.stats.queued++;
}

/* No later op overtakes one that waits. */
static bool launch_now(ring_t *ring, rota_op_t *op)
{
    return rota_list_empty(&ring->overflow) && launch(ring, op, entry_at_hand(ring));
}

static void ring_submit(rota_engine_t *engine, rota_op_t *op)
{
    ring_t *ring = ring_of(engine);
    assert(op->state == ROTA_OP_QUEUED && !rota_list_linked(&op->link));
    int refusal = refusal_of(ring, op);
    if (ROTA_UNLIKELY(refusal < 0)) {
        conclude(ring, op, refusal);
    } else if (!launch_now(ring, op)) {
        engine->stats.overflows++;
        queue_on_overflow(ring, op);
    }
}

static void cancel_queued(ring_t *ring, rota_op_t *op)
{
    if (rota_list_linked(&op->link)) {
        rota_list_remove(&op->link);
        ring->engine.stats.queued--;
    }
    conclude(ring, op, -ECANCELED);
}

static void cancel_in_flight(ring_t *ring, rota_op_t *op)
{
    if (op->flags & ROTA_OPF_ENTRY_WANTED) {
        conclude(ring, op, -ECANCELED); /* the kernel holds nothing of it right now */
    } else {
        request_cancel(ring, op);
    }
}

static void ring_cancel(rota_engine_t *engine, rota_op_t *op)
{
    if (engine->dead || op->flags & ROTA_OPF_CANCELLED || op->state == ROTA_OP_DONE) return;
    assert(op->state != ROTA_OP_FREE);
    op->flags |= ROTA_OPF_CANCELLED;
    engine->stats.cancels++;
    if (op->state == ROTA_OP_QUEUED) {
        cancel_queued(ring_of(engine), op);
    } else {
        cancel_in_flight(ring_of(engine), op);
    }
}

static bool ring_ready(const rota_engine_t *engine)
{
    const ring_t *ring = ring_of(engine);
    if (engine->dead) return false;
    return io_uring_cq_ready(&ring->uring) > 0 ||
           queue_flags(ring) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static uint32_t ring_unsubmitted(const rota_engine_t *engine)
{
    const ring_t *ring = ring_of(engine);
    if (engine->dead) return 0;
    return io_uring_sq_ready(&ring->uring) + engine->stats.queued + ring->wanting +
           ring->files.dirty_count;
}

static int ring_flush(rota_engine_t *engine)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead) return -EBADF;
    fill_queue(ring);
    int status = enter(ring, 0, -1, IORING_ENTER_GETEVENTS);
    if (status < 0) return engine_fault(status);
    collect_rest(ring);
    return 0;
}

/* Whatever is still without an entry would sleep with us. */
static bool may_sleep(const ring_t *ring)
{
    return ring->wake_armed && ring->wanting == 0 && rota_list_empty(&ring->overflow) &&
           io_uring_cq_ready(&ring->uring) == 0;
}

static int ring_wait(rota_engine_t *engine, int64_t timeout_ns)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead) return -EBADF;
    fill_queue(ring);
    unsigned wait_nr = timeout_ns != 0 && may_sleep(ring) ? 1 : 0;
    int status = enter(ring, wait_nr, timeout_ns, IORING_ENTER_GETEVENTS);
    if (status < 0) return status == -EINTR ? status : engine_fault(status);
    collect_rest(ring);
    return 0;
}

static int ring_slot_hold(rota_engine_t *engine, int fd)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead || !ring->files.ring) return -EOPNOTSUPP;
    int slot = rota_filetab_hold(&ring->files, fd);
    if (slot == -ENFILE) {
        flush_files(ring); /* frees what was dropped */
        slot = rota_filetab_hold(&ring->files, fd);
    }
    engine->stats.slots_used = rota_filetab_used(&ring->files);
    return slot;
}

static void ring_slot_drop(rota_engine_t *engine, int slot)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead) return;
    rota_filetab_drop(&ring->files, slot);
}

/* --- the end ------------------------------------------------------------------------------ */

/* Rings that were closed with ops in flight: the kernel may still write to their memory. Kept where
 * a debugger (and a leak checker) finds them. */
static pthread_mutex_t lost_lock = PTHREAD_MUTEX_INITIALIZER;
static ring_t *lost_rings;

static void keep_lost(ring_t *ring)
{
    pthread_mutex_lock(&lost_lock);
    ring->next_lost = lost_rings;
    lost_rings = ring;
    pthread_mutex_unlock(&lost_lock);
}

/* The ring may also be closed by a thread that is not its owner (a finalizer's), or be inherited.
 */
static long this_thread(void)
{
    return syscall(SYS_gettid);
}

static void unmap_ring(struct io_uring_sq *sq, struct io_uring_cq *cq)
{
    munmap(sq->sqes, sq->ring_entries * sizeof *sq->sqes);
    munmap(sq->ring_ptr, sq->ring_sz);
    if (cq->ring_ptr && cq->ring_ptr != sq->ring_ptr) munmap(cq->ring_ptr, cq->ring_sz);
}

/* Async-signal-safe: the child gets rid of everything that keeps the parent's ring, and so the
 * parent's connections, alive. */
static void drop_in_child(rota_fork_guard_t *guard)
{
    ring_t *ring = ROTA_CONTAINER_OF(guard, ring_t, guard);
    ring->engine.dead = true;
    close(ring->uring.ring_fd);
    rota_wake_close(&ring->engine.wake);
    if (!ring->forkless) unmap_ring(&ring->uring.sq, &ring->uring.cq);
}

/* A registered ring descriptor is a number in a table of the thread: liburing's exit would take the
 * same number out of another thread's table, which is that thread's own ring. */
static void close_ring(ring_t *ring)
{
    if (ring->owner == this_thread()) {
        io_uring_queue_exit(&ring->uring);
    } else {
        unmap_ring(&ring->uring.sq, &ring->uring.cq);
        close(ring->uring.ring_fd);
    }
}

static void drop_unclaimed(rota_engine_t *engine)
{
    rota_ops_t *ops = &engine->ops;
    for (uint32_t i = 0; i < rota_ops_capacity(ops); i++) {
        rota_op_t *op = rota_op_at(ops, i);
        if (op->state == ROTA_OP_FREE) continue;
        rota_engine_drop_shots(engine, op);
        if (op->state == ROTA_OP_DONE) rota_engine_drop_result(op, op->result);
    }
}

static void free_ring(ring_t *ring)
{
    for (rota_list_t *link; (link = rota_list_pop(&ring->spare_shots));) {
        free(ROTA_LIST_ENTRY(link, rota_shot_t, link));
    }
    (void)rota_ops_destroy(&ring->engine.ops);
    free(ring);
}

/* In a forked child everything but the bookkeeping is the parent's; the kernel knows none of it in
 * this process. */
static void close_left_behind(ring_t *ring)
{
    drop_unclaimed(&ring->engine);
    rota_bufring_forget(&ring->pool);
    rota_filetab_forget(&ring->files);
    ring->engine.ops.in_flight = 0;
    free_ring(ring);
}

/* Closing the ring ends what it can end, but does not wait for it. */
static void leave_kernel(ring_t *ring)
{
    rota_fork_guard_remove(&ring->guard);
    rota_filetab_close(&ring->files); /* else the files live until the ring is torn down, later */
    close_ring(ring);
    rota_wake_close(&ring->engine.wake);
    ring->engine.dead = true;
}

static uint32_t ring_close(rota_engine_t *engine)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead) {
        close_left_behind(ring);
        return 0;
    }
    uint32_t lost = engine->ops.in_flight;
    if (lost) {
        leave_kernel(ring);
        keep_lost(ring);
        return lost;
    }
    drop_unclaimed(engine);
    rota_bufring_close(&ring->pool);
    leave_kernel(ring);
    free_ring(ring);
    return 0;
}

/* --- the beginning ------------------------------------------------------------------------ */

static const struct rota_engine_api ring_api = {
    .name = "io_uring",
    .submit = ring_submit,
    .cancel = ring_cancel,
    .ready = ring_ready,
    .unsubmitted = ring_unsubmitted,
    .flush = ring_flush,
    .wait = ring_wait,
    .drain = ring_drain,
    .shot_release = ring_shot_release,
    .slot_hold = ring_slot_hold,
    .slot_drop = ring_slot_drop,
    .close = ring_close,
};

static uint32_t or_default(uint32_t value, uint32_t standard)
{
    return value ? value : standard;
}

static bool granted(const ring_t *ring, rota_feature_t feature)
{
    return rota_feature_granted(&ring->engine.features, feature);
}

/* Workers are for what blocks; unbounded, a burst of file operations would make thousands. */
static void limit_workers(ring_t *ring)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned bounded =
        processors > 0 && processors < IOWQ_MAX / 2 ? (unsigned)processors * 2 : IOWQ_MAX;
    unsigned limits[2] = {bounded, IOWQ_MAX};
    (void)io_uring_register_iowq_max_workers(&ring->uring, limits);
}

static void register_ring(ring_t *ring)
{
    if (!granted(ring, ROTA_FEATURE_registered_ring)) return;
    int status = io_uring_register_ring_fd(&ring->uring);
    if (status == 1) {
        ring->enter_flags |= IORING_ENTER_REGISTERED_RING;
    } else {
        /* there are 16 places per thread */
        rota_features_refuse(&ring->engine.features, ROTA_FEATURE_registered_ring, status);
    }
}

static uint32_t table_size(const rota_engine_options_t *options)
{
    struct rlimit limit;
    if (options->files) return options->files;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > FILES_MAX) return FILES_MAX;
    return (uint32_t)limit.rlim_cur;
}

static void register_files(ring_t *ring, const rota_engine_options_t *options)
{
    if (!granted(ring, ROTA_FEATURE_registered_files)) return;
    int status = rota_filetab_open(&ring->files, &ring->uring, table_size(options));
    if (status < 0) {
        rota_features_refuse(&ring->engine.features, ROTA_FEATURE_registered_files, status);
    }
}

static void choose_buffers(ring_t *ring, const rota_engine_options_t *options)
{
    bool incremental = granted(ring, ROTA_FEATURE_incremental_buffers);
    uint32_t factor = incremental ? 1 : WHOLE_PER_INCREMENTAL;
    uint32_t size = incremental ? INCREMENTAL_BUFFER_SIZE : WHOLE_BUFFER_SIZE;
    ring->buffers = or_default(options->buffers, ROTA_DEFAULT_BUFFERS * factor);
    ring->buffers_max = or_default(options->buffers_max, INCREMENTAL_BUFFERS_MAX * factor);
    ring->buffer_size = or_default(options->buffer_size, size);
    if (ring->buffers_max < ring->buffers) ring->buffers_max = ring->buffers;
}

static void choose_style(ring_t *ring)
{
    ring->style = (rota_entry_style_t){
        .buffer_size = ring->buffer_size,
        .buffer_group = BUFFER_GROUP,
        .multishot_recv = granted(ring, ROTA_FEATURE_multishot_recv),
        .multishot_accept = granted(ring, ROTA_FEATURE_multishot_accept),
    };
    if (granted(ring, ROTA_FEATURE_no_iowait)) ring->enter_flags |= ROTA_ENTER_NO_IOWAIT;
}

static int make_ring(ring_t *ring, const rota_engine_options_t *options)
{
    rota_features_t *features = &ring->engine.features;
    rota_probe(features, options->hidden);
    if (!granted(ring, ROTA_FEATURE_io_uring)) return -features->refusal[ROTA_FEATURE_io_uring];
    return rota_ladder_climb(&ring->uring, or_default(options->entries, ROTA_DEFAULT_ENTRIES),
                             or_default(options->cq_entries, ROTA_DEFAULT_CQ_ENTRIES), features);
}

/* Nothing here can fail so badly that the ring would not work. */
static void equip(ring_t *ring, const rota_engine_options_t *options)
{
    ring->owner = this_thread();
    ring->forkless = io_uring_ring_dontfork(&ring->uring) == 0;
    limit_workers(ring);
    register_ring(ring);
    register_files(ring, options);
    choose_buffers(ring, options);
    choose_style(ring);
    arm_wake(ring);
    ring->guard.drop_in_child = drop_in_child;
    rota_fork_guard_add(&ring->guard);
}

static ring_t *new_ring(void)
{
    ring_t *ring = calloc(1, sizeof *ring);
    if (!ring) return NULL;
    ring->engine.api = &ring_api;
    rota_ops_init(&ring->engine.ops);
    rota_list_init(&ring->engine.completed);
    rota_list_init(&ring->overflow);
    rota_list_init(&ring->spare_shots);
    return ring;
}

static int open_ring(ring_t *ring, const rota_engine_options_t *options)
{
    int status = rota_wake_open(&ring->engine.wake);
    if (status < 0) return status;
    status = make_ring(ring, options);
    if (status < 0) {
        rota_wake_close(&ring->engine.wake);
        return status;
    }
    equip(ring, options);
    return 0;
}

int rota_ring_open(const rota_engine_options_t *options, rota_engine_t **engine, char *why,
                   size_t why_size)
{
    ring_t *ring = new_ring();
    int status = ring ? open_ring(ring, options) : -ENOMEM;
    if (status < 0) {
        rota_ladder_explain(status, why, why_size);
        free(ring);
        return status;
    }
    *engine = &ring->engine;
    return 0;
}
