#include "runtime/turn.h"

#include "runtime/buffer.h"
#include "runtime/deadlock.h"
#include "runtime/descriptor.h"
#include "runtime/error.h"
#include "runtime/gvl.h"
#include "runtime/held.h"
#include "runtime/interrupt.h"
#include "runtime/task.h"

/* A busy run queue looks at the kernel after so many switches, or when the coarse clock has moved
 * on (asked at every CLOCK_EVERY-th switch), so that it never starves I/O or timers. But not before
 * POLL_AFTER_NS: where a switch is short, as between a hundred pairs of pipes, a look amid them
 * parts those who write from those who read what they wrote, and the reads are armed in vain. */
#define POLL_EVERY    64
#define CLOCK_EVERY   8
#define POLL_AFTER_NS (100 * ROTA_NS_PER_US)
/* With nobody ready and nothing to hand over, tries of held reads that all bring something put a
 * look off for so long. */
#define TRY_FOR_NS (4 * ROTA_NS_PER_MS)

/* Below this a wait was hardly worth the price of releasing the GVL: look first next time. Where a
 * wake-up is dear what came after 20 us ends it after 60. */
#define SHORT_WAIT_NS (150 * ROTA_NS_PER_US)
/* How long a loop that was lately woken at once looks at the engine before it sleeps; on virtual
 * machines a wake-up from sleep costs more than this. */
#define SPIN_NS              (30 * ROTA_NS_PER_US)
#define SPIN_LOOKS_PER_CLOCK 64
#define SPIN_DOUBT_MAX       6 /* at least one wait in 64 is spun for */
/* Where more than so many end the waits by turns, a spin gains little, and keeps what they bring
 * from coming together. Looked at after so many waits. */
#define FEW_ACTIVE  4
#define CROWD_WAITS 32

#define MANY_TIMERS    1000
#define FIRED_TOGETHER 16

/* Buffers are held for want of memory, of which nobody tells when there is some again. */
#define RELIEVE_AGAIN_NS (10 * ROTA_NS_PER_MS)

static void complete_announced(rota_loop_t *loop)
{
    rota_list_t *link;
    while ((link = rota_list_pop(&loop->engine->completed))) {
        rota_op_t *op = ROTA_LIST_ENTRY(link, rota_op_t, link);
        loop->ended_by |= UINT64_C(1) << (op->index % 64);
        if (op->complete)
            op->complete(op);
        else if (op->state == ROTA_OP_DONE)
            rota_engine_abandon(loop->engine, op);
    }
}

static void fire_timers(rota_loop_t *loop, uint64_t now_ns)
{
    rota_timer_t *due[FIRED_TOGETHER];
    uint32_t count;
    do {
        count = rota_heap_take_due(&loop->timers, now_ns, due, FIRED_TOGETHER);
        loop->stats.timers_fired += count;
        for (uint32_t i = 0; i < count; i++) due[i]->fire(due[i]);
    } while (count == FIRED_TOGETHER);
}

/* An engine that fails as a whole (its thread is not the owner, its descriptor was closed behind
 * its back) can serve nobody: the root task hears of it. */
static void report_failure(rota_loop_t *loop, int code)
{
    if (code == 0 || code == -ETIME || code == -EINTR || code == -EAGAIN || code == -EBUSY) return;
    rota_interrupt_task(loop->root, rota_error_new(-code, loop->engine->api->name), NULL);
}

/* Slow readers must not keep the buffers that everybody receives into. Who finds no memory for the
 * copy holds them on, until the next turn. */
static void relieve_holders(rota_loop_t *loop)
{
    rota_list_t holding, *link;
    rota_list_init(&holding);
    rota_list_splice_back(&holding, &loop->holding);
    while ((link = rota_list_pop(&holding))) {
        rota_receiver_t *receiver = ROTA_LIST_ENTRY(link, rota_receiver_t, holding);
        if (!receiver->kind->relieve(receiver)) rota_list_push_back(&loop->holding, link);
    }
    loop->engine->buffers_low = !rota_list_empty(&loop->holding);
}

static void rearm_starved(rota_loop_t *loop)
{
    rota_list_t starved, *link;
    loop->engine->buffers_back = false;
    rota_list_init(&starved);
    rota_list_splice_back(&starved, &loop->starved);
    while ((link = rota_list_pop(&starved))) {
        rota_receiver_t *receiver = ROTA_LIST_ENTRY(link, rota_receiver_t, starved);
        receiver->kind->rearm(receiver);
    }
}

/* What needs no look at the kernel: ops that ended in submit or cancel, orphans, buffers that tasks
 * gave back. Before every sleep, too: nothing else would wake whom it concerns. */
static void attend(rota_loop_t *loop)
{
    rota_engine_t *engine = loop->engine;
    complete_announced(loop);
    if (ROTA_UNLIKELY(!rota_list_empty(&loop->orphans))) rota_descriptors_bury(loop);
    if (ROTA_UNLIKELY(!rota_list_empty(&loop->remains))) rota_buffers_bury(loop);
    if (ROTA_UNLIKELY(engine->buffers_low)) relieve_holders(loop);
    if (ROTA_UNLIKELY(!rota_list_empty(&loop->starved)) && engine->buffers_back)
        rearm_starved(loop);
}

static void collect(rota_loop_t *loop)
{
    loop->engine->api->drain(loop->engine);
    attend(loop);
}

static void note_poll(rota_loop_t *loop, uint64_t now_ns)
{
    loop->switches_since_poll = 0;
    loop->clock_due = POLL_EVERY;
    loop->polled_until_ns = now_ns;
}

void rota_turn_poll(rota_loop_t *loop)
{
    loop->polled_at_ns = rota_now_coarse_ns();
    rota_held_hand_over(loop);
    report_failure(loop, loop->engine->api->flush(loop->engine));
    collect(loop);
    note_poll(loop, rota_now_ns());
    if (loop->timers.count) fire_timers(loop, loop->polled_until_ns);
}

static bool anything_ready(const rota_loop_t *loop)
{
    return !rota_list_empty(&loop->ready);
}

/* Woken, but nowhere on the run queue: inside a look nobody queues who runs already. */
static bool goes_on(const rota_park_t *me)
{
    return !rota_list_linked(&me->ready) && rota_park_is_over(me);
}

/* A look at what was raised in this thread. On this fiber, not the root's: an exception is handed
 * over by value all the same, and asking first whether there is one would take a call of Ruby that
 * touches one more page of the stack of every idle connection (3.9 KiB each). */
static bool disturbed(rota_loop_t *loop, rota_park_t *me)
{
    rota_park_look(loop, me);
    me->dispatched = false; /* it waits again, and whoever asks for its task's state is told so */
    return anything_ready(loop) || rota_park_is_over(me);
}

/* What was raised in the thread waits for a blocking point, and a loop that is busy, or whose waits
 * all end at once, has none: it looks once per tick of the kernel's clock. */
static bool disturbed_at_tick(rota_loop_t *loop, rota_park_t *me)
{
    if (ROTA_LIKELY(loop->looked_at_ns == loop->polled_at_ns)) return false;
    loop->looked_at_ns = loop->polled_at_ns;
    return disturbed(loop, me);
}

static bool was_long(rota_loop_t *loop)
{
    if (ROTA_LIKELY(loop->switches_since_poll < loop->clock_due)) return false;
    loop->clock_due += POLL_EVERY;
    return rota_now_ns() - loop->polled_until_ns >= POLL_AFTER_NS;
}

/* Called once per switch, and once per pass that timers alone end. */
static bool look_is_due(rota_loop_t *loop)
{
    uint32_t switches = ++loop->switches_since_poll;
    if (ROTA_LIKELY(switches % CLOCK_EVERY)) return false;
    return was_long(loop) || rota_now_coarse_ns() != loop->polled_at_ns;
}

/* A look at the kernel while somebody can run. Does `me` go on at once? */
ROTA_APART static bool look(rota_loop_t *loop, rota_park_t *me)
{
    loop->stats.polls++;
    bool slow = loop->switches_since_poll < POLL_EVERY; /* or the clock moved on just now */
    if (slow && loop->slow_before)
        rota_held_release(loop); /* it was a long time, in few switches */
    else
        rota_held_look(loop);
    loop->slow_before = slow;
    rota_turn_poll(loop);
    return disturbed_at_tick(loop, me) && goes_on(me);
}

/* Some ops found no room in the queue: whether their ios are still open can only be asked now. */
static bool overflowed(const rota_engine_t *engine)
{
    return engine->batches && engine->stats.queued > 0;
}

/* Is it wise to look, with the GVL held, before it is released? Beside a CPU-bound thread, giving
 * the GVL away costs 100 ms on Ruby 3.4 and 4.0. */
static bool look_first(const rota_loop_t *loop)
{
    return loop->wait_was_short || !rb_thread_alone() || overflowed(loop->engine);
}

static void spin(rota_loop_t *loop, uint64_t until_ns)
{
    rota_engine_t *engine = loop->engine;
    do {
        for (int i = 0; i < SPIN_LOOKS_PER_CLOCK; i++) {
            if (engine->api->peek(engine)) return;
            rota_cpu_relax();
        }
    } while (rota_now_ns() < until_ns);
}

/* A wait for a timer is no shorter than this, so that deadlines close together share one: what the
 * kernel itself allows a sleeping thread, and a millisecond where a thousand timers would make a
 * wait for each (ten times the work for nothing that anybody could notice). */
static int64_t slack_ns(const rota_loop_t *loop)
{
    return loop->timers.count < MANY_TIMERS ? 50 * ROTA_NS_PER_US : ROTA_NS_PER_MS;
}

static int64_t until_next_timer_ns(const rota_loop_t *loop, uint64_t now_ns)
{
    uint64_t next_ns = rota_heap_next_ns(&loop->timers);
    if (next_ns == UINT64_MAX) return -1;
    int64_t left_ns = next_ns > now_ns ? (int64_t)(next_ns - now_ns) : 0;
    return left_ns > slack_ns(loop) ? left_ns : slack_ns(loop);
}

static int64_t until_work_ns(const rota_loop_t *loop, uint64_t now_ns)
{
    int64_t timeout_ns = until_next_timer_ns(loop, now_ns);
    int64_t report_ns = rota_deadlock_report_in_ns(loop, now_ns);
    if (report_ns >= 0) timeout_ns = rota_sooner(timeout_ns, report_ns);
    return loop->engine->buffers_low ? rota_sooner(timeout_ns, RELIEVE_AGAIN_NS) : timeout_ns;
}

static void wait_in_kernel(rota_loop_t *loop, uint64_t now_ns)
{
    rota_engine_t *engine = loop->engine;
    assert(rota_list_empty(&loop->outgoing));
    int64_t timeout_ns = until_work_ns(loop, now_ns);

    bool ran = false;
    int result = 0;
    if (rota_wake_prepare(&engine->wake)) result = rota_gvl_wait(engine, timeout_ns, &ran);
    rota_wake_finish(&engine->wake);

    if (!ran || result == -EINTR || rb_thread_interrupted(loop->thread)) loop->look_wanted = true;
    report_failure(loop, result);
    uint64_t after_ns = rota_now_ns();
    loop->wait_was_short = after_ns - now_ns < SHORT_WAIT_NS;
    loop->polled_at_ns = rota_now_coarse_ns();
    collect(loop);
    note_poll(loop, after_ns);
    fire_timers(loop, after_ns);
}

/* Submits and reaps. Can somebody run now? */
static bool poll_brought(rota_loop_t *loop, rota_park_t *me)
{
    rota_turn_poll(loop);
    return disturbed_at_tick(loop, me) || anything_ready(loop);
}

static bool try_brought(rota_loop_t *loop)
{
    bool done = rota_held_try(loop);
    if (!done) return false;
    loop->switches_since_poll++;
    attend(loop);
    return true;
}

/* Is there something to reap, or was the last look long ago, for what waits to be handed over? Not
 * every engine knows what it would find: with a try that is doubted it is asked, for whoever waits
 * there may be the one who sends what the try is for. */
static bool poll_is_due(rota_loop_t *loop, uint64_t now_ns)
{
    uint64_t since_ns = now_ns - loop->polled_until_ns;
    bool may_wait = loop->switches_since_poll < POLL_EVERY && rota_list_empty(&loop->outgoing);
    uint64_t limit_ns = may_wait ? TRY_FOR_NS : POLL_AFTER_NS;
    return rota_held_in_doubt(loop) || loop->engine->api->ready(loop->engine) ||
           since_ns >= limit_ns;
}

/* Answers that come regularly a little later than a spin ends would make each of them a waste: the
 * more were in vain in a row, the more waits go without. */
static bool is_worth_a_spin(rota_loop_t *loop)
{
    if (loop->crowded || !loop->wait_was_short || !rota_turn_may_spin() || !rb_thread_alone())
        return false;
    if (ROTA_LIKELY(loop->unspun == 0)) return true;
    loop->unspun--;
    return false;
}

/* A timer that cuts it short tells nothing. */
static void learn_from_spin(rota_loop_t *loop, bool brought)
{
    if (brought)
        loop->spin_doubt = 0;
    else if (loop->spin_doubt < SPIN_DOUBT_MAX)
        loop->spin_doubt++;
    loop->unspun = (uint8_t)((1u << loop->spin_doubt) - 1);
    loop->stats.busy_waits_in_vain += !brought;
}

static bool spin_brought(rota_loop_t *loop)
{
    if (!is_worth_a_spin(loop)) return false;
    uint64_t until_ns = rota_now_ns() + SPIN_NS;
    uint64_t next_ns = rota_heap_next_ns(&loop->timers);
    spin(loop, until_ns < next_ns ? until_ns : next_ns);
    bool brought = loop->engine->api->ready(loop->engine);
    loop->stats.busy_waits++;
    if (until_ns < next_ns) learn_from_spin(loop, brought);
    return brought;
}

static void count_wait(rota_loop_t *loop)
{
    if (++loop->waits_counted < CROWD_WAITS) return;
    loop->crowded = __builtin_popcountll(loop->ended_by) > FEW_ACTIVE;
    loop->waits_counted = 0;
    loop->ended_by = 0;
}

/* A handler that ran in a look may have let others run, who asked for something, or closed what
 * others wait on: of neither the wait would be told. */
static bool anything_left(const rota_loop_t *loop)
{
    return !rota_list_empty(&loop->outgoing) || !rota_list_empty(&loop->held) ||
           !rota_list_empty(&loop->engine->completed);
}

/* A pass with nothing ready. Returns when something might be. */
ROTA_APART static void pass(rota_loop_t *loop, rota_park_t *me)
{
    loop->stats.turns++;
    rota_loop_stand_in(loop);
    uint64_t now_ns = rota_now_ns();
    fire_timers(loop, now_ns);
    attend(loop);
    if (anything_ready(loop)) {
        /* Somebody whose waits are all over at once keeps nobody else's from being seen. */
        if (look_is_due(loop)) look(loop, me);
        return;
    }
    if (poll_is_due(loop, now_ns)) {
        rota_held_join(loop);
        if (poll_brought(loop, me)) return;
    }
    if (try_brought(loop)) return;
    count_wait(loop);
    if (look_first(loop)) {
        if (poll_brought(loop, me) || spin_brought(loop)) return;
        now_ns = rota_now_ns();
    }
    if (rota_deadlock_check(loop, now_ns, &me->jump)) return;
    /* The last thing before a wait, for behind it nothing runs any more that could hide an
     * interrupt from the wait; a masked exception gives no other sign. */
    if (disturbed(loop, me) || ROTA_UNLIKELY(anything_left(loop))) return;
    wait_in_kernel(loop, now_ns);
}

/* The root task's innermost record, off the run queue if it stood there: entered to look at the
 * thread's interrupts, because only on the root's fiber may they be raised. */
ROTA_APART static rota_park_t *root_to_look(rota_loop_t *loop)
{
    rota_park_t *park = loop->root->park;
    rota_list_remove(&park->ready);
    park->looks = true;
    return park;
}

rota_park_t *rota_turn_next(rota_loop_t *loop, rota_park_t *me)
{
    if (anything_ready(loop) && look_is_due(loop) && look(loop, me)) return me;
    if (ROTA_UNLIKELY(me->jump)) return me;
    for (;;) {
        if (ROTA_UNLIKELY(loop->look_wanted) && loop->root && loop->root->park) {
            loop->look_wanted = false;
            return root_to_look(loop);
        }
        rota_list_t *link = rota_list_pop(&loop->ready);
        if (ROTA_LIKELY(link != NULL)) return ROTA_LIST_ENTRY(link, rota_park_t, ready);
        pass(loop, me);
        if (goes_on(me)) return me;
    }
}
