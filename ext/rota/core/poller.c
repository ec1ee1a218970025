/* The epoll engine, for where io_uring is refused: each op is a system call that does not block;
 * what would block waits for readiness; what blocks all the same (files) goes to a few threads.
 *
 * An op in flight, or abandoned, is in one stage:
 *
 *   stage     where              leaves when
 *   WAITING   its watch's chain  its descriptor is ready and the call is made (-> FINISHED), the
 *                                call blocks (-> HELPED), or it is cancelled (-> FINISHED)
 *   HELPED    an errand          the helper is done (-> FINISHED)
 *   FINISHED  `finished`         the drain concludes it
 *
 * Nothing but `flush`, `wait`, `drain`, `cancel` and `submit` changes stages, and no op is
 * concluded outside of `drain` and `submit`, `cancel` of a queued one. `wait` runs without the
 * interpreter lock, where others may give back shots and free streams: it touches neither buffers
 * nor shots. */
#include "engine.h"

#include "attempt.h"
#include "delivery.h"
#include "disk.h"
#include "errand.h"
#include "names.h"
#include "watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    STAGE_NONE,
    STAGE_WAITING,
    STAGE_HELPED,
    STAGE_FINISHED,
};

enum {
#ifdef ROTA_HOSTILE
    EVENTS = 2,
#else
    EVENTS = 256,
#endif
    SHOTS_PER_EVENT = 16, /* of one multishot op, before others have their turn */
};

enum { TAG_WAKE = 1, TAG_HELPERS = 2 };

typedef struct poller {
    rota_engine_t engine; /* first: the engine is the poller */
    rota_watches_t watches;
    uint32_t waiting;  /* ops in stage WAITING */
    uint32_t helped;   /* ... and HELPED */
    uint32_t accepts;  /* ... of kind ACCEPT and ACCEPT_MULTI, WAITING */
    uint64_t asked_ns; /* when it was last asked whether their sockets are still open */
    rota_chain_t finished;
    struct epoll_event events[EVENTS]; /* reported, and not yet served */
    int event_count;
    rota_helpers_t helpers;
    bool has_helpers;        /* since something blocked for the first time */
    bool whole_milliseconds; /* the kernel has no epoll_pwait2 */
} poller_t;

static poller_t *poller_of(const rota_engine_t *engine)
{
    return ROTA_CONTAINER_OF(engine, poller_t, engine);
}

static bool is_multishot(const rota_op_t *op)
{
    return op->kind == ROTA_OP_RECV_MULTI || op->kind == ROTA_OP_ACCEPT_MULTI;
}

/* --- stages ------------------------------------------------------------------------------- */

/* A SEND or RECV with MSG_WAITALL that has done a part of its work. */
static bool has_moved_some(const rota_op_t *op)
{
    bool moves = op->kind == ROTA_OP_SEND || op->kind == ROTA_OP_RECV;
    return moves && op->request_flags & MSG_WAITALL && op->result > 0;
}

/* Whatever keeps it from the rest, what was moved was moved. */
static void finish(poller_t *poller, rota_op_t *op, int32_t result)
{
    assert(op->stage == STAGE_NONE);
    if (result >= 0 || !has_moved_some(op)) op->result = result;
    op->stage = STAGE_FINISHED;
    rota_chain_push_back(&poller->engine.ops, &poller->finished, op);
}

static void join(poller_t *poller, rota_watch_t *watch, rota_op_t *op)
{
    assert(op->stage == STAGE_NONE);
    op->stage = STAGE_WAITING;
    poller->waiting++;
    watch->wanted |= rota_attempt_events(op);
    watch->multishots += is_multishot(op);
    if (ROTA_UNLIKELY(rota_op_accepts(op)) && poller->accepts++ == 0)
        poller->asked_ns = rota_now_coarse_ns();
    rota_chain_push_back(&poller->engine.ops, &watch->waiting, op);
}

static void leave(poller_t *poller, rota_watch_t *watch, rota_op_t *op)
{
    assert(op->stage == STAGE_WAITING);
    op->stage = STAGE_NONE;
    poller->waiting--;
    watch->multishots -= is_multishot(op);
    poller->accepts -= rota_op_accepts(op);
    rota_chain_remove(&poller->engine.ops, &watch->waiting, op);
}

/* Ends all that wait, but for one. */
static void end_others(poller_t *poller, rota_watch_t *watch, const rota_op_t *but, int32_t result)
{
    ROTA_CHAIN_EACH(&poller->engine.ops, &watch->waiting, op)
    {
        if (op == but) continue;
        leave(poller, watch, op);
        finish(poller, op, result);
    }
}

/* What waited for a file whose number is another file's now would receive that one's bytes. */
static int arm(poller_t *poller, rota_watch_t *watch, const rota_op_t *newcomer)
{
    bool replaced;
    int status = rota_watch_arm(&poller->watches, watch, &replaced);
    if (ROTA_UNLIKELY(replaced)) end_others(poller, watch, newcomer, -EBADF);
    return status;
}

/* A duplicate that only kept the file of ops whose number was closed. */
static void retire(poller_t *poller, rota_watch_t *watch)
{
    if (!watch->moved || watch->jobs || !rota_chain_empty(&watch->waiting)) return;
    watch->moved = false;
    rota_watch_disarm(&poller->watches, watch);
    rota_watch_forget(&poller->watches, watch);
    close(watch->fd);
}

/* --- what blocks -------------------------------------------------------------------------- */

static int open_helpers(poller_t *poller)
{
    if (poller->has_helpers) return 0;
    int status = rota_helpers_open(&poller->helpers);
    if (status < 0) return status;
    status = rota_watches_add_own(&poller->watches, poller->helpers.wake.fd, TAG_HELPERS);
    if (status < 0) {
        rota_helpers_close(&poller->helpers);
        return status;
    }
    poller->has_helpers = true;
    return 0;
}

/* Does it move the file's position? Two such may not overtake each other. */
static bool is_ordered(const rota_op_t *op)
{
    return op->kind >= ROTA_OP_READ && op->kind <= ROTA_OP_WRITEV && op->offset == UINT64_MAX;
}

static void hold_number(rota_watch_t *watch, const rota_op_t *op)
{
    watch->jobs++;
    watch->ordered |= is_ordered(op);
}

static int start_errand(poller_t *poller, rota_op_t *op)
{
    bool numbered = op->fd >= 0; /* a path may begin at the working directory */
    int status = open_helpers(poller);
    if (status < 0) return status;
    rota_watch_t *watch = numbered ? rota_watches_get(&poller->watches, op->fd) : NULL;
    rota_errand_t *errand = watch || !numbered ? rota_errand_new(op) : NULL;
    if (!errand) return -ENOMEM;
    status = rota_helpers_submit(&poller->helpers, &errand->job);
    if (status < 0) {
        rota_errand_free(errand);
        return status;
    }
    if (watch) hold_number(watch, op);
    poller->helped++;
    op->stage = STAGE_HELPED;
    op->errand = errand;
    return 0;
}

/* It may take its time, but waits for nobody. */
static bool ends_by_itself(const rota_op_t *op)
{
    bool moves = op->kind >= ROTA_OP_READ && op->kind <= ROTA_OP_WRITEV;
    return rota_disk_serves(op) || (moves && rota_attempt_is_storage(op->fd));
}

/* Where there is no number or memory for helpers the loop waits for the disk, rather than that
 * nobody can write to a file. */
static void hand_over(poller_t *poller, rota_op_t *op)
{
    int status = start_errand(poller, op);
    if (status < 0) finish(poller, op, ends_by_itself(op) ? rota_attempt_blocking(op) : status);
}

/* The op's number, whose watch is returned if it has one, and its errand are free. */
static rota_watch_t *end_errand(poller_t *poller, rota_op_t *op)
{
    rota_watch_t *watch = rota_watches_find(&poller->watches, op->fd);
    assert(op->stage == STAGE_HELPED && (!watch || watch->jobs > 0));
    if (watch) watch->jobs--;
    if (watch && is_ordered(op)) watch->ordered = false;
    rota_errand_free(op->errand);
    op->before = op->after = 0;
    op->stage = STAGE_NONE;
    poller->helped--;
    return watch;
}

/* --- waiting in line ---------------------------------------------------------------------- */

/* Must it wait, because something for the same descriptor goes first? `held`: the directions of
 * those that wait in front of it. */
static bool is_behind(const rota_watch_t *watch, const rota_op_t *op, uint32_t held)
{
    if (op->kind == ROTA_OP_POLL) return false;
    if (op->kind == ROTA_OP_CLOSE) return watch->jobs > 0;
    return rota_attempt_events(op) & held || (watch->ordered && is_ordered(op));
}

static uint32_t directions_held(const poller_t *poller, const rota_watch_t *watch,
                                const rota_op_t *op)
{
    uint32_t held = 0;
    if (!(watch->wanted & rota_attempt_events(op))) return 0;
    ROTA_CHAIN_EACH(&poller->engine.ops, &watch->waiting, other)
    {
        if (other->kind != ROTA_OP_POLL) held |= rota_attempt_events(other);
        if (held & rota_attempt_events(op)) break;
    }
    return held;
}

/* The registration tells whether it is still the same file. A poll needs no right, and proves none.
 */
static int check_allowed(rota_watch_t *watch, const rota_op_t *op)
{
    uint32_t events = rota_attempt_events(op);
    if (op->kind == ROTA_OP_POLL) return 0;
    if (ROTA_LIKELY((watch->allowed & events) == events)) return 0;
    int status = rota_attempt_may_wait(op);
    if (status == 0) watch->allowed |= events;
    return status;
}

static void wait_in_line(poller_t *poller, rota_watch_t *watch, rota_op_t *op)
{
    join(poller, watch, op);
    if (!rota_attempt_events(op) || watch->ordered) return; /* a job's end calls it */
    int status = arm(poller, watch, op);
    if (ROTA_LIKELY(status == 0)) status = check_allowed(watch, op);
    if (ROTA_LIKELY(status == 0)) return;
    leave(poller, watch, op);
    if (status != -EPERM) {
        finish(poller, op, status);
    } else if (op->kind == ROTA_OP_POLL) {
        finish(poller, op, -EINVAL); /* what it is not ready for now it never is */
    } else {
        hand_over(poller, op); /* a file that is always ready */
    }
}

static void wait_for_readiness(poller_t *poller, rota_op_t *op)
{
    rota_watch_t *watch = rota_watches_get(&poller->watches, op->fd);
    if (watch) {
        wait_in_line(poller, watch, op);
    } else {
        finish(poller, op, -ENOMEM);
    }
}

/* --- closing ------------------------------------------------------------------------------ */

/* What waits keeps its file, as it does when the kernel holds the op: under another number, which
 * nobody else knows. */
static int move_away(poller_t *poller, rota_watch_t *watch)
{
    uint32_t wanted = watch->wanted;
    int fd = fcntl(watch->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return -errno;
    rota_watch_t *stale = rota_watches_find(&poller->watches, fd);
    if (stale) end_others(poller, stale, NULL, -EBADF);
    rota_watch_disarm(&poller->watches, watch);
    watch->wanted = wanted;
    int status = rota_watch_move(&poller->watches, watch, fd);
    if (status < 0) {
        close(fd);
        return status;
    }
    watch->moved = true;
    ROTA_CHAIN_EACH(&poller->engine.ops, &watch->waiting, op) op->fd = fd;
    return arm(poller, watch, NULL);
}

static void close_number(poller_t *poller, rota_watch_t *watch, rota_op_t *op)
{
    int fd = op->fd;
    if (watch && !rota_chain_empty(&watch->waiting)) {
        int status = move_away(poller, watch);
        if (status < 0) end_others(poller, watch, NULL, status);
    }
    watch = rota_watches_find(&poller->watches, fd);
    if (watch) {
        rota_watch_disarm(&poller->watches, watch);
        rota_watch_forget(&poller->watches, watch);
    }
    finish(poller, op, close(fd) < 0 ? -errno : 0);
}

/* --- beginning ---------------------------------------------------------------------------- */

static void settle(poller_t *poller, rota_op_t *op, int32_t outcome)
{
    if (outcome == ROTA_ATTEMPT_WAIT) {
        wait_for_readiness(poller, op);
    } else if (outcome == ROTA_ATTEMPT_BLOCKS) {
        hand_over(poller, op);
    } else {
        finish(poller, op, outcome);
    }
}

static int32_t first_attempt(const poller_t *poller, rota_op_t *op)
{
    if (is_multishot(op)) return rota_attempt_multishot(op);
    bool aside = poller->engine.slow_files && rota_disk_serves(op);
    return aside ? ROTA_ATTEMPT_BLOCKS : rota_attempt(op, false);
}

static void begin(poller_t *poller, rota_op_t *op)
{
    rota_watch_t *watch = rota_watches_find(&poller->watches, op->fd);
    if (op->fd < 0 && op->kind != ROTA_OP_NOP && !rota_op_has_names(op)) {
        finish(poller, op, -EBADF);
    } else if (watch && is_behind(watch, op, directions_held(poller, watch, op))) {
        wait_in_line(poller, watch, op);
    } else if (op->kind == ROTA_OP_CLOSE) {
        close_number(poller, watch, op);
    } else {
        settle(poller, op, first_attempt(poller, op));
    }
}

/* In the order of submissions. */
static void begin_queued(poller_t *poller)
{
    rota_ops_t *ops = &poller->engine.ops;
    for (rota_op_t *op; (op = rota_delivery_dequeue(&poller->engine));) {
        rota_op_enter(ops, op, ROTA_OP_IN_FLIGHT);
        if (op->flags & ROTA_OPF_LEFT) rota_op_enter(ops, op, ROTA_OP_ABANDONED);
        poller->engine.stats.entries++;
        begin(poller, op);
    }
}

/* --- serving what is ready ---------------------------------------------------------------- */

/* Outcomes of one shot that was kept. Others: there was none (ROTA_ATTEMPT_WAIT), or how the op
 * ends.
 */
enum { MORE_MAY_COME = 1, LAST_FOR_NOW = 2 };

static int32_t receive_piece(rota_engine_t *engine, rota_op_t *op)
{
    rota_segment_t segment = {0};
    uint32_t room;
    uint8_t *memory = rota_bufring_front(&engine->pool, &segment.bid, &room);
    if (!memory) {
        rota_delivery_note_starved(engine);
        return -ENOBUFS;
    }
    int32_t received = rota_attempt_receive(op, memory, room);
    if (received <= 0) return received;
    segment.length = (uint32_t)received;
    segment.bytes =
        rota_bufring_take(&engine->pool, segment.bid, segment.length, segment.length < room);
    if (!rota_delivery_keep_segment(engine, op, &segment)) return -ENOMEM;
    return segment.length < room ? LAST_FOR_NOW : MORE_MAY_COME;
}

static int32_t accept_one(rota_engine_t *engine, rota_op_t *op)
{
    int32_t fd = rota_attempt_accept(op);
    if (fd < 0) return fd;
    return rota_delivery_keep_descriptor(engine, op, fd) ? MORE_MAY_COME : -ENOMEM;
}

static int32_t next_shot(poller_t *poller, rota_op_t *op)
{
    return op->kind == ROTA_OP_RECV_MULTI ? receive_piece(&poller->engine, op)
                                          : accept_one(&poller->engine, op);
}

/* What it leaves is reported again, unless only changes are. */
static int32_t serve_multishot(poller_t *poller, const rota_watch_t *watch, rota_op_t *op)
{
    int32_t outcome = MORE_MAY_COME;
    for (int shots = 0; outcome > 0; shots++) {
        if (shots >= SHOTS_PER_EVENT && !watch->edges) return ROTA_ATTEMPT_WAIT;
        outcome = next_shot(poller, op);
        if (outcome == LAST_FOR_NOW && !watch->edges) return ROTA_ATTEMPT_WAIT;
    }
    return outcome;
}

static void proceed(poller_t *poller, rota_watch_t *watch, rota_op_t *op, bool woken)
{
    if (op->kind == ROTA_OP_CLOSE) {
        leave(poller, watch, op);
        close_number(poller, watch, op);
        return;
    }
    if (ROTA_UNLIKELY(!rota_delivery_may_go_on(&poller->engine, op))) {
        leave(poller, watch, op); /* a duplicate keeps the file, which was heard of */
        finish(poller, op, ROTA_CLOSED);
        return;
    }
    int32_t outcome =
        is_multishot(op) ? serve_multishot(poller, watch, op) : rota_attempt(op, woken);
    if (outcome == ROTA_ATTEMPT_WAIT) return;
    leave(poller, watch, op);
    settle(poller, op, outcome);
}

static void arm_again(poller_t *poller, rota_watch_t *watch)
{
    if (rota_chain_empty(&watch->waiting)) {
        rota_watch_disarm(&poller->watches, watch);
        retire(poller, watch);
    } else if (watch->wanted && !watch->ordered && !rota_watch_is_armed(watch)) {
        int status = arm(poller, watch, NULL);
        if (status < 0) end_others(poller, watch, NULL, status);
    }
}

/* Lets everybody who waits for the events try, each direction in the order of its line. A hang-up
 * or an error that is still there and helps nobody (the error queue of a socket) would be reported
 * without end: from then on only changes are. */
static void serve(poller_t *poller, rota_watch_t *watch, uint32_t events, bool woken)
{
    uint32_t held = 0, before = poller->waiting;
    bool only_state = !(events & ~(uint32_t)(EPOLLERR | EPOLLHUP));
    watch->wanted = 0;
    events |= events & (EPOLLERR | EPOLLHUP) ? UINT32_MAX : 0;
    ROTA_CHAIN_EACH(&poller->engine.ops, &watch->waiting, op)
    {
        uint32_t wanted = rota_attempt_events(op);
        bool called = !wanted || events & wanted;
        if (called && !is_behind(watch, op, held)) proceed(poller, watch, op, woken);
        if (op->stage != STAGE_WAITING) continue;
        watch->wanted |= wanted;
        if (op->kind != ROTA_OP_POLL) held |= wanted;
    }
    watch->edges = only_state && poller->waiting == before;
    arm_again(poller, watch);
}

static void serve_events(poller_t *poller)
{
    int count = poller->event_count;
    poller->event_count = 0;
    for (int i = 0; i < count; i++) {
        rota_watch_t *watch = rota_watches_of_event(&poller->watches, &poller->events[i]);
        if (!watch) continue; /* closed since it was reported */
        rota_watch_fired(watch);
        serve(poller, watch, poller->events[i].events, true);
    }
}

/* Whoever waited for the number is next. */
static void finish_errand(poller_t *poller, rota_op_t *op, int32_t result)
{
    rota_watch_t *watch = end_errand(poller, op);
    finish(poller, op, result);
    if (watch) serve(poller, watch, UINT32_MAX, false);
}

static void collect_errands(poller_t *poller)
{
    rota_list_t done;
    rota_list_init(&done);
    if (!poller->has_helpers || !rota_helpers_ready(&poller->helpers)) return;
    rota_helpers_collect(&poller->helpers, &done);
    for (rota_list_t *link; (link = rota_list_pop(&done));) {
        rota_errand_t *errand = rota_errand_of(link);
        rota_op_t *op = errand->op;
        finish_errand(poller, op, rota_errand_result(errand));
    }
}

/* Of a socket that was closed without a word the kernel reports nothing any more, and nobody can
 * connect to it: who accepts would wait for ever. (Bytes may be waited for as long: they may come
 * from anywhere, and there are too many who do.) */
static void end_accepts_of_closed(poller_t *poller)
{
    uint64_t now_ns = rota_now_coarse_ns();
    if (now_ns - poller->asked_ns < ROTA_RENEW_EVERY_NS) return;
    poller->asked_ns = now_ns;
    rota_ops_t *ops = &poller->engine.ops;
    uint32_t left = poller->accepts;
    for (uint32_t i = 0; left && i < rota_ops_capacity(ops); i++) {
        rota_op_t *op = rota_op_at(ops, i);
        if (op->state == ROTA_OP_FREE || op->stage != STAGE_WAITING || !rota_op_accepts(op))
            continue;
        left--;
        if (rota_delivery_may_go_on(&poller->engine, op)) continue;
        rota_watch_t *watch = rota_watches_find(&poller->watches, op->fd);
        leave(poller, watch, op);
        finish(poller, op, ROTA_CLOSED);
        retire(poller, watch);
    }
}

/* --- asking the kernel -------------------------------------------------------------------- */

static int ask(poller_t *poller, int64_t timeout_ns)
{
    struct epoll_event *events = poller->events;
    struct timespec limit = {
        .tv_sec = timeout_ns / ROTA_NS_PER_S,
        .tv_nsec = timeout_ns % ROTA_NS_PER_S,
    };
    poller->engine.stats.enters++;
    if (timeout_ns <= 0) {
        return epoll_wait(poller->watches.epoll_fd, events, EVENTS, timeout_ns < 0 ? -1 : 0);
    }
#ifdef SYS_epoll_pwait2
    if (!poller->whole_milliseconds) {
        int count = (int)syscall(SYS_epoll_pwait2, poller->watches.epoll_fd, events, EVENTS, &limit,
                                 NULL, 0);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        poller->whole_milliseconds = true;
    }
#endif
    int64_t ms = limit.tv_sec < INT32_MAX / 1000 - 1
                     ? (timeout_ns + ROTA_NS_PER_MS - 1) / ROTA_NS_PER_MS
                     : INT32_MAX;
    return epoll_wait(poller->watches.epoll_fd, events, EVENTS, (int)ms);
}

/* Keeps the events of watches. A registration of an older generation that is heard of here cannot
 * be removed: its number is gone. */
static void sort_events(poller_t *poller, int count)
{
    for (int i = 0; i < count; i++) {
        const struct epoll_event *event = &poller->events[i];
        if (rota_watches_own_tag(event)) continue;
        if (rota_watches_of_event(&poller->watches, event)) {
            poller->events[poller->event_count++] = *event;
        } else {
            poller->watches.stale = true;
        }
    }
}

/* How many events there were, or -errno. */
static int collect_events(poller_t *poller, int64_t timeout_ns)
{
    assert(poller->event_count == 0);
    int count = ask(poller, timeout_ns);
    if (count < 0) return -errno;
    sort_events(poller, count);
    return count;
}

/* --- the calls of the seam ---------------------------------------------------------------- */

static int open_pool(rota_engine_t *engine)
{
    if (rota_bufring_is_open(&engine->pool)) return 0;
    if (!engine->receives_many) return -ENOSYS;
    bool incremental = !(engine->features.refusal[ROTA_FEATURE_incremental_buffers]);
    return rota_bufring_open(&engine->pool, NULL, 0, engine->buffers, engine->buffers_max,
                             engine->buffer_size, incremental);
}

static int refusal_of(rota_engine_t *engine, const rota_op_t *op)
{
    if (engine->dead) return -ECANCELED;
    if (op->kind == ROTA_OP_WAITID) return -EOPNOTSUPP;
    return op->kind == ROTA_OP_RECV_MULTI ? open_pool(engine) : 0;
}

static void poller_submit(rota_engine_t *engine, rota_op_t *op)
{
    assert(op->state == ROTA_OP_QUEUED && !rota_list_linked(&op->link));
    assert(!(op->flags & ROTA_OPF_SLOT));
    int refusal = refusal_of(engine, op);
    if (ROTA_UNLIKELY(refusal < 0)) {
        rota_delivery_conclude(engine, op, refusal);
    } else {
        rota_delivery_queue(engine, op);
    }
}

static bool poller_submit_linked(rota_engine_t *engine, rota_op_t *const *ops, uint32_t count)
{
    (void)engine;
    (void)ops;
    (void)count;
    return false;
}

static void cancel_waiting(poller_t *poller, rota_op_t *op)
{
    rota_watch_t *watch = rota_watches_find(&poller->watches, op->fd);
    leave(poller, watch, op);
    finish(poller, op, -ECANCELED);
    retire(poller, watch);
}

static void cancel_helped(poller_t *poller, rota_op_t *op)
{
    if (!rota_helpers_withdraw(&poller->helpers, &op->errand->job)) {
        rota_errand_stop(op->errand);
        return;
    }
    finish_errand(poller, op, -ECANCELED);
}

static void poller_cancel(rota_engine_t *engine, rota_op_t *op)
{
    poller_t *poller = poller_of(engine);
    if (engine->dead || op->flags & ROTA_OPF_CANCELLED || op->state == ROTA_OP_DONE) return;
    assert(op->state != ROTA_OP_FREE);
    op->flags |= ROTA_OPF_CANCELLED;
    engine->stats.cancels++;
    if (op->state == ROTA_OP_QUEUED) {
        rota_delivery_cancel_queued(engine, op);
    } else if (op->stage == STAGE_WAITING) {
        cancel_waiting(poller, op);
    } else if (op->stage == STAGE_HELPED) {
        cancel_helped(poller, op);
    }
}

static bool poller_ready(const rota_engine_t *engine)
{
    const poller_t *poller = poller_of(engine);
    if (engine->dead) return false;
    return poller->event_count > 0 || !rota_chain_empty(&poller->finished) ||
           (poller->has_helpers && rota_helpers_ready(&poller->helpers));
}

static bool poller_peek(rota_engine_t *engine)
{
    poller_t *poller = poller_of(engine);
    if (engine->dead) return false;
    return poller_ready(engine) || (poller->waiting > 0 && collect_events(poller, 0) > 0);
}

static uint32_t poller_unsubmitted(const rota_engine_t *engine)
{
    return engine->dead ? 0 : engine->stats.queued;
}

static int poller_flush(rota_engine_t *engine)
{
    poller_t *poller = poller_of(engine);
    if (engine->dead) return -EBADF;
    begin_queued(poller);
    if (poller->waiting == 0 || poller->event_count > 0) return 0;
    int count = collect_events(poller, 0);
    return count < 0 && count != -EINTR ? count : 0;
}

static int sleep_for_events(poller_t *poller, int64_t timeout_ns)
{
    bool sleeps = !poller->has_helpers || rota_wake_prepare(&poller->helpers.wake);
    if (!sleeps || poller_ready(&poller->engine)) timeout_ns = 0;
    if (timeout_ns != 0) poller->engine.stats.waits++;
    int count = collect_events(poller, timeout_ns);
    if (poller->has_helpers) rota_wake_finish(&poller->helpers.wake);
    if (count < 0) return count;
    return count == 0 && timeout_ns > 0 ? -ETIME : 0;
}

static int poller_wait(rota_engine_t *engine, int64_t timeout_ns)
{
    poller_t *poller = poller_of(engine);
    if (engine->dead) return -EBADF;
    begin_queued(poller);
    if (poller->accepts) timeout_ns = rota_sooner(timeout_ns, ROTA_RENEW_WAIT_NS);
    return poller->event_count > 0 ? 0 : sleep_for_events(poller, timeout_ns);
}

static uint32_t conclude_finished(poller_t *poller)
{
    uint32_t count = 0;
    rota_ops_t *ops = &poller->engine.ops;
    for (rota_op_t *op; (op = rota_chain_at(ops, poller->finished.first)); count++) {
        rota_chain_remove(ops, &poller->finished, op);
        op->stage = STAGE_NONE;
        rota_delivery_conclude(&poller->engine, op, op->result);
    }
    return count;
}

static uint32_t poller_drain(rota_engine_t *engine)
{
    poller_t *poller = poller_of(engine);
    if (engine->dead) return 0;
    (void)rota_watches_renew(&poller->watches);
    serve_events(poller);
    collect_errands(poller);
    if (poller->accepts) end_accepts_of_closed(poller);
    uint32_t walked = conclude_finished(poller);
    engine->stats.completions += walked;
    rota_delivery_decay(engine);
    rota_delivery_note_buffers(engine);
    return walked;
}

static int poller_slot_hold(rota_engine_t *engine, int fd)
{
    (void)engine;
    (void)fd;
    return -EOPNOTSUPP;
}

static void poller_slot_drop(rota_engine_t *engine, int slot)
{
    (void)engine;
    (void)slot;
}

static int poller_buffer_hold(rota_engine_t *engine, const void *memory, size_t size)
{
    (void)engine;
    (void)memory;
    (void)size;
    return -EOPNOTSUPP;
}

static void poller_buffer_drop(rota_engine_t *engine, int place)
{
    (void)engine;
    (void)place;
}

/* --- the end ------------------------------------------------------------------------------ */

/* Async-signal-safe. The helpers are the parent's, and so is what they lock. */
static void drop_in_child(rota_fork_guard_t *guard)
{
    poller_t *poller = ROTA_CONTAINER_OF(guard, poller_t, engine.guard);
    poller->engine.dead = true;
    rota_watches_drop_in_child(&poller->watches);
    rota_wake_close(&poller->engine.wake);
    if (poller->has_helpers) rota_wake_close(&poller->helpers.wake);
}

/* A descriptor that was accepted and that nobody will take. */
static void drop_finished(poller_t *poller)
{
    rota_ops_t *ops = &poller->engine.ops;
    for (rota_op_t *op; (op = rota_chain_at(ops, poller->finished.first));) {
        rota_chain_remove(ops, &poller->finished, op);
        rota_engine_drop_result(op, op->result);
    }
}

/* The kernel owns nothing of what only waits. */
static void free_poller(poller_t *poller)
{
    drop_finished(poller);
    rota_delivery_drop_unclaimed(&poller->engine);
    rota_watches_close(&poller->watches);
    poller->engine.ops.in_flight = 0;
    rota_delivery_free(&poller->engine);
    free(poller);
}

static void free_errands(poller_t *poller)
{
    const rota_ops_t *ops = &poller->engine.ops;
    for (uint32_t i = 0; poller->helped && i < rota_ops_capacity(ops); i++) {
        const rota_op_t *op = rota_op_at(ops, i);
        if (op->state == ROTA_OP_FREE || op->stage != STAGE_HELPED) continue;
        rota_errand_free(op->errand);
        poller->helped--;
    }
}

/* Takes back what no helper has begun, and collects what is done. What is left runs, and still has
 * its op's memory. */
static uint32_t stop_errands(poller_t *poller)
{
    const rota_ops_t *ops = &poller->engine.ops;
    for (uint32_t i = 0; poller->helped && i < rota_ops_capacity(ops); i++) {
        rota_op_t *op = rota_op_at(ops, i);
        if (op->state == ROTA_OP_FREE || op->stage != STAGE_HELPED) continue;
        if (rota_helpers_withdraw(&poller->helpers, &op->errand->job)) {
            (void)end_errand(poller, op);
        } else {
            rota_errand_stop(op->errand);
        }
    }
    collect_errands(poller);
    return poller->helped;
}

static void close_left_behind(poller_t *poller)
{
    free_errands(poller);
    rota_bufring_forget(&poller->engine.pool);
    free_poller(poller);
}

static uint32_t poller_close(rota_engine_t *engine)
{
    poller_t *poller = poller_of(engine);
    if (engine->dead) {
        close_left_behind(poller);
        return 0;
    }
    rota_fork_guard_remove(&engine->guard);
    rota_wake_close(&engine->wake);
    uint32_t lost = stop_errands(poller);
    if (lost) {
        engine->dead = true;
        rota_delivery_keep_lost(engine);
        return lost;
    }
    if (poller->has_helpers) rota_helpers_close(&poller->helpers);
    rota_bufring_close(&engine->pool);
    free_poller(poller);
    return 0;
}

/* --- the beginning ------------------------------------------------------------------------ */

static const struct rota_engine_api poller_api = {
    .name = "epoll",
    .submit = poller_submit,
    .submit_linked = poller_submit_linked,
    .cancel = poller_cancel,
    .ready = poller_ready,
    .peek = poller_peek,
    .unsubmitted = poller_unsubmitted,
    .flush = poller_flush,
    .wait = poller_wait,
    .drain = poller_drain,
    .shot_release = rota_delivery_shot_release,
    .slot_hold = poller_slot_hold,
    .slot_drop = poller_slot_drop,
    .buffer_hold = poller_buffer_hold,
    .buffer_drop = poller_buffer_drop,
    .close = poller_close,
};

static int open_descriptors(poller_t *poller)
{
    rota_engine_t *engine = &poller->engine;
    int status = rota_wake_open(&engine->wake);
    if (status < 0) return status;
    status = rota_watches_open(&poller->watches);
    if (status == 0) status = rota_watches_add_own(&poller->watches, engine->wake.fd, TAG_WAKE);
    if (status < 0) {
        rota_watches_close(&poller->watches);
        rota_wake_close(&engine->wake);
    }
    return status;
}

static poller_t *new_poller(const rota_engine_options_t *options)
{
    poller_t *poller = calloc(1, sizeof *poller);
    if (!poller) return NULL;
    rota_engine_t *engine = &poller->engine;
    bool whole = options->hidden & 1u << ROTA_FEATURE_incremental_buffers;
    engine->api = &poller_api;
    rota_delivery_init(engine);
    rota_delivery_choose_buffers(engine, options, !whole);
    engine->receives_many = !(options->hidden & 1u << ROTA_FEATURE_provided_buffers);
    for (uint32_t i = 0; i < ROTA_FEATURE_COUNT; i++) {
        bool hidden = options->hidden & 1u << i;
        rota_features_refuse(&engine->features, (rota_feature_t)i, hidden ? -ENOSYS : 0);
    }
    return poller;
}

int rota_poller_open(const rota_engine_options_t *options, rota_engine_t **engine, char *why,
                     size_t why_size)
{
    poller_t *poller = new_poller(options);
    int status = poller ? open_descriptors(poller) : -ENOMEM;
    if (status < 0) {
        snprintf(why, why_size, "epoll: %s", strerror(-status));
        free(poller);
        return status;
    }
    poller->engine.guard.drop_in_child = drop_in_child;
    rota_fork_guard_add(&poller->engine.guard);
    *engine = &poller->engine;
    return 0;
}
