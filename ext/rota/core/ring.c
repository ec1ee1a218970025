/* The io_uring engine. One ring per thread; nobody else touches it, but for the eventfd. */
#include "engine.h"

#include "compat.h"
#include "delivery.h"
#include "disk.h"
#include "entry.h"
#include "filetab.h"
#include "ladder.h"

#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    BUFFER_GROUP = 0,
    FILES_MAX = 65536,
    IOWQ_MAX = 16,          /* workers for what the kernel cannot do without blocking */
    COLLECT_PASSES = 64,    /* one enter hands over at most 20 completions */
    RECEIVES_IN_A_ROW = 32, /* of one multishot receive, before the kernel puts it off */
};

/* When a cancel that found nothing is asked for again: see ask_again. A wait is longer by a tick,
 * by which the coarse clock is behind. */
#define AGAIN_FIRST_NS (6 * ROTA_NS_PER_MS)
#define AGAIN_MAX_NS   (1000 * ROTA_NS_PER_MS)
#define TICK_NS        (4 * ROTA_NS_PER_MS)

/* user_data of the engine's own requests: handles of generation 0, which no op has. A cancel's has
 * the index of its op above the tag. */
enum { TAG_WAKE = 1, TAG_CANCEL = 2, TAG_BITS = 2, TAG_MASK = (1 << TAG_BITS) - 1 };

/* Of an op. */
enum {
    STAGE_NONE,
    STAGE_LINK,    /* of a chain: nothing may come of it before its result */
    STAGE_CHANGES, /* sends, and waits for room by polls with many shots: see absorb_room */
    STAGE_ROOM,    /* ... and there is some: the poll is being ended */
    STAGE_MISSED,  /* the kernel did not find it when it was to be cancelled */
    STAGE_ASKED,   /* ... and was asked again */
};

/* What an op waits for when the submission queue was full at a bad moment. */
enum { WANTS = ROTA_OPF_CANCEL_WANTED | ROTA_OPF_ENTRY_WANTED };

typedef struct ring ring_t;

struct ring {
    rota_engine_t engine; /* first: the engine is the ring */
    struct io_uring uring;
    unsigned enter_flags; /* of every io_uring_enter */
    rota_entry_style_t style;
    uint32_t wanting;     /* ops with one of WANTS */
    rota_filetab_t files; /* open when files.ring is set */
    bool wake_armed;      /* the eventfd's READ is in flight or in the queue */
    bool relaunched;      /* there are entries that name a number which was looked at just now */
    bool forkless;        /* the ring's memory is not inherited by forked children */
    long owner;           /* the thread that opened it */
    uint32_t accepts;     /* ops of kind ACCEPT and ACCEPT_MULTI in flight */
    uint64_t renewed_ns;  /* when the kernel was last asked anew for them */
    bool missed;          /* there may be ops in STAGE_MISSED, */
    uint64_t again_at_ns; /* ... for which the kernel is asked again then, */
    uint64_t again_ns;    /* ... and so much later when it finds none that it was asked for again */
};

static ring_t *ring_of(const rota_engine_t *engine)
{
    return ROTA_CONTAINER_OF(engine, ring_t, engine);
}

static bool granted(const ring_t *ring, rota_feature_t feature)
{
    return rota_feature_granted(&ring->engine.features, feature);
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

#ifdef ROTA_VALGRIND
/* Valgrind 3.19 believes that io_uring_enter never waits, and keeps the lock under which it runs
 * one thread at a time: nobody else could run meanwhile, who might wake this one. Of poll it knows,
 * but the kernel does not tell a poll of the ring of every completion. */
static int enter_and_wait(ring_t *ring, int64_t timeout_ns)
{
    enum { SLICE_MS = 5 };
    struct pollfd question = {.fd = ring->uring.ring_fd, .events = POLLIN};
    uint64_t start_ns = rota_now_ns();
    int status = enter(ring, 0, -1, IORING_ENTER_GETEVENTS);
    while (status == 0 && io_uring_cq_ready(&ring->uring) == 0) {
        if (timeout_ns >= 0 && rota_now_ns() - start_ns >= (uint64_t)timeout_ns) return -ETIME;
        if (poll(&question, 1, SLICE_MS) < 0) return -errno;
        status = collect(ring);
    }
    return status;
}
#else
static int enter_and_wait(ring_t *ring, int64_t timeout_ns)
{
    return enter(ring, 1, timeout_ns, IORING_ENTER_GETEVENTS);
}
#endif

/* EBUSY: completions must be drained first. EAGAIN: the kernel is short of memory right now. The
 * entries stay where they are, and the next turn tries again.
 *
 * Not so EBADR: the completion queue was full, and there was no memory to keep what found no room
 * in it (which is taken from no reserve, and counts against a container's limit). Nobody can tell
 * which completions are lost, and an op without one may still be the kernel's: a read from a disk
 * is not found by a cancel either. So it stays in flight, with its memory. The next wait that would
 * sleep is told (no other enter is), and the root task raises it. */
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

/* Does it wait for room by a poll of the engine? Left to itself the kernel would be woken at once
 * when the peer sends no more, 128 times, and then have one of its workers wait, of which there are
 * few: whoever is slow to read would keep everybody else's bytes from going out. Of the room at an
 * address no poll tells. */
static bool waits_for_room(const rota_op_t *op)
{
    const struct msghdr *message = op->memory;
    if (op->stage == STAGE_LINK) return false;
    if (op->kind == ROTA_OP_WRITE) return rota_op_goes_by_socket(op);
    if (op->kind != ROTA_OP_SEND && op->kind != ROTA_OP_SENDMSG) return false;
    return !(op->request_flags & MSG_DONTWAIT) && (op->kind == ROTA_OP_SEND || !message->msg_name);
}

/* Of a SEND, `result` is what was sent so far. */
static void fill_entry(ring_t *ring, struct io_uring_sqe *sqe, const rota_op_t *op)
{
    rota_entry_fill(sqe, op, &ring->style);
    if (op->flags & ROTA_OPF_POLLING) {
        if (op->kind == ROTA_OP_POLL || op->stage == STAGE_CHANGES)
            sqe->len |= IORING_POLL_ADD_MULTI;
    } else if (waits_for_room(op)) {
        sqe->msg_flags = (sqe->msg_flags & ~(uint32_t)MSG_WAITALL) | MSG_DONTWAIT;
        if (op->kind != ROTA_OP_SEND) return;
        sqe->addr += (uint32_t)op->result;
        sqe->len -= (uint32_t)op->result;
    }
}

static bool launch(ring_t *ring, rota_op_t *op, struct io_uring_sqe *sqe)
{
    if (!sqe) return false;
    fill_entry(ring, sqe, op);
    rota_op_enter(&ring->engine.ops, op, ROTA_OP_IN_FLIGHT);
    if (ROTA_UNLIKELY(rota_op_accepts(op)) && ring->accepts++ == 0)
        ring->renewed_ns = rota_now_coarse_ns();
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

/* The final completion. */
static void conclude(ring_t *ring, rota_op_t *op, int32_t result)
{
    unwant(ring, op, WANTS);
    if (ROTA_UNLIKELY(rota_op_accepts(op)) && op->state != ROTA_OP_QUEUED) ring->accepts--;
    op->flags &= (uint8_t)~ROTA_OPF_POLLING;
    /* whatever keeps it from the rest, what was sent was sent */
    if (op->kind == ROTA_OP_SEND && op->result > 0)
        result = result < 0 ? op->result : op->result + result;
    rota_delivery_conclude(&ring->engine, op, result);
}

/* A slot may have been dropped meanwhile. The number is that of an io that is still open. */
static void name_by_number(rota_op_t *op)
{
    if (!(op->flags & ROTA_OPF_SLOT)) return;
    op->fd = op->descriptor;
    op->flags &= (uint8_t)~ROTA_OPF_SLOT;
}

/* The next entry of an op that stays in flight: the kernel looks its file up once more, so this
 * happens only in the drain, which submits it before anything else can run and close the file.
 * Inside the walk, so it must not enter. */
static void relaunch(ring_t *ring, rota_op_t *op)
{
    if (!rota_delivery_may_go_on(&ring->engine, op)) {
        conclude(ring, op, ROTA_CLOSED);
        return;
    }
    name_by_number(op);
    struct io_uring_sqe *sqe = entry_at_hand(ring);
    if (sqe) {
        unwant(ring, op, ROTA_OPF_ENTRY_WANTED);
        fill_entry(ring, sqe, op);
        ring->relaunched = true;
    } else {
        want(ring, op, ROTA_OPF_ENTRY_WANTED);
    }
}

static bool is_with_kernel(const rota_op_t *op)
{
    return op->state == ROTA_OP_IN_FLIGHT || op->state == ROTA_OP_ABANDONED;
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
    sqe->user_data = (uint64_t)op->index << TAG_BITS | TAG_CANCEL;
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

static void grant_cancels(ring_t *ring)
{
    rota_ops_t *ops = &ring->engine.ops;
    for (uint32_t i = 0; ring->wanting && i < rota_ops_capacity(ops); i++) {
        rota_op_t *op = rota_op_at(ops, i);
        if (op->state == ROTA_OP_FREE || !(op->flags & ROTA_OPF_CANCEL_WANTED)) continue;
        if (io_uring_sq_space_left(&ring->uring) == 0 && enter(ring, 0, -1, 0) < 0) break;
        request_cancel(ring, op);
    }
}

/* Those that find no room even now have their turn in the next drain, behind an enter that does not
 * sleep. */
static void grant_entries(ring_t *ring)
{
    rota_ops_t *ops = &ring->engine.ops;
    for (uint32_t i = 0; i < rota_ops_capacity(ops); i++) {
        rota_op_t *op = rota_op_at(ops, i);
        if (io_uring_sq_space_left(&ring->uring) == 0) break;
        if (op->state != ROTA_OP_FREE && op->flags & ROTA_OPF_ENTRY_WANTED) relaunch(ring, op);
    }
}

/* The end of a drain. */
static void hand_over_relaunched(ring_t *ring)
{
    if (ROTA_UNLIKELY(ring->wanting)) grant_entries(ring);
    if (ROTA_LIKELY(!ring->relaunched)) return;
    ring->relaunched = false;
    (void)enter(ring, 0, -1, 0);
}

/* Stops while the completion queue is full: more requests would only lengthen the kernel's own
 * overflow list. */
static void move_overflow(ring_t *ring)
{
    while (!rota_list_empty(&ring->engine.queue)) {
        if (io_uring_cq_ready(&ring->uring) >= ring->uring.cq.ring_entries) break;
        struct io_uring_sqe *sqe = next_entry(ring);
        if (!sqe) break;
        launch(ring, rota_delivery_dequeue(&ring->engine), sqe);
    }
}

/* Of several processes that wait in one listening socket the kernel wakes one. If that was killed a
 * moment ago, and its ring is not yet torn down, the others hear nothing of the connection until
 * another one comes (seen on Linux 6.18: 47 of 100 connections right behind a SIGKILL). So the
 * kernel is asked anew now and then: the request is ended, and whoever armed it arms it again,
 * which looks first. Not the engine: the number may be another file's by now, and the slot, too. */
static void renew_accepts(ring_t *ring)
{
    uint64_t now_ns = rota_now_coarse_ns();
    if (now_ns - ring->renewed_ns < ROTA_RENEW_EVERY_NS) return;
    ring->renewed_ns = now_ns;
    rota_ops_t *ops = &ring->engine.ops;
    uint32_t left = ring->accepts;
    for (uint32_t i = 0; left && i < rota_ops_capacity(ops); i++) {
        rota_op_t *op = rota_op_at(ops, i);
        if (!rota_op_accepts(op) || op->state != ROTA_OP_IN_FLIGHT) continue;
        left--;
        if (op->stage == STAGE_LINK || op->flags & (ROTA_OPF_CANCELLED | WANTS)) continue;
        request_cancel(ring, op);
    }
}

/* A cancel that finds nothing is the rule where the op is done, and what a disk is asked for is
 * never found. But the kernel also finds no link of a chain before its turn, none that it has yet
 * to begin, and nothing on its way to one of its workers; and any of these may then wait for ever.
 * So it is asked again, while the op is in flight: soon at first, then ever more rarely, because a
 * disk, or what is mounted from elsewhere, may hang for hours. */
static void ask_again(ring_t *ring)
{
    if (rota_now_coarse_ns() < ring->again_at_ns) return;
    ring->missed = false;
    ring->again_ns *= 2;
    if (ring->again_ns > AGAIN_MAX_NS) ring->again_ns = AGAIN_MAX_NS;
    rota_ops_t *ops = &ring->engine.ops;
    for (uint32_t i = 0; i < rota_ops_capacity(ops); i++) {
        rota_op_t *op = rota_op_at(ops, i);
        if (!is_with_kernel(op) || op->stage != STAGE_MISSED) continue;
        op->stage = STAGE_ASKED;
        if (!(op->flags & WANTS)) request_cancel(ring, op);
    }
}

/* Gives entries to what waits for one: the wake-up first, without it nobody may sleep; then
 * cancels; then new ops in their order. */
static void fill_queue(ring_t *ring)
{
    if (!ring->wake_armed) {
        if (io_uring_sq_space_left(&ring->uring) == 0) (void)enter(ring, 0, -1, 0);
        arm_wake(ring);
    }
    if (ring->accepts) renew_accepts(ring);
    if (ROTA_UNLIKELY(ring->missed)) ask_again(ring);
    if (ring->wanting) grant_cancels(ring);
    move_overflow(ring);
}

/* --- the walk over the completions -------------------------------------------------------- */

/* Before anything else is asked about a completion: whoever it is for, the buffer is accounted. */
static rota_segment_t take_segment(ring_t *ring, const struct io_uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_BUFFER)) return (rota_segment_t){0};
    rota_segment_t segment = {
        .length = cqe->res > 0 ? (uint32_t)cqe->res : 0,
        .bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT,
    };
    bool more = cqe->flags & ROTA_CQE_F_BUF_MORE;
    segment.bytes = rota_bufring_take(&ring->engine.pool, segment.bid, segment.length, more);
    return segment;
}

/* No memory for a shot: what it held is lost, so nothing may follow it. The op ends, and says so.
 */
static void end_failed(ring_t *ring, rota_op_t *op, bool more)
{
    if (more) ring->engine.api->cancel(&ring->engine, op);
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
    return rota_entry_rearms(op, &ring->style) && delivered(op, result) &&
           rota_delivery_wanted(op) && !(op->flags & ROTA_OPF_CANCELLED);
}

static void end_multishot(ring_t *ring, rota_op_t *op, int32_t result)
{
    if (op->kind == ROTA_OP_RECV_MULTI && result == -ENOBUFS)
        rota_delivery_note_starved(&ring->engine);
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
    if (put_off && !nonempty && rota_delivery_wanted(op) && !(op->flags & ROTA_OPF_CANCELLED))
        request_cancel(ring, op);
}

static void absorb_received(ring_t *ring, rota_op_t *op, const rota_segment_t *segment,
                            int32_t result, uint32_t flags)
{
    bool more = flags & IORING_CQE_F_MORE;
    if (segment->length > 0 && rota_delivery_wanted(op)) {
        if (!rota_delivery_keep_segment(&ring->engine, op, segment)) end_failed(ring, op, more);
    } else {
        rota_delivery_give_back(&ring->engine, segment);
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
        if (rota_delivery_wanted(op)) {
            if (!rota_delivery_keep_descriptor(&ring->engine, op, result))
                end_failed(ring, op, more);
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
    if (result != -EAGAIN) return false;
    return (op->kind >= ROTA_OP_READ && op->kind <= ROTA_OP_WRITEV) || waits_for_room(op);
}

static int number_of(const rota_op_t *op)
{
    return op->flags & ROTA_OPF_SLOT ? op->descriptor : op->fd;
}

/* Of a poll for urgent data the kernel says what woke it, which any data do, and not what is there.
 * False: nothing that was asked for. */
static bool look_for_urgent(const rota_op_t *op, int32_t *result)
{
    if (ROTA_LIKELY(!(op->request_flags & POLLPRI))) return true;
    int fd = number_of(op);
    struct pollfd question = {.fd = fd, .events = (short)op->request_flags};
    if (fd < 0 || poll(&question, 1, 0) < 0) return true;
    *result = question.revents;
    return question.revents != 0;
}

/* Of a peer that sends no more (POLLRDHUP) the kernel tells every poll, asked or not, and at once
 * when it is asked again. */
static bool is_answered(const rota_op_t *op, int32_t *result)
{
    *result &= (int32_t)(op->request_flags | POLLERR | POLLHUP | POLLNVAL);
    return *result && look_for_urgent(op, result);
}

/* Where it told of nothing that was asked for, one with many shots waits, which tells of changes
 * only. It is ended as soon as there is an answer, kept in `length` meanwhile. */
static void absorb_polled(ring_t *ring, rota_op_t *op, int32_t result, bool more)
{
    bool known = op->flags & ROTA_OPF_POLLING && op->length;
    bool ended =
        known || result < 0 || op->state != ROTA_OP_IN_FLIGHT || op->flags & ROTA_OPF_CANCELLED;
    bool answered = ended || is_answered(op, &result);
    if (!more && answered) {
        conclude(ring, op, known ? (int32_t)op->length : result);
    } else if (!more) {
        op->flags |= ROTA_OPF_POLLING;
        op->length = 0;
        relaunch(ring, op);
    } else if (answered && !ended) {
        op->length = (uint32_t)result;
        request_cancel(ring, op);
    }
}

/* Or will there never be any? */
static bool has_room_now(const rota_op_t *op)
{
    struct pollfd question = {.fd = number_of(op), .events = POLLOUT};
    return poll(&question, 1, 0) > 0 && question.revents & (POLLOUT | POLLHUP);
}

/* The poll of what waits for room. One of one shot is answered at once by a peer that sends no
 * more, and by errors that nobody takes, however often it is asked. Then one with many shots waits,
 * which tells of changes, but of what woke it, and not of what is there. */
static void absorb_room(ring_t *ring, rota_op_t *op, int32_t result, bool more)
{
    bool cancelled = op->flags & ROTA_OPF_CANCELLED || op->state != ROTA_OP_IN_FLIGHT;
    bool ended = op->stage == STAGE_ROOM;
    bool told = result >= 0 && result & POLLERR && op->stage == STAGE_NONE;
    bool room = ended || (result >= 0 && (result & (POLLOUT | POLLHUP) || has_room_now(op)));
    if (more) {
        if (!room || ended || cancelled) return;
        op->stage = STAGE_ROOM;
        request_cancel(ring, op);
    } else if (cancelled || (result < 0 && !ended)) {
        conclude(ring, op, cancelled ? -ECANCELED : result);
    } else {
        unwant(ring, op, ROTA_OPF_CANCEL_WANTED);
        if (ended || !room) op->stage = STAGE_CHANGES;
        if (room || told) op->flags &= (uint8_t)~ROTA_OPF_POLLING;
        relaunch(ring, op);
    }
}

/* Was it a part of what was to be sent whole? The rest waits. */
static bool has_sent_part(rota_op_t *op, int32_t result)
{
    bool whole = op->kind == ROTA_OP_SEND && op->request_flags & MSG_WAITALL && waits_for_room(op);
    if (!whole || result <= 0 || (uint32_t)(op->result + result) >= op->length) return false;
    op->result += result;
    op->flags |= ROTA_OPF_POLLING;
    return true;
}

/* False: its result stands. */
static bool ask_otherwise(rota_op_t *op, int32_t result)
{
    if (has_sent_part(op, result)) return true;
    bool polled = op->flags & ROTA_OPF_POLLING && result >= 0;
    if (polled || polls_first(op, result)) {
        op->flags ^= ROTA_OPF_POLLING;
        return true;
    }
    if (result != -ENOTSOCK || !rota_op_goes_by_socket(op)) return false;
    op->request_flags = ROTA_HINT_NONE; /* something else by now (IO#reopen) */
    return true;
}

/* A worker that was stopped in a splice tells what only the kernel should hear: restart the system
 * call (ERESTARTSYS and its like, 512 to 516). */
static int32_t as_errno(int32_t result)
{
    return result <= -512 && result >= -516 ? -EINTR : result;
}

/* By renew_accepts: what else ends a request unasked are chains that are cut. */
static bool was_renewed(const rota_op_t *op, int32_t result)
{
    return op->kind == ROTA_OP_ACCEPT && result == -ECANCELED && op->stage != STAGE_LINK &&
           !(op->flags & ROTA_OPF_CANCELLED);
}

static void absorb_single(ring_t *ring, rota_op_t *op, int32_t result)
{
    result = as_errno(result);
    bool again = ask_otherwise(op, result);
    if (again && !(op->flags & ROTA_OPF_CANCELLED))
        relaunch(ring, op);
    else if (ROTA_UNLIKELY(was_renewed(op, result)))
        conclude(ring, op, ROTA_ENDED_EARLY);
    else
        conclude(ring, op, again ? -ECANCELED : result);
}

static void absorb_sent(ring_t *ring, rota_op_t *op, int32_t result, uint32_t flags)
{
    if (flags & IORING_CQE_F_NOTIF) {
        rota_delivery_notify(&ring->engine, op, (uint32_t)result & ROTA_NOTIF_USAGE_ZC_COPIED);
    } else if (flags & IORING_CQE_F_MORE) {
        unwant(ring, op, WANTS);
        rota_delivery_answer(&ring->engine, op, result);
    } else {
        conclude(ring, op, result);
    }
}

/* The place may have another op by now: that one is asked for once more than needed, if at all. A
 * zero-copy send may have its result, and nobody can hasten the notification. */
static void note_missed(ring_t *ring, uint32_t index)
{
    rota_op_t *op = rota_op_at(&ring->engine.ops, index);
    if (!is_with_kernel(op) || op->kind == ROTA_OP_SEND_ZERO_COPY) return;
    if (!(op->flags & ROTA_OPF_CANCELLED)) return;
    if (op->stage < STAGE_MISSED) ring->again_ns = AGAIN_FIRST_NS;
    uint64_t at_ns = rota_now_coarse_ns() + ring->again_ns;
    if (!ring->missed || at_ns < ring->again_at_ns) ring->again_at_ns = at_ns;
    ring->missed = true;
    op->stage = STAGE_MISSED;
}

static void absorb_own(ring_t *ring, const struct io_uring_cqe *cqe)
{
    uint32_t data = (uint32_t)cqe->user_data, tag = data & TAG_MASK;
    if (tag == TAG_WAKE) arm_wake(ring);
    if (tag == TAG_CANCEL && cqe->res == -ENOENT) note_missed(ring, data >> TAG_BITS);
}

static void absorb(ring_t *ring, const struct io_uring_cqe *cqe)
{
    if (cqe->user_data <= UINT32_MAX) {
        absorb_own(ring, cqe);
        return;
    }
    rota_segment_t segment = take_segment(ring, cqe);
    rota_op_t *op = rota_op_find(&ring->engine.ops, cqe->user_data);
    bool more = cqe->flags & IORING_CQE_F_MORE;
    if (!op) {
        rota_delivery_give_back(&ring->engine, &segment);
    } else if (op->kind == ROTA_OP_RECV_MULTI) {
        absorb_received(ring, op, &segment, cqe->res, cqe->flags);
    } else if (op->kind == ROTA_OP_ACCEPT_MULTI) {
        absorb_accepted(ring, op, cqe->res, more);
    } else if (op->kind == ROTA_OP_SEND_ZERO_COPY) {
        absorb_sent(ring, op, cqe->res, cqe->flags);
    } else if (op->kind == ROTA_OP_POLL) {
        absorb_polled(ring, op, as_errno(cqe->res), more);
    } else if (ROTA_UNLIKELY(op->flags & ROTA_OPF_POLLING) && rota_op_sends(op)) {
        absorb_room(ring, op, as_errno(cqe->res), more);
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

static uint32_t ring_drain(rota_engine_t *engine)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead) return 0;
    uint32_t walked = walk(ring);
    if (ROTA_UNLIKELY(io_uring_cq_has_overflow(&ring->uring))) walked += recover_overflow(ring);
    hand_over_relaunched(ring);
    engine->stats.completions += walked;
    rota_delivery_decay(engine);
    rota_delivery_note_buffers(engine);
    return walked;
}

/* --- the calls of the seam ---------------------------------------------------------------- */

static int open_pool(ring_t *ring)
{
    rota_features_t *features = &ring->engine.features;
    if (rota_bufring_is_open(&ring->engine.pool)) return 0;
    if (!rota_feature_granted(features, ROTA_FEATURE_provided_buffers)) {
        return -features->refusal[ROTA_FEATURE_provided_buffers];
    }
    bool incremental = rota_feature_granted(features, ROTA_FEATURE_incremental_buffers);
    int status =
        rota_bufring_open(&ring->engine.pool, &ring->uring, BUFFER_GROUP, ring->engine.buffers,
                          ring->engine.buffers_max, ring->engine.buffer_size, incremental);
    if (status < 0) {
        rota_features_refuse(features, ROTA_FEATURE_provided_buffers, status);
        ring->engine.receives_many = false;
    }
    return status;
}

/* The ring takes a position for a pipe or a socket as none, where the system call refuses it. */
static int refusal_of_position(const rota_op_t *op)
{
    bool placed = op->kind >= ROTA_OP_READ && op->kind <= ROTA_OP_WRITEV;
    if (!placed || op->offset == UINT64_MAX) return 0;
    return lseek(number_of(op), 0, SEEK_CUR) < 0 ? -errno : 0;
}

static int refusal_of(ring_t *ring, const rota_op_t *op)
{
    if (ring->engine.dead) return -ECANCELED;
    return op->kind == ROTA_OP_RECV_MULTI ? open_pool(ring) : refusal_of_position(op);
}

/* What the kernel has no entry for is a call that blocks: there is no helper just for that. */
static bool lacks_entry(const ring_t *ring, const rota_op_t *op)
{
    if (op->kind == ROTA_OP_FADVISE) return op->extent > UINT32_MAX; /* before 6.11 or so */
    return op->kind == ROTA_OP_FTRUNCATE && !granted(ring, ROTA_FEATURE_ftruncate);
}

/* No later op overtakes one that waits. */
static bool launch_now(ring_t *ring, rota_op_t *op)
{
    return rota_list_empty(&ring->engine.queue) && launch(ring, op, entry_at_hand(ring));
}

static void ring_submit(rota_engine_t *engine, rota_op_t *op)
{
    ring_t *ring = ring_of(engine);
    assert(op->state == ROTA_OP_QUEUED && !rota_list_linked(&op->link));
    int refusal = refusal_of(ring, op);
    if (ROTA_UNLIKELY(refusal < 0)) {
        conclude(ring, op, refusal);
    } else if (ROTA_UNLIKELY(lacks_entry(ring, op))) {
        conclude(ring, op, rota_disk_perform(op));
    } else if (!launch_now(ring, op)) {
        engine->stats.overflows++;
        rota_delivery_queue(engine, op);
    }
}

static bool has_room(const ring_t *ring, uint32_t count)
{
    return rota_list_empty(&ring->engine.queue) && io_uring_sq_space_left(&ring->uring) >= count;
}

static bool has_poll(rota_op_t *const *ops, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (ops[i]->kind == ROTA_OP_POLL) return true;
    return false;
}

/* A chain is one only inside one enter, so it never waits on the overflow list. Nor has it polls,
 * behind whose false answers (see is_answered) the next link would begin. */
static bool ring_submit_linked(rota_engine_t *engine, rota_op_t *const *ops, uint32_t count)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead || count > engine->links_max || has_poll(ops, count)) return false;
    if (!has_room(ring, count)) {
        rota_delivery_end_closed(engine);
        fill_queue(ring);
        (void)enter(ring, 0, -1, 0);
    }
    if (!has_room(ring, count)) return false;
    for (uint32_t i = 0; i < count; i++) {
        struct io_uring_sqe *sqe = entry_at_hand(ring);
        assert(ops[i]->state == ROTA_OP_QUEUED && sqe);
        /* what is asked for again stands in no chain any more */
        if (rota_op_goes_by_socket(ops[i])) ops[i]->request_flags = ROTA_HINT_NONE;
        ops[i]->stage = STAGE_LINK;
        launch(ring, ops[i], sqe);
        if (i + 1 < count) sqe->flags |= IOSQE_IO_LINK;
    }
    return true;
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
    if (engine->dead || op->flags & ROTA_OPF_CANCELLED || rota_op_has_result(op)) return;
    assert(op->state != ROTA_OP_FREE);
    op->flags |= ROTA_OPF_CANCELLED;
    engine->stats.cancels++;
    if (op->state == ROTA_OP_QUEUED) {
        rota_delivery_cancel_queued(engine, op);
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

static bool ring_peek(rota_engine_t *engine)
{
    return ring_ready(engine);
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
    if (ROTA_UNLIKELY(!rota_list_empty(&engine->queue))) rota_delivery_end_closed(engine);
    fill_queue(ring);
    int status = enter(ring, 0, -1, IORING_ENTER_GETEVENTS);
    if (status < 0) return engine_fault(status);
    collect_rest(ring);
    return 0;
}

/* Whatever is still without an entry would sleep with us. */
static bool may_sleep(const ring_t *ring)
{
    return ring->wake_armed && ring->wanting == 0 && rota_list_empty(&ring->engine.queue) &&
           io_uring_cq_ready(&ring->uring) == 0;
}

static int64_t until_again(const ring_t *ring)
{
    int64_t left_ns = (int64_t)(ring->again_at_ns - rota_now_coarse_ns());
    return (left_ns > 0 ? left_ns : 0) + TICK_NS;
}

static int ring_wait(rota_engine_t *engine, int64_t timeout_ns)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead) return -EBADF;
    fill_queue(ring);
    if (ring->accepts) timeout_ns = rota_sooner(timeout_ns, ROTA_RENEW_WAIT_NS);
    if (ring->missed) timeout_ns = rota_sooner(timeout_ns, until_again(ring));
    int status = timeout_ns != 0 && may_sleep(ring) ? enter_and_wait(ring, timeout_ns)
                                                    : enter(ring, 0, -1, IORING_ENTER_GETEVENTS);
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

static int ring_buffer_hold(rota_engine_t *engine, const void *memory, size_t size)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead || !granted(ring, ROTA_FEATURE_registered_buffers)) return -EOPNOTSUPP;
    return rota_buftab_hold(&ring->style.buffers, &ring->uring, memory, size);
}

/* An entry that names the place may still be in the queue: it is handed over first. */
static void ring_buffer_drop(rota_engine_t *engine, int place)
{
    ring_t *ring = ring_of(engine);
    if (engine->dead) return;
    if (io_uring_sq_ready(&ring->uring) > 0) (void)enter(ring, 0, -1, 0);
    rota_buftab_drop(&ring->style.buffers, place);
}

/* --- the end ------------------------------------------------------------------------------ */

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
    ring_t *ring = ROTA_CONTAINER_OF(guard, ring_t, engine.guard);
    ring->engine.dead = true;
    close(ring->uring.ring_fd);
    rota_wake_close(&ring->engine.wake);
    if (!ring->forkless) unmap_ring(&ring->uring.sq, &ring->uring.cq);
}

/* A registered ring descriptor is a number in a table of the thread: under the same number another
 * thread may have its own ring, whose files and buffers liburing would unregister. It goes by the
 * descriptor there. */
static void name_by_descriptor(ring_t *ring)
{
    if (ring->owner == this_thread()) return;
    ring->uring.enter_ring_fd = ring->uring.ring_fd;
    ring->uring.int_flags = 0;
}

static void free_ring(ring_t *ring)
{
    rota_delivery_free(&ring->engine);
    free(ring);
}

/* In a forked child everything but the bookkeeping is the parent's; the kernel knows none of it in
 * this process. */
static void close_left_behind(ring_t *ring)
{
    rota_delivery_drop_unclaimed(&ring->engine);
    rota_bufring_forget(&ring->engine.pool);
    rota_filetab_forget(&ring->files);
    ring->engine.ops.in_flight = 0;
    free_ring(ring);
}

/* Closing the ring ends what it can end, but does not wait for it. */
static void leave_kernel(ring_t *ring)
{
    rota_fork_guard_remove(&ring->engine.guard);
    rota_filetab_close(&ring->files); /* else the files live until the ring is torn down, later */
    io_uring_queue_exit(&ring->uring);
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
    name_by_descriptor(ring);
    uint32_t lost = engine->ops.in_flight;
    if (lost) {
        leave_kernel(ring);
        rota_delivery_keep_lost(engine);
        return lost;
    }
    rota_delivery_drop_unclaimed(engine);
    rota_bufring_close(&ring->engine.pool);
    leave_kernel(ring);
    free_ring(ring);
    return 0;
}

/* --- the beginning ------------------------------------------------------------------------ */

static const struct rota_engine_api ring_api = {
    .name = "io_uring",
    .submit = ring_submit,
    .submit_linked = ring_submit_linked,
    .cancel = ring_cancel,
    .ready = ring_ready,
    .peek = ring_peek,
    .unsubmitted = ring_unsubmitted,
    .flush = ring_flush,
    .wait = ring_wait,
    .drain = ring_drain,
    .shot_release = rota_delivery_shot_release,
    .slot_hold = ring_slot_hold,
    .slot_drop = ring_slot_drop,
    .buffer_hold = ring_buffer_hold,
    .buffer_drop = ring_buffer_drop,
    .close = ring_close,
};

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

static void choose_style(ring_t *ring)
{
    ring->style = (rota_entry_style_t){
        .buffer_size = ring->engine.buffer_size,
        .buffer_group = BUFFER_GROUP,
        .multishot_recv = granted(ring, ROTA_FEATURE_multishot_recv),
        .multishot_accept = granted(ring, ROTA_FEATURE_multishot_accept),
    };
    ring->engine.receives_many = granted(ring, ROTA_FEATURE_provided_buffers);
    if (granted(ring, ROTA_FEATURE_no_iowait)) ring->enter_flags |= ROTA_ENTER_NO_IOWAIT;
}

static int make_ring(ring_t *ring, const rota_engine_options_t *options)
{
    rota_features_t *features = &ring->engine.features;
    rota_probe(features, options->hidden);
    if (!granted(ring, ROTA_FEATURE_io_uring)) return -features->refusal[ROTA_FEATURE_io_uring];
    return rota_ladder_climb(&ring->uring, rota_or_default(options->entries, ROTA_DEFAULT_ENTRIES),
                             rota_or_default(options->cq_entries, ROTA_DEFAULT_CQ_ENTRIES),
                             features);
}

/* Nothing here can fail so badly that the ring would not work. */
static void equip(ring_t *ring, const rota_engine_options_t *options)
{
    ring->owner = this_thread();
    ring->forkless = io_uring_ring_dontfork(&ring->uring) == 0;
    limit_workers(ring);
    register_ring(ring);
    register_files(ring, options);
    rota_delivery_choose_buffers(&ring->engine, options,
                                 granted(ring, ROTA_FEATURE_incremental_buffers));
    choose_style(ring);
    ring->engine.links_max = ring->uring.sq.ring_entries;
    arm_wake(ring);
    ring->engine.guard.drop_in_child = drop_in_child;
    rota_fork_guard_add(&ring->engine.guard);
}

static ring_t *new_ring(void)
{
    ring_t *ring = calloc(1, sizeof *ring);
    if (!ring) return NULL;
    ring->engine.api = &ring_api;
    ring->engine.batches = true;
    rota_delivery_init(&ring->engine);
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
