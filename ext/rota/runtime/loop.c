#include "runtime/loop.h"

#include "runtime/buffer.h"
#include "runtime/choice.h"
#include "runtime/descriptor.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/roots.h"
#include "runtime/sleep.h"
#include "runtime/task.h"
#include "runtime/turn.h"
#include "runtime/worker.h"

#include <math.h>
#include <stdio.h>

VALUE rota_cLoop;

static ID id_loop, id_entries, id_engine, id_buffers, id_buffer_size, id_without, id_slow_files;

/* What the kernel does not give back within this time after it was cancelled is leaked. */
#define CLOSE_GRACE_NS (2 * ROTA_NS_PER_S)
/* ... and to notifications of what was sent without a copy. */
#define SENT_GRACE_NS (100 * ROTA_NS_PER_MS)

/* -- whose it is ---------------------------------------------------------------------------------
 */

rota_loop_cell_t rota_loop_cells[ROTA_LOOP_CELLS];

#define BEING_WRITTEN ((VALUE)1) /* no thread's name */

static void remember(VALUE thread, rota_loop_t *loop)
{
    rota_loop_cell_t *cell = rota_loop_cell(thread);
    if (atomic_exchange(&cell->thread, BEING_WRITTEN) == BEING_WRITTEN) return; /* another's */
    atomic_store(&cell->loop, loop);
    atomic_store(&cell->thread, thread);
}

static void forget(const rota_loop_t *loop)
{
    VALUE thread = loop->thread;
    if (thread) atomic_compare_exchange_strong(&rota_loop_cell(thread)->thread, &thread, Qfalse);
}

/* -- typed data ---------------------------------------------------------------------------------
 */

static void loop_mark(void *data)
{
    rota_loop_t *loop = data;
    rb_gc_mark(loop->thread); /* pinned: a rota_loop_cell_t has its address */
    rb_gc_mark(loop->current_fiber);
    ROTA_LIST_EACH(&loop->tasks, link) rb_gc_mark(ROTA_LIST_ENTRY(link, rota_task_t, alive)->self);
    if (loop->root) rb_gc_mark(loop->root->self);
    rota_workers_mark(loop);
    rb_gc_mark(loop->worker_body);
    rb_gc_mark(loop->leftovers);
    rb_gc_mark(loop->registered);
    rb_gc_mark(loop->scheduler);
    if (loop->engine) rota_roots_mark(&loop->engine->ops);
}

/* May run on any thread and in a forked child, so it enters no ring: closing the descriptors and
 * unmapping is all. What the kernel still owns then is leaked by the engine. */
static void loop_free(void *data)
{
    rota_loop_t *loop = data;
    forget(loop);
    rota_fork_guard_remove(&loop->guard);
    rota_tasks_forsake(loop);
    rota_descriptors_forget(loop);
    uint32_t lost = loop->engine ? loop->engine->api->close(loop->engine) : 0;
    rota_buffers_leave(loop, lost > 0);
    rota_budget_release(&loop->budget);
    rota_heap_free(&loop->timers);
    rota_workers_free(loop);
    rota_tasks_leave(loop);
    rota_reserve_free(&loop->interrupts);
    rota_reserve_free(&loop->visitors);
    xfree(loop->numbered);
    xfree(loop);
}

static size_t loop_memsize(const void *data)
{
    const rota_loop_t *loop = data;
    size_t size = sizeof(*loop) + rota_heap_memsize(&loop->timers);
    size += loop->numbered_room * sizeof(rota_numbered_t);
    if (loop->engine) size += rota_ops_capacity(&loop->engine->ops) * sizeof(rota_op_t);
    return size;
}

/* Not write-barrier protected: nearly every store is a reference of a live task or op. */
const rb_data_type_t rota_loop_type = {
    .wrap_struct_name = "Rota::Loop",
    .function = {.dmark = loop_mark, .dfree = loop_free, .dsize = loop_memsize},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

/* -- finding it ---------------------------------------------------------------------------------
 */

static rota_loop_t *open_loop(VALUE object)
{
    if (NIL_P(object)) return NULL;
    rota_loop_t *loop = RTYPEDDATA_DATA(object);
    return loop->engine && loop->fork_generation == rota_fork_generation ? loop : NULL;
}

rota_loop_t *rota_loop_of(VALUE thread)
{
    return open_loop(rb_attr_get(thread, id_loop));
}

rota_loop_t *rota_loop_look_up(VALUE thread)
{
    rota_loop_t *loop = rota_loop_of(thread);
    if (loop) remember(thread, loop);
    return loop;
}

rota_loop_t *rota_loop_get(VALUE self)
{
    rota_loop_t *here = rota_loop_current();
    if (ROTA_LIKELY(here && here->self == self)) return here;
    const rota_loop_t *loop = rb_check_typeddata(self, &rota_loop_type);
    if (!loop->engine) rb_raise(rb_eIOError, "the loop was stopped");
    if (loop->fork_generation != rota_fork_generation)
        rb_raise(rota_eError, "the loop belongs to the process that forked this one; "
                              "Rota.loop is this one's");
    rb_raise(rota_eError, "the loop belongs to another thread");
}

/* -- making and ending it -----------------------------------------------------------------------
 */

static void leave_to_parent(rota_fork_guard_t *guard)
{
    rota_loop_t *loop = ROTA_CONTAINER_OF(guard, rota_loop_t, guard);
    forget(loop);
    rota_descriptors_leave(loop);
    rota_buffers_forsake(loop);
    rota_budget_release(&loop->budget);
}

/* Is it that of a script, with no task but the main fiber's and no scheduler? Of that task nothing
 * hangs on it: no deadline, and nothing that is to be raised in it. */
static bool is_idle_script(const rota_loop_t *loop)
{
    return loop->engine && loop->script && NIL_P(loop->scheduler) && !loop->timers.count &&
           rota_list_empty(&loop->root->children) && rota_list_empty(&loop->root->interrupts);
}

/* Has its root task ended, and with it all others? Nothing is left but to close it. */
static bool is_over(const rota_loop_t *loop)
{
    return loop->root->state == ROTA_TASK_DEAD && !loop->current;
}

/* A trap handler that ran while this thread's loop was being made found none, and made a script's.
 * One that has nothing to do goes; one with tasks of the handler stays, and the new one goes. */
static VALUE publish(rota_loop_t *loop)
{
    rota_loop_t *script = rota_loop_current();
    if (script && is_idle_script(script)) {
        rota_loop_close(script);
    } else if (script) {
        rota_loop_close(loop);
        return Qnil;
    }
    rb_ivar_set(loop->thread, id_loop, loop->self);
    return loop->self;
}

/* nil: the thread has a loop with tasks. */
static VALUE make_loop(rota_engine_options_t *options, VALUE engine_name)
{
    rota_loop_t *loop;
    VALUE self = TypedData_Make_Struct(rota_cLoop, rota_loop_t, &rota_loop_type, loop);
    rota_list_init(&loop->ready);
    rota_list_init(&loop->tasks);
    rota_list_init(&loop->scheduled);
    rota_list_init(&loop->workers);
    rota_list_init(&loop->newborn_workers);
    rota_list_init(&loop->idle_workers);
    rota_list_init(&loop->descriptors);
    rota_list_init(&loop->orphans);
    rota_list_init(&loop->buffers);
    rota_list_init(&loop->remains);
    rota_list_init(&loop->holding);
    rota_list_init(&loop->starved);
    rota_list_init(&loop->held);
    rota_list_init(&loop->outgoing);
    rota_list_init(&loop->guard.link);
    loop->leftovers = loop->scheduler = loop->registered = loop->worker_body = Qnil;
    rota_heap_init(&loop->timers);
    rota_reserve_open(&loop->interrupts, sizeof(rota_interrupt_t));
    rota_reserve_open(&loop->visitors, sizeof(rota_park_t));
    loop->self = self;
    loop->thread = rb_thread_current();
    rota_workers_open(loop);
    rota_budget_refresh();
    rota_choice_open(loop, options, engine_name);
    loop->fork_generation = rota_fork_generation;
    loop->guard.drop_in_child = leave_to_parent;
    rota_fork_guard_add(&loop->guard);
    loop->root = rota_task_root(loop);
    loop->current = loop->root;
    loop->current_fiber = loop->root->fiber;
    VALUE published = publish(loop);
    RB_GC_GUARD(self); /* nothing else names it until then */
    return published;
}

static void cancel_everything(rota_engine_t *engine)
{
    for (uint32_t index = 0; index < rota_ops_capacity(&engine->ops); index++) {
        rota_op_t *op = rota_op_at(&engine->ops, index);
        if (op->kind == ROTA_OP_CLOSE) continue; /* must happen, and does soon */
        bool ours = op->state == ROTA_OP_QUEUED || op->state == ROTA_OP_IN_FLIGHT;
        if (ours || op->state == ROTA_OP_ABANDONED) engine->api->cancel(engine, op);
        if (ours) rota_engine_abandon(engine, op);
    }
}

static void release_announced(rota_engine_t *engine)
{
    rota_list_t *link;
    while ((link = rota_list_pop(&engine->completed))) {
        rota_op_t *op = ROTA_LIST_ENTRY(link, rota_op_t, link);
        if (op->state == ROTA_OP_DONE) rota_engine_abandon(engine, op);
    }
}

static uint32_t count_sent(const rota_engine_t *engine)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < rota_ops_capacity(&engine->ops); index++)
        count += rota_op_at(&engine->ops, index)->state == ROTA_OP_SENT;
    return count;
}

/* No task runs any more, so nobody waits for these completions: only the memory does. A peer that
 * acknowledges nothing must not hold up the end. */
static void settle(rota_engine_t *engine)
{
    uint64_t began_ns = rota_now_ns();
    cancel_everything(engine);
    while (engine->ops.in_use) {
        bool only_sent = engine->ops.in_use == count_sent(engine);
        uint64_t grace_ns = only_sent ? SENT_GRACE_NS : CLOSE_GRACE_NS;
        if (rota_now_ns() - began_ns > grace_ns) break;
        engine->api->wait(engine, engine->ops.in_flight ? 10 * ROTA_NS_PER_MS : 0);
        engine->api->drain(engine);
        release_announced(engine);
    }
}

/* What a peer has not acknowledged may have to be sent again: its bytes stay where they are, with
 * an op that is lost. How many there are. */
static uint32_t keep_sent(const rota_engine_t *engine)
{
    uint32_t count = engine->ops.in_use ? count_sent(engine) : 0;
    for (uint32_t index = 0; count && index < rota_ops_capacity(&engine->ops); index++) {
        const rota_op_t *op = rota_op_at(&engine->ops, index);
        if (op->state == ROTA_OP_SENT) rb_gc_register_mark_object(op->root[ROTA_ROOT_BYTES]);
    }
    return count;
}

void rota_loop_close(rota_loop_t *loop)
{
    if (!loop->engine) return;
    rota_engine_t *engine = loop->engine;
    rota_fork_guard_remove(&loop->guard);
    rota_descriptors_close(loop);
    settle(engine);
    uint32_t sent = keep_sent(engine);
    loop->engine = NULL;
    forget(loop);
    if (rb_attr_get(loop->thread, id_loop) == loop->self && !rota_loop_left_behind(loop))
        rb_ivar_set(loop->thread, id_loop, Qnil);
    uint32_t lost = engine->api->close(engine);
    rota_buffers_leave(loop, lost > 0);
    rota_budget_release(&loop->budget);
    rota_workers_leave(loop);
    if (lost > sent)
        rb_warn("Rota: the kernel still owned the memory of %u operations when the loop ended; it "
                "is leaked, because freeing it would let the kernel write into memory in use",
                lost - sent);
}

void rota_receiver_init(rota_receiver_t *receiver, const rota_receiver_kind_t *kind)
{
    rota_list_init(&receiver->holding);
    rota_list_init(&receiver->starved);
    receiver->kind = kind;
}

void rota_loop_arm(rota_loop_t *loop, rota_timer_t *timer, uint64_t deadline_ns)
{
    if (rota_heap_insert(&loop->timers, timer, deadline_ns)) rb_memerror();
}

VALUE rota_seconds_number(VALUE seconds)
{
    if (FIXNUM_P(seconds) || RB_FLOAT_TYPE_P(seconds) ||
        RTEST(rb_obj_is_kind_of(seconds, rb_cNumeric)))
        return seconds;
    VALUE one = INT2FIX(1);
    VALUE parts = rb_check_funcall(seconds, rb_intern("divmod"), 1, &one);
    if (parts != Qundef) parts = rb_check_array_type(parts);
    if (parts == Qundef || NIL_P(parts))
        rb_raise(rb_eTypeError, "can't convert %" PRIsVALUE " into time interval",
                 rb_obj_class(seconds));
    return DBL2NUM(NUM2DBL(rb_ary_entry(parts, 0)) + NUM2DBL(rb_ary_entry(parts, 1)));
}

VALUE rota_seconds_not_negative(VALUE seconds)
{
    seconds = rota_seconds_number(seconds);
    bool negative = FIXNUM_P(seconds) ? FIX2LONG(seconds) < 0 : NUM2DBL(seconds) < 0;
    if (negative) rb_raise(rb_eArgError, "time interval must not be negative");
    return seconds;
}

uint64_t rota_seconds_to_ns(VALUE seconds)
{
    if (FIXNUM_P(seconds)) {
        long whole = FIX2LONG(seconds);
        if (whole <= 0) return 0;
        return whole > INT64_MAX / ROTA_NS_PER_S ? (uint64_t)INT64_MAX
                                                 : (uint64_t)whole * (uint64_t)ROTA_NS_PER_S;
    }
    double value = NUM2DBL(rota_seconds_number(seconds));
    if (isnan(value)) rb_raise(rb_eArgError, "NaN is no number of seconds");
    if (value <= 0) return 0;
    return value >= 9e9 ? (uint64_t)INT64_MAX : (uint64_t)(value * 1e9);
}

/* -- a script's loop ----------------------------------------------------------------------------
 */

static VALUE finish_script(RB_BLOCK_CALL_FUNC_ARGLIST(yielded, self))
{
    (void)yielded;
    rota_loop_t *loop = RTYPEDDATA_DATA(self);
    if (!loop->engine || loop->fork_generation != rota_fork_generation) return Qnil;
    loop->current = loop->root;
    VALUE failure = rota_task_finish_root(loop->root);
    rota_loop_close(loop);
    if (!NIL_P(failure)) rb_exc_raise(failure);
    return Qnil;
}

rota_loop_t *rota_loop_open_bare(void)
{
    rota_engine_options_t options = {0};
    VALUE self = make_loop(&options, Qnil);
    if (NIL_P(self)) return rota_loop_current(); /* a trap handler's */
    rota_loop_t *loop = RTYPEDDATA_DATA(self);
    loop->script = true;
    return loop;
}

/* Of a Ractor's thread nobody would tell us the end. */
static bool may_run_script(void)
{
    VALUE ractor = rb_const_get(rb_cObject, rb_intern("Ractor"));
    return rb_thread_current() == rb_thread_main() &&
           rb_funcall(ractor, rb_intern("current"), 0) == rb_funcall(ractor, rb_intern("main"), 0);
}

static rota_loop_t *open_script_loop(void)
{
    if (!may_run_script())
        rb_raise(rota_eError, "this thread has no loop: wrap the code in Rota.run { }");
    rota_loop_t *loop = rota_loop_open_bare();
    rb_block_call(rb_mKernel, rb_intern("at_exit"), 0, NULL, finish_script, loop->self);
    return loop;
}

void rota_loop_stand_in(rota_loop_t *loop)
{
    if (loop->current || loop->root->state == ROTA_TASK_DEAD) return;
    loop->current = loop->root;
}

/* A trap handler or a finalizer may come between the end of a run and its close: it is as if it had
 * come behind that. */
rota_loop_t *rota_loop_make_sure(rota_loop_t *loop)
{
    if (loop && is_over(loop)) {
        rota_loop_close(loop);
        loop = rota_loop_current();
    }
    if (ROTA_UNLIKELY(!loop)) loop = open_script_loop();
    rota_loop_stand_in(loop);
    return loop;
}

/* -- Ruby: leaving and entering -----------------------------------------------------------------
 */

static uint32_t option_number(VALUE options, ID id, uint32_t most)
{
    VALUE value = rb_hash_lookup(options, ID2SYM(id));
    if (NIL_P(value)) return 0;
    long number = NUM2LONG(value);
    if (number < 1 || number > (long)most)
        rb_raise(rb_eArgError, "%s: must be between 1 and %u", rb_id2name(id), most);
    return (uint32_t)number;
}

static uint32_t option_without(VALUE options)
{
    uint32_t hidden = 0;
    VALUE names = rb_hash_lookup(options, ID2SYM(id_without));
    if (NIL_P(names)) return 0;
    names = rb_Array(names);
    for (long i = 0; i < RARRAY_LEN(names); i++) {
        VALUE name = rb_sym2str(rb_to_symbol(RARRAY_AREF(names, i)));
        rota_feature_t feature = rota_feature_by_name(RSTRING_PTR(name), (size_t)RSTRING_LEN(name));
        if (feature == ROTA_FEATURE_COUNT)
            rb_raise(rb_eArgError, "unknown feature: %" PRIsVALUE, name);
        hidden |= 1u << feature;
    }
    return hidden;
}

/* Makes this thread's loop; the running fiber is its root task. Rota.run's first half. nil: a trap
 * handler has made a script's meanwhile, and tasks on it.
 *
 * @private */
static VALUE loop_open(VALUE klass, VALUE options)
{
    (void)klass;
    rota_engine_options_t wanted = {
        .entries = option_number(options, id_entries, 32768),
        .buffers = option_number(options, id_buffers, 32768),
        .buffer_size = option_number(options, id_buffer_size, 1u << 24),
        .hidden = option_without(options),
        .slow_files = RTEST(rb_hash_lookup(options, ID2SYM(id_slow_files))),
    };
    return make_loop(&wanted, rb_hash_lookup(options, ID2SYM(id_engine)));
}

/* Runs the root task's block to its end and that of all its tasks.
 *
 * @private */
static VALUE loop_run_root(VALUE self, VALUE block)
{
    return rota_task_run_root(rota_loop_get(self)->root, block);
}

/* Frees the loop: engine, descriptors, buffers. Its tasks must have ended.
 *
 * @private */
static VALUE loop_close(VALUE self)
{
    rota_loop_close(rota_typed_data(self, &rota_loop_type));
    return Qnil;
}

/* Is it a loop that no Rota.run made?
 *
 * @private */
static VALUE loop_script_p(VALUE self)
{
    const rota_loop_t *loop = rota_typed_data(self, &rota_loop_type);
    return RBOOL(loop->script);
}

/* Is this thread's loop that of a script, outside Rota.run, with no task but the main fiber's,
 * nothing that hangs on that, and no scheduler?
 *
 * @private */
static VALUE loop_idle_script_p(VALUE self)
{
    rota_loop_t *loop = rota_typed_data(self, &rota_loop_type);
    return RBOOL(is_idle_script(loop));
}

/* Does the main fiber of a script wait (and somebody else runs, or a trap handler inside of that)?
 *
 * @private */
static VALUE loop_script_waits_p(VALUE self)
{
    const rota_loop_t *loop = rota_typed_data(self, &rota_loop_type);
    return RBOOL(loop->script && loop->root->park);
}

/* @private */
static VALUE loop_over_p(VALUE self)
{
    const rota_loop_t *loop = rota_typed_data(self, &rota_loop_type);
    return RBOOL(is_over(loop));
}

/* Ends the loop at once: operations in flight are cancelled and drained, memory is freed. Verbs on
 * it then raise IOError. For tasks to end in order, end the block of Rota.run instead.
 *
 * @return [nil] */
static VALUE loop_stop(VALUE self)
{
    rota_loop_t *loop = rota_loop_get(self);
    if (loop->current != loop->root || loop->tasks_alive > 1)
        rb_raise(rota_eError, "tasks are alive: a loop is stopped by its root task, after them");
    rota_loop_close(loop);
    return Qnil;
}

/* call-seq: wakeup -> self
 *
 * Makes the loop look for work if it sleeps in the kernel. From any thread.
 *
 * @return [Rota::Loop] */
static VALUE loop_wakeup(VALUE self)
{
    rota_loop_t *loop = rota_typed_data(self, &rota_loop_type);
    if (loop->engine && loop->fork_generation == rota_fork_generation)
        rota_wake_up(&loop->engine->wake);
    return self;
}

/* -- Ruby: looking inside -----------------------------------------------------------------------
 */

/* What drives the loop: io_uring, or epoll where that is refused; #features says why.
 *
 * @return [Symbol] +:io_uring+ or +:epoll+ */
static VALUE loop_engine(VALUE self)
{
    return ID2SYM(rb_intern(rota_loop_get(self)->engine->api->name));
}

/* What the running kernel grants: +true+, or a String that says why a feature is off. On the epoll
 * engine all of them are, and the String says why it runs and how to allow io_uring.
 *
 * @return [Hash{Symbol => true, String}] */
static VALUE loop_features(VALUE self)
{
    return rota_choice_features(rota_loop_get(self));
}

static void put(VALUE hash, const char *name, uint64_t value)
{
    rb_hash_aset(hash, ID2SYM(rb_intern(name)), ULL2NUM(value));
}

/* Counters since the loop was made, and (+tasks_alive+, +ops_in_flight+, +ops_queued+, +buffers+,
 * +buffers_lent+, +slots_used+, +timers_armed+, +idle_workers+) how many there are now; what is in
 * flight is zero at rest. +enters+ are system calls of the engine, +entries+ requests handed over
 * in them, +completions+ results. In a +busy_wait+ the loop looks for some 30 microseconds whether
 * something comes, before it sleeps.
 *
 * @return [Hash{Symbol => Integer}] */
static VALUE loop_stats(VALUE self)
{
    const rota_loop_t *loop = rota_loop_get(self);
    const rota_engine_t *engine = loop->engine;
    VALUE hash = rb_hash_new();
    put(hash, "turns", loop->stats.turns);
    put(hash, "polls", loop->stats.polls);
    put(hash, "switches", loop->stats.switches);
    put(hash, "spins", loop->stats.spins);
    put(hash, "timers_fired", loop->stats.timers_fired);
    put(hash, "visits", loop->stats.visits);
    put(hash, "workers_made", loop->stats.workers_made);
    put(hash, "workers_retired", loop->stats.retired);
    put(hash, "busy_waits", loop->stats.busy_waits);
    put(hash, "busy_waits_in_vain", loop->stats.busy_waits_in_vain);
    put(hash, "enters", engine->stats.enters);
    put(hash, "waits", engine->stats.waits);
    put(hash, "entries", engine->stats.entries);
    put(hash, "completions", engine->stats.completions);
    put(hash, "cancels", engine->stats.cancels);
    put(hash, "overflows", engine->stats.overflows);
    put(hash, "cq_overflows", engine->stats.cq_overflows);
    put(hash, "starved", engine->stats.starved);
    put(hash, "zero_copies", engine->stats.zero_copies);
    put(hash, "zero_copies_copied", engine->stats.copies);
    put(hash, "slot_updates", engine->stats.updates);
    put(hash, "stale_completions", engine->ops.stale);
    put(hash, "wakes_written", engine->wake.writes);
    put(hash, "tasks_alive", loop->tasks_alive);
    put(hash, "ops_in_use", engine->ops.in_use);
    put(hash, "ops_in_flight", engine->ops.in_flight);
    put(hash, "ops_queued", engine->stats.queued);
    put(hash, "buffers", engine->stats.buffers);
    put(hash, "buffers_lent", engine->stats.buffers_lent);
    put(hash, "slots_used", engine->stats.slots_used);
    put(hash, "timers_armed", loop->timers.count);
    put(hash, "idle_workers", loop->idle_count);
    return hash;
}

/* -- Ruby: Rota's functions that are the loop's ---------------------------------------------------
 */

/* This thread's loop; on the main thread it is made at the first use.
 *
 * @return [Rota::Loop]
 * @raise [Rota::Error] on another thread outside Rota.run
 * @raise [ArgumentError] with a block: Kernel#loop was meant */
static VALUE rota_loop_object(VALUE module)
{
    (void)module;
    if (rb_block_given_p())
        rb_raise(rb_eArgError, "Rota.loop takes no block; Kernel#loop is the endless loop");
    return rota_loop_demand()->self;
}

/* Has this thread a loop?
 *
 * @private */
static VALUE rota_loop_p(VALUE module)
{
    (void)module;
    rota_loop_t *loop = rota_loop_current();
    return loop ? loop->self : Qnil;
}

/* call-seq: spin(tag = nil) { } -> Rota::Task
 *
 * Makes a task that runs the block: a child of the current one, queued behind who can run already,
 * never run at once.
 *
 * @param tag [Object] tells the task from others in reports
 * @raise [Rota::ResourceError] when this process has no memory maps for more tasks */
static VALUE rota_spin(int argc, VALUE *argv, VALUE module)
{
    VALUE tag;
    (void)module;
    rb_scan_args(argc, argv, "01", &tag);
    rb_need_block();
    rota_loop_t *loop = rota_loop_demand();
    return rota_task_spin(loop, loop->current, tag, rb_block_proc())->self;
}

static VALUE whole_seconds_since(uint64_t start_ns)
{
    uint64_t half = (uint64_t)ROTA_NS_PER_S / 2;
    return ULL2NUM((rota_now_ns() - start_ns + half) / (uint64_t)ROTA_NS_PER_S);
}

/* call-seq: sleep(seconds = nil) -> Integer
 *
 * Lets other tasks run for that time. 0 is one pass of the run queue and no system call; nil, until
 * +Task#schedule+.
 *
 * @param seconds [Numeric, nil]
 * @return [Integer] seconds slept, rounded; after a +schedule+ with a value, that value
 * @raise [ArgumentError] for a negative time */
static VALUE rota_sleep(int argc, VALUE *argv, VALUE module)
{
    VALUE seconds;
    (void)module;
    rb_scan_args(argc, argv, "01", &seconds);
    rota_loop_t *loop = rota_loop_demand();
    uint64_t start_ns = rota_now_ns();
    bool endless = NIL_P(seconds);
    if (!endless) seconds = rota_seconds_number(seconds);
    uint64_t span_ns = endless ? 0 : rota_seconds_to_ns(seconds);
    if (!endless && NUM2DBL(seconds) < 0)
        rb_raise(rb_eArgError, "time interval must not be negative");
    if (!endless && span_ns == 0) {
        rota_snooze(loop);
        return INT2FIX(0);
    }
    VALUE value =
        rota_sleep_until(loop, endless ? UINT64_MAX : start_ns + span_ns, "a sleep", endless);
    return value == Qundef || NIL_P(value) ? whole_seconds_since(start_ns) : value;
}

/* Gives everybody who can run a turn, then goes on.
 *
 * @return [nil] */
static VALUE rota_snooze_call(VALUE module)
{
    (void)module;
    rota_snooze(rota_loop_demand());
    return Qnil;
}

/* Stops until +Task#schedule+.
 *
 * @return [Object] what +schedule+ was given
 * @raise [Rota::Deadlock] in the root task when nothing can ever run again */
static VALUE rota_suspend(VALUE module)
{
    (void)module;
    return rota_sleep_until(rota_loop_demand(), UINT64_MAX, "a schedule", false);
}

void rota_init_loop(VALUE module)
{
    rota_fork_watch(); /* lines of waiters count forks also in a process without a loop */
    id_loop = rb_intern("__rota_loop");
    id_entries = rb_intern("entries");
    id_engine = rb_intern("engine");
    id_buffers = rb_intern("buffers");
    id_buffer_size = rb_intern("buffer_size");
    id_without = rb_intern("without");
    id_slow_files = rb_intern("slow_files");
    rota_cLoop = rb_define_class_under(module, "Loop", rb_cObject);
    rb_undef_alloc_func(rota_cLoop);
    rb_define_singleton_method(rota_cLoop, "open", loop_open, 1);
    rb_define_method(rota_cLoop, "__run_root", loop_run_root, 1);
    rb_define_method(rota_cLoop, "__close", loop_close, 0);
    rb_define_method(rota_cLoop, "idle_script?", loop_idle_script_p, 0);
    rb_define_method(rota_cLoop, "__script_waits?", loop_script_waits_p, 0);
    rb_define_method(rota_cLoop, "__over?", loop_over_p, 0);
    rb_define_method(rota_cLoop, "__script?", loop_script_p, 0);
    rb_define_method(rota_cLoop, "stop", loop_stop, 0);
    rb_define_method(rota_cLoop, "wakeup", loop_wakeup, 0);
    rb_define_method(rota_cLoop, "engine", loop_engine, 0);
    rb_define_method(rota_cLoop, "features", loop_features, 0);
    rb_define_method(rota_cLoop, "stats", loop_stats, 0);
    rb_define_singleton_method(module, "loop", rota_loop_object, 0);
    rb_define_singleton_method(module, "loop?", rota_loop_p, 0);
    rb_define_module_function(module, "spin", rota_spin, -1);
    rb_define_module_function(module, "sleep", rota_sleep, -1);
    rb_define_module_function(module, "snooze", rota_snooze_call, 0);
    rb_define_module_function(module, "suspend", rota_suspend, 0);
}
