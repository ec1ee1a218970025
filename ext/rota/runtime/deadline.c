#include "runtime/deadline.h"

#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/sleep.h"
#include "runtime/task.h"

static VALUE cTimeout;
static ID id_with_value, id_with_exception;

/* On the stack of the call that set it, when that is on the task's own fiber, whose frames all
 * unwind before the task ends. Another fiber of the task (an enumerator's) may be dropped in the
 * middle of the block; its deadlines live in a Rota::Timeout, which the collector frees with it. */
typedef struct rota_deadline {
    rota_timer_t timer;
    rota_interrupt_t interrupt;
    rota_list_t link;  /* rota_task_rest_t.deadlines, when in a Rota::Timeout */
    rota_task_t *task; /* NULL: the task ended before the block; in a Rota::Timeout, or the block */
    uint64_t span_ns;
    VALUE spec;      /* what to raise; Qundef: move on */
    VALUE message;   /* ... with it, or nil */
    VALUE exception; /* what was raised, once it was */
} rota_deadline_t;

/* The deadline of a block on another fiber than the task's: its Rota::Timeout owns it. */
struct adopted {
    rota_deadline_t deadline; /* first, so that either Rota::Timeout points at a deadline */
    uint32_t fork_generation;
};

static void disarm(rota_deadline_t *deadline)
{
    if (!deadline->task) return;
    if (deadline->task->loop) rota_heap_remove(&deadline->task->loop->timers, &deadline->timer);
    rota_list_remove(&deadline->interrupt.link);
}

static void adopted_mark(void *data)
{
    const rota_deadline_t *deadline = data;
    if (deadline->spec != Qundef) rb_gc_mark(deadline->spec);
    rb_gc_mark(deadline->message);
    rb_gc_mark(deadline->exception);
    rb_gc_mark(deadline->interrupt.fiber);
}

/* With the fiber that never came back to the block. In a forked child the task is the parent's, and
 * the stacks that its other interrupts lie on may be gone; but its list is still to be left. */
static void adopted_free(void *data)
{
    struct adopted *adopted = data;
    if (adopted->deadline.task) {
        if (adopted->fork_generation == rota_fork_generation) disarm(&adopted->deadline);
        rota_list_remove(&adopted->deadline.link);
    }
    xfree(adopted);
}

/* A Rota::Timeout, which the block is given to move its deadline. Every block is, and few take it,
 * so it is an object without memory of its own: it points at the deadline on the stack, and at
 * nothing once the block has ended. */
static const rb_data_type_t timeout_type = {
    .wrap_struct_name = "Rota::Timeout",
    /* it references nothing; without the flag Ruby takes the slow way, and a lock, for each */
    .flags = RUBY_TYPED_FREE_IMMEDIATELY | RUBY_TYPED_WB_PROTECTED,
};

static const rb_data_type_t adopted_type = {
    .wrap_struct_name = "Rota::Timeout",
    .function = {.dmark = adopted_mark, .dfree = adopted_free},
    .parent = &timeout_type,
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

void rota_deadlines_detach(rota_task_t *task)
{
    rota_list_t *link;
    while (task->rest && (link = rota_list_pop(&task->rest->deadlines))) {
        rota_deadline_t *deadline = ROTA_LIST_ENTRY(link, rota_deadline_t, link);
        disarm(deadline);
        deadline->task = NULL;
    }
}

void rota_deadlines_forsake(rota_task_t *task)
{
    rota_list_t *link;
    while (task->rest && (link = rota_list_pop(&task->rest->deadlines)))
        ROTA_LIST_ENTRY(link, rota_deadline_t, link)->task = NULL;
}

/* Raised in an interjection, it waits to be raised in what that had interrupted: behind the block
 * it is nobody's. */
static void take_back(rota_deadline_t *deadline)
{
    disarm(deadline);
    if (ROTA_UNLIKELY(deadline->exception && deadline->task))
        rota_interrupt_take_back(deadline->task, deadline->exception);
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
    /* One that was reset may be there once more while the first is on its way. */
    if (deadline->spec == Qundef && deadline->exception) return deadline->exception;
    deadline->exception = deadline->spec == Qundef
                              ? rb_class_new_instance(0, NULL, rota_eMoveOn)
                              : make_from_spec(deadline->spec, deadline->message);
    return deadline->exception;
}

static void arm(rota_deadline_t *deadline)
{
    if (deadline->span_ns == 0)
        rota_interrupt_push(deadline->task, &deadline->interrupt);
    else
        rota_loop_arm(deadline->task->loop, &deadline->timer, rota_now_ns() + deadline->span_ns);
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

/* The deadline fires on its own fiber only: while that one is stopped in the middle of the block,
 * whatever else the task does is outside of it. */
static VALUE adopt(rota_deadline_t **deadline, VALUE fiber)
{
    struct adopted *adopted;
    rota_task_rest_t *rest = rota_task_rest((*deadline)->task);
    VALUE object = TypedData_Make_Struct(cTimeout, struct adopted, &adopted_type, adopted);
    rota_deadline_t *own = &adopted->deadline;
    *own = **deadline;
    rota_list_init(&own->interrupt.link);
    rota_list_init(&own->link);
    own->interrupt.fiber = fiber;
    rota_list_push_back(&rest->deadlines, &own->link);
    adopted->fork_generation = rota_fork_generation;
    *deadline = own;
    return object;
}

/* Behind the block. */
static void end_timeout(VALUE object)
{
    rota_deadline_t *deadline = RTYPEDDATA_DATA(object);
    rota_list_remove(&deadline->link);
    if (RTYPEDDATA_TYPE(object) == &timeout_type)
        RTYPEDDATA_DATA(object) = NULL;
    else
        deadline->task = NULL;
}

/* A lambda or a Method without parameters refuses the Rota::Timeout before its first line has run,
 * so it can be called again without. To ask a block beforehand would make a Proc of it: two objects
 * and a thousand instructions. */
static bool refused_argument(void)
{
    VALUE error = rb_errinfo();
    if (!rota_error_is_exception(error) || !RTEST(rb_obj_is_kind_of(error, rb_eArgError)))
        return false;
    VALUE block = rb_block_proc();
    return RTEST(rb_proc_lambda_p(block)) && rb_proc_arity(block) == 0;
}

static VALUE yield_timeout(VALUE object, int *state)
{
    VALUE value = rb_protect(rb_yield, object, state);
    if (ROTA_LIKELY(!*state) || !refused_argument()) return value;
    rb_set_errinfo(Qnil);
    return rb_protect(rota_yield_nothing, Qnil, state);
}

/* Runs the block under the deadline. The state of rb_protect; 0 and *value when it ended by itself.
 * *left_by_it: it was left by the deadline. The block is given `argument`, or with Qundef the
 * Rota::Timeout. */
static int run_under(rota_deadline_t *deadline, VALUE argument, VALUE *value, bool *left_by_it)
{
    int state = 0;
    VALUE fiber = rb_fiber_current(), object = Qfalse;
    if (ROTA_UNLIKELY(fiber != deadline->task->fiber))
        object = adopt(&deadline, fiber);
    else if (argument == Qundef)
        object = TypedData_Wrap_Struct(cTimeout, &timeout_type, deadline);

    arm(deadline);
    *value =
        argument == Qundef ? yield_timeout(object, &state) : rb_protect(rb_yield, argument, &state);
    take_back(deadline);
    *left_by_it = state && deadline->exception && rb_errinfo() == deadline->exception;
    if (object) end_timeout(object);
    RB_GC_GUARD(object);
    return state;
}

static VALUE with_deadline(VALUE seconds, VALUE spec, VALUE default_value)
{
    rota_deadline_t deadline;
    bool left_by_it = false;
    VALUE value;
    rota_loop_t *loop = rota_loop_demand();
    init_deadline(&deadline, loop->current, seconds, spec);
    if (ROTA_UNLIKELY(deadline.span_ns == 0)) rota_give_way(loop); /* nothing in it will */

    int state = run_under(&deadline, Qundef, &value, &left_by_it);
    if (ROTA_LIKELY(!state)) return value;
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

/* The seconds, and the one keyword of the call or Qundef. */
static VALUE read_seconds(int argc, VALUE *argv, ID *id, VALUE *value)
{
    VALUE seconds, options;
    *value = Qundef;
    if (ROTA_LIKELY(argc == 1) && RB_SPECIAL_CONST_P(argv[0])) return argv[0]; /* no keyword */
    rb_scan_args(argc, argv, "1:", &seconds, &options);
    if (!NIL_P(options)) rb_get_kwargs(options, id, 0, 1, value);
    return seconds;
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
    VALUE value;
    (void)self;
    VALUE seconds = read_seconds(argc, argv, &id_with_value, &value);
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
    VALUE spec;
    (void)self;
    VALUE seconds = read_seconds(argc, argv, &id_with_exception, &spec);
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
    /* A number of the program's own may wait while it is converted, for longer than the block. */
    uint64_t span_ns = NIL_P(seconds) ? 0 : rota_seconds_to_ns(seconds);
    rota_deadline_t *deadline = rota_typed_data(self, &timeout_type);
    if (!deadline || !deadline->task) return self;
    if (!NIL_P(seconds)) deadline->span_ns = span_ns;
    disarm(deadline);
    arm(deadline);
    rota_loop_notify(deadline->task->loop);
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
    VALUE value = rb_ensure(rota_yield_nothing, Qnil, leave_shield, (VALUE)task);
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
