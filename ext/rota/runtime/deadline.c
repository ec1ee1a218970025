#include "runtime/deadline.h"

#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/task.h"

static VALUE cTimeout;
static ID id_with_value, id_with_exception;

/* On the stack of the call that set it, when that is on the task's own fiber, whose frames all
 * unwind before the task ends. Another fiber of the task (an enumerator's) may be dropped in the
 * middle of the block; its deadlines live in a Rota::Timeout, which the collector frees with it. */
typedef struct rota_deadline {
    rota_timer_t timer;
    rota_interrupt_t interrupt;
    rota_list_t link;  /* rota_task_t.deadlines, when in a Rota::Timeout */
    rota_task_t *task; /* NULL: ended before the block */
    uint64_t span_ns;
    VALUE spec;      /* what to raise; Qundef: move on */
    VALUE message;   /* ... with it, or nil */
    VALUE exception; /* what was raised, once it was */
} rota_deadline_t;

/* A Rota::Timeout: what the block is given, to move its deadline. */
struct handle {
    rota_deadline_t *deadline; /* NULL once the block has ended */
    rota_deadline_t own;
    uint32_t fork_generation;
};

static void disarm(rota_deadline_t *deadline)
{
    if (!deadline->task) return;
    if (deadline->task->loop) rota_heap_remove(&deadline->task->loop->timers, &deadline->timer);
    rota_list_remove(&deadline->interrupt.link);
}

static void timeout_mark(void *data)
{
    const struct handle *handle = data;
    if (handle->own.spec != Qundef) rb_gc_mark(handle->own.spec);
    rb_gc_mark(handle->own.message);
    rb_gc_mark(handle->own.exception);
    rb_gc_mark(handle->own.interrupt.fiber);
}

/* With the fiber that never came back to the block. In a forked child the task is the parent's. */
static void timeout_free(void *data)
{
    struct handle *handle = data;
    if (handle->deadline == &handle->own && handle->fork_generation == rota_fork_generation) {
        disarm(&handle->own);
        rota_list_remove(&handle->own.link);
    }
    xfree(handle);
}

static const rb_data_type_t timeout_type = {
    .wrap_struct_name = "Rota::Timeout",
    .function = {.dmark = timeout_mark, .dfree = timeout_free},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

void rota_deadlines_detach(rota_task_t *task)
{
    rota_list_t *link;
    while ((link = rota_list_pop(&task->deadlines))) {
        rota_deadline_t *deadline = ROTA_LIST_ENTRY(link, rota_deadline_t, link);
        disarm(deadline);
        deadline->task = NULL;
    }
}

void rota_deadlines_forsake(rota_task_t *task)
{
    rota_list_t *link;
    while ((link = rota_list_pop(&task->deadlines)))
        ROTA_LIST_ENTRY(link, rota_deadline_t, link)->task = NULL;
}

static void expire(rota_timer_t *timer)
{
    rota_deadline_t *deadline = ROTA_CONTAINER_OF(timer, rota_deadline_t, timer);
    rota_interrupt_push(deadline->task, &deadline->interrupt);
}

static VALUE make_from_spec(VALUE spec, VALUE message)
{
    VALUE both[] = {spec, message};
    if (!NIL_P(message)) return rb_make_exception(2, both);
    if (NIL_P(spec)) return rb_exc_new_cstr(rota_eTimeoutError, "the time is up");
    if (RB_TYPE_P(spec, T_ARRAY))
        return rb_make_exception(RARRAY_LENINT(spec), RARRAY_CONST_PTR(spec));
    return rb_make_exception(1, &spec);
}

static VALUE make(rota_interrupt_t *interrupt)
{
    rota_deadline_t *deadline = ROTA_CONTAINER_OF(interrupt, rota_deadline_t, interrupt);
    deadline->exception = deadline->spec == Qundef
                              ? rb_class_new_instance(0, NULL, rota_eMoveOn)
                              : make_from_spec(deadline->spec, deadline->message);
    return deadline->exception;
}

static void arm(rota_deadline_t *deadline)
{
    if (!deadline->task) return;
    rota_loop_t *loop = deadline->task->loop;
    disarm(deadline);
    if (deadline->span_ns == 0)
        rota_interrupt_push(deadline->task, &deadline->interrupt);
    else
        rota_loop_arm(loop, &deadline->timer, rota_now_ns() + deadline->span_ns);
    rota_loop_notify(loop);
}

static VALUE yield_plain(VALUE unused)
{
    (void)unused;
    return rb_yield_values(0);
}

static void init_deadline(rota_deadline_t *deadline, rota_task_t *task, VALUE seconds, VALUE spec)
{
    *deadline = (rota_deadline_t){
        .timer = {.fire = expire},
        .interrupt = {.make = make, .embedded = true, .level = task->shield},
        .task = task,
        .span_ns = rota_seconds_to_ns(seconds),
        .spec = spec,
        .message = Qnil,
        .exception = Qfalse,
    };
    rota_list_init(&deadline->interrupt.link);
    rota_list_init(&deadline->link);
}

static VALUE make_handle(void)
{
    struct handle *handle;
    VALUE object = TypedData_Make_Struct(cTimeout, struct handle, &timeout_type, handle);
    handle->own.spec = handle->own.message = Qnil;
    handle->fork_generation = rota_fork_generation;
    return object;
}

/* The deadline fires on its own fiber only: while that one is stopped in the middle of the block,
 * whatever else the task does is outside of it. */
static rota_deadline_t *adopt(struct handle *handle, const rota_deadline_t *deadline, VALUE fiber)
{
    handle->own = *deadline;
    rota_list_init(&handle->own.interrupt.link);
    rota_list_init(&handle->own.link);
    handle->own.interrupt.fiber = fiber;
    rota_list_push_back(&deadline->task->deadlines, &handle->own.link);
    return &handle->own;
}

/* Runs the block under the deadline. The state of rb_protect; 0 and *value when it ended by itself.
 * *left_by_it: it was left by the deadline. The block is given `argument`, or with Qundef the
 * Rota::Timeout if it takes one. */
static int run_under(rota_deadline_t *deadline, VALUE argument, VALUE *value, bool *left_by_it)
{
    int state = 0;
    VALUE fiber = rb_fiber_current();
    bool on_own_fiber = fiber == deadline->task->fiber;
    /* made only for a block that takes it, or has no other place to stand */
    bool takes_it = argument == Qundef && rb_proc_arity(rb_block_proc());
    VALUE object = takes_it || !on_own_fiber ? make_handle() : Qfalse;
    struct handle *handle = object ? RTYPEDDATA_DATA(object) : NULL;

    if (!on_own_fiber) deadline = adopt(handle, deadline, fiber);
    if (handle) handle->deadline = deadline;
    arm(deadline);
    if (takes_it) argument = object;
    *value = argument == Qundef ? rb_protect(yield_plain, Qnil, &state)
                                : rb_protect(rb_yield, argument, &state);
    disarm(deadline);
    rota_list_remove(&deadline->link);
    if (handle) handle->deadline = NULL;
    *left_by_it = state && deadline->exception && rb_errinfo() == deadline->exception;
    RB_GC_GUARD(object);
    return state;
}

static VALUE with_deadline(VALUE seconds, VALUE spec, VALUE default_value)
{
    rota_deadline_t deadline;
    bool left_by_it = false;
    VALUE value;
    init_deadline(&deadline, rota_loop_demand()->current, seconds, spec);

    int state = run_under(&deadline, Qundef, &value, &left_by_it);
    if (!state) return value;
    if (spec == Qundef && left_by_it) {
        rb_set_errinfo(Qnil);
        return default_value;
    }
    rb_jump_tag(state);
}

VALUE rota_deadline_yield(VALUE seconds, VALUE spec, VALUE message)
{
    rota_deadline_t deadline;
    bool left_by_it;
    VALUE value;
    init_deadline(&deadline, rota_loop_demand()->current, seconds, spec);
    deadline.message = message;
    int state = run_under(&deadline, seconds, &value, &left_by_it);
    RB_GC_GUARD(spec);
    RB_GC_GUARD(message);
    if (!state) return value;
    if (spec != Qundef || !left_by_it) rb_jump_tag(state);
    rb_set_errinfo(Qnil);
    return Qundef;
}

/* The one keyword of a call, or Qundef. */
static VALUE keyword(VALUE options, ID *id)
{
    VALUE value = Qundef;
    if (!NIL_P(options)) rb_get_kwargs(options, id, 0, 1, &value);
    return value;
}

/* call-seq: move_on_after(seconds, with_value: nil) { |timeout| } -> value
 *
 * Runs the block for at most +seconds+. At the first switchpoint after that time the block is left,
 * its +ensure+ blocks run, and +with_value+ is returned. Zero and negative times leave at the first
 * switchpoint. Nests: an outer deadline leaves the outer block.
 *
 * @param seconds [Numeric]
 * @yieldparam timeout [Rota::Timeout] moves the deadline with +reset+
 * @return [Object] the block's value, or +with_value+ */
static VALUE move_on_after(int argc, VALUE *argv, VALUE self)
{
    VALUE seconds, options;
    (void)self;
    rb_scan_args(argc, argv, "1:", &seconds, &options);
    rb_need_block();
    VALUE value = keyword(options, &id_with_value);
    return with_deadline(seconds, Qundef, value == Qundef ? Qnil : value);
}

/* call-seq: cancel_after(seconds, with_exception: Rota::TimeoutError) { |timeout| } -> value
 *
 * As +move_on_after+, but raises at the deadline.
 *
 * @param seconds [Numeric]
 * @param with_exception [Class, Exception, Array, String] as the arguments of +raise+
 * @return [Object] the block's value */
static VALUE cancel_after(int argc, VALUE *argv, VALUE self)
{
    VALUE seconds, options;
    (void)self;
    rb_scan_args(argc, argv, "1:", &seconds, &options);
    rb_need_block();
    VALUE spec = keyword(options, &id_with_exception);
    if (spec == Qundef) spec = Qnil;
    if (!NIL_P(spec)) make_from_spec(spec, Qnil); /* bad input is told here, not at the deadline */
    return with_deadline(seconds, spec, Qnil);
}

/* call-seq: reset(seconds = the same) -> self
 *
 * Starts the time anew. After the block has ended it does nothing.
 *
 * @param seconds [Numeric] from now
 * @return [Rota::Timeout] */
static VALUE timeout_reset(int argc, VALUE *argv, VALUE self)
{
    VALUE seconds;
    rb_scan_args(argc, argv, "01", &seconds);
    struct handle *handle = rb_check_typeddata(self, &timeout_type);
    if (!handle->deadline) return self;
    if (!NIL_P(seconds)) handle->deadline->span_ns = rota_seconds_to_ns(seconds);
    arm(handle->deadline);
    return self;
}

static VALUE leave_shield(VALUE data)
{
    ((rota_task_t *)data)->shield--;
    return Qnil;
}

/* call-seq: shield { } -> value
 *
 * Holds back cancellation, deadlines and other interrupts of this task until the block ends, for
 * clean-up that must finish; then they are raised.
 *
 * @return [Object] the block's value */
static VALUE shield(VALUE self)
{
    (void)self;
    rb_need_block();
    rota_loop_t *loop = rota_loop_demand();
    rota_task_t *task = loop->current;
    task->shield++;
    VALUE value = rb_ensure(yield_plain, Qnil, leave_shield, (VALUE)task);
    rota_interrupt_check(loop);
    return value;
}

void rota_init_deadline(VALUE module)
{
    id_with_value = rb_intern("with_value");
    id_with_exception = rb_intern("with_exception");
    cTimeout = rb_define_class_under(module, "Timeout", rb_cObject);
    rb_undef_alloc_func(cTimeout);
    rb_define_method(cTimeout, "reset", timeout_reset, -1);
    rb_define_module_function(module, "move_on_after", move_on_after, -1);
    rb_define_module_function(module, "cancel_after", cancel_after, -1);
    rb_define_module_function(module, "shield", shield, 0);
}
