#include "verbs/recorder.h"

#include "runtime/await.h"
#include "runtime/await_many.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/roots.h"
#include "runtime/task.h"
#include "verbs/call.h"

static VALUE eChainError, cRecorder;
static ID id_index, id_results, id_result;

/* Methods of Loop that are called by themselves, if they are not offered as calls. */
static const char *const plain[] = {
    "sendmsg",    "recvmsg",    "shutdown", "socket",        "bind",    "listen",
    "getsockopt", "setsockopt", "send_io",  "recv_io",       "wait",    "splice",
    "tee",        "copy",       "sleep",    "double_splice", "waitpid",
};

/* One use of a verb that was recorded. */
typedef struct item {
    rota_call_t call;
    VALUE arguments; /* Array; Qfalse: it is a call, not a method to be called by itself */
    VALUE value;     /* its result when it is finished, which is an exception when it has failed */
    ID method;
    bool keywords; /* of a method called by itself: its last argument are keywords */
    bool finished, failed;
    bool begun;    /* call: it may have memory lent */
    bool at_once;  /* call: it asked for no op */
    bool needs_op; /* call: begin said so, and its last op is not done */
    int32_t raw;   /* call: what the chain's op resulted in */
} item_t;

typedef struct recorder {
    VALUE loop;
    VALUE block;     /* batch: where it is, for backtraces of its tasks */
    rota_loop_t *of; /* the same as `loop` */
    item_t *items;
    uint32_t count, capacity;
    uint32_t *order; /* batch: which item is which entry */
    uint32_t next;   /* chain: the link to go on with */
    bool open;       /* the block runs */
} recorder_t;

static void recorder_mark(void *data)
{
    recorder_t *recorder = data;
    rb_gc_mark(recorder->loop);
    rb_gc_mark(recorder->block);
    for (uint32_t i = 0; i < recorder->count; i++) {
        rota_call_mark(&recorder->items[i].call);
        rb_gc_mark(recorder->items[i].arguments);
        rb_gc_mark(recorder->items[i].value);
    }
}

static void recorder_free(void *data)
{
    recorder_t *recorder = data;
    xfree(recorder->items);
    xfree(recorder->order);
    xfree(recorder);
}

static size_t recorder_size(const void *data)
{
    const recorder_t *recorder = data;
    return sizeof *recorder + recorder->capacity * sizeof *recorder->items +
           (recorder->order ? recorder->count * sizeof *recorder->order : 0);
}

static const rb_data_type_t recorder_type = {
    .wrap_struct_name = "Rota::Loop::Recorder",
    .function = {.dmark = recorder_mark, .dfree = recorder_free, .dsize = recorder_size},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static recorder_t *recorder_of(VALUE self)
{
    return rota_typed_data(self, &recorder_type);
}

/* --- recording ---------------------------------------------------------------------------- */

static item_t *append(recorder_t *recorder)
{
    if (recorder->count == recorder->capacity) {
        uint32_t capacity = recorder->capacity ? recorder->capacity * 2 : 8;
        REALLOC_N(recorder->items, item_t, capacity);
        recorder->capacity = capacity;
    }
    return &recorder->items[recorder->count++];
}

static VALUE keep(recorder_t *recorder, const item_t *item)
{
    *append(recorder) = *item;
    return UINT2NUM(recorder->count - 1);
}

static recorder_t *open_recorder(VALUE self)
{
    recorder_t *recorder = recorder_of(self);
    if (!recorder->open) rb_raise(rota_eError, "the block that records is over");
    return recorder;
}

static void call_by_itself(item_t *item, int argc, const VALUE *argv)
{
    item->arguments = rb_ary_new_from_values(argc, argv);
    item->keywords = rb_keyword_given_p();
}

/* Records one use of the verb that has the method's name.
 *
 * @return [Integer] its place in the results */
static VALUE record(int argc, VALUE *argv, VALUE self)
{
    recorder_t *recorder = open_recorder(self);
    item_t item = {.arguments = Qfalse, .value = Qnil, .method = rb_frame_callee()};
    const rota_verb_t *verb = rota_call_find(rb_id2name(item.method));
    rota_call_take(&item.call, recorder->of, verb, argc, argv);
    if (item.call.by_itself) call_by_itself(&item, argc, argv);
    return keep(recorder, &item);
}

static bool is_plain_verb(const recorder_t *recorder, VALUE name)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        ID method = rb_intern(plain[i]);
        if (rb_to_id(name) == method) return rb_respond_to(recorder->loop, method);
    }
    return false;
}

/* call-seq: method_missing(name, *arguments) -> Integer
 *
 * Records a use of any other verb, which is then called by itself: in a task beside the entries of
 * a batch, between the links of a chain.
 *
 * @private */
static VALUE record_plain(int argc, VALUE *argv, VALUE self)
{
    recorder_t *recorder = open_recorder(self);
    if (argc == 0 || !is_plain_verb(recorder, argv[0])) return rb_call_super(argc, argv);
    item_t item = {.value = Qnil, .method = rb_to_id(argv[0])};
    call_by_itself(&item, argc - 1, argv + 1);
    return keep(recorder, &item);
}

/* @private */
static VALUE responds_to_plain(VALUE self, VALUE name, VALUE include_all)
{
    (void)include_all;
    return RBOOL(is_plain_verb(recorder_of(self), name));
}

static VALUE close_recorder(VALUE self)
{
    recorder_of(self)->open = false;
    return Qnil;
}

static VALUE record_block(VALUE loop)
{
    rb_need_block();
    recorder_t *recorder;
    rota_loop_t *of = rota_loop_get(loop);
    VALUE self = TypedData_Make_Struct(cRecorder, recorder_t, &recorder_type, recorder);
    recorder->loop = loop;
    recorder->of = of;
    recorder->open = true;
    rb_ensure(rb_yield, self, close_recorder, self);
    (void)rota_loop_get(loop); /* the block may have forked */
    return self;
}

/* --- what both have in common ------------------------------------------------------------- */

static bool is_plain(const item_t *item)
{
    return item->arguments != Qfalse;
}

/* What ran since the call was recorded may have closed its io, whose number may be another file's.
 * False: it is over, with that as its failure. */
static bool look_again(item_t *item)
{
    if (ROTA_LIKELY(rota_call_look_again(&item->call))) return true;
    if (item->begun) rota_call_drop(&item->call);
    item->needs_op = false;
    item->value = item->call.failure;
    item->failed = item->finished = true;
    return false;
}

/* The block, or who ran while something waited, may have read on since a write was recorded. */
static void settle_rest(recorder_t *recorder)
{
    for (uint32_t i = recorder->next; i < recorder->count; i++) {
        const item_t *item = &recorder->items[i];
        if (!is_plain(item)) rota_target_settle_again(recorder->of, &item->call.target);
    }
}

/* Nothing that could close an io runs between this and the submission. */
static void begin_all(recorder_t *recorder)
{
    settle_rest(recorder);
    rota_interrupt_check(recorder->of);
    for (uint32_t i = 0; i < recorder->count; i++) {
        item_t *item = &recorder->items[i];
        if (is_plain(item) || !look_again(item)) continue;
        item->needs_op = rota_call_begin(&item->call);
        item->at_once = !item->needs_op;
        item->begun = true;
    }
}

/* Bytes from the kernel go behind what is kept, in their order. Those that had been kept before go
 * in front of it, so the last of them first. */
static VALUE drop_all(VALUE self)
{
    recorder_t *recorder = recorder_of(self);
    for (uint32_t i = 0; i < recorder->count; i++) {
        item_t *item = &recorder->items[i];
        if (item->begun && !item->at_once) rota_call_drop(&item->call);
    }
    for (uint32_t i = recorder->count; i-- > 0;) {
        item_t *item = &recorder->items[i];
        if (item->begun && item->at_once) rota_call_drop(&item->call);
    }
    return Qnil;
}

static VALUE call_method(recorder_t *recorder, const item_t *item)
{
    VALUE arguments = item->arguments;
    VALUE value = rb_funcallv_kw(recorder->loop, item->method, RARRAY_LENINT(arguments),
                                 RARRAY_CONST_PTR(arguments),
                                 item->keywords ? RB_PASS_KEYWORDS : RB_NO_KEYWORDS);
    RB_GC_GUARD(arguments);
    return value;
}

struct attempt {
    recorder_t *recorder;
    item_t *item;
    VALUE (*call)(recorder_t *recorder, item_t *item);
};

static VALUE attempt(VALUE data)
{
    struct attempt *attempt = (struct attempt *)data;
    return attempt->call(attempt->recorder, attempt->item);
}

/* The kernel's answer, or that the io was closed; anything else (an interrupt, a deadline, a bad
 * argument) is nobody's result. */
static bool is_failure(VALUE exception)
{
    if (RTEST(rb_obj_is_kind_of(exception, rota_eTimeoutError))) return false;
    return RTEST(rb_obj_is_kind_of(exception, rb_eSystemCallError)) ||
           RTEST(rb_obj_is_kind_of(exception, rb_eIOError));
}

/* The value of `call`, or Qundef with the failure in *failure. What is no failure goes on. */
static VALUE value_or_failure(recorder_t *recorder, item_t *item,
                              VALUE (*call)(recorder_t *, item_t *), VALUE *failure)
{
    struct attempt parts = {recorder, item, call};
    int state = 0;
    VALUE value = rb_protect(attempt, (VALUE)&parts, &state);
    if (ROTA_LIKELY(!state)) return value;
    VALUE exception = rb_errinfo();
    bool interrupted = !is_plain(item) && item->call.result == -ECANCELED;
    if (interrupted || !rota_error_is_exception(exception) || !is_failure(exception))
        rb_jump_tag(state);
    rb_set_errinfo(Qnil);
    *failure = exception;
    return Qundef;
}

static VALUE finish(recorder_t *recorder, item_t *item)
{
    return is_plain(item) ? call_method(recorder, item) : rota_call_finish(&item->call);
}

static void take_result(recorder_t *recorder, item_t *item)
{
    VALUE failure = Qnil;
    VALUE value = value_or_failure(recorder, item, finish, &failure);
    item->failed = value == Qundef;
    item->value = item->failed ? failure : value;
    item->finished = true;
}

static bool has_failed(const rota_call_t *call)
{
    return call->result < 0 || call->failure;
}

/* May the task be interrupted while it takes the result? */
static bool is_unsure(const item_t *item)
{
    return is_plain(item) || has_failed(&item->call) || item->call.verb->finish_waits;
}

/* Of the first `count` items. The unsure ones are taken before any of the others, which can still
 * give back what they brought when an interrupt comes. */
static VALUE results_of(recorder_t *recorder, uint32_t count)
{
    VALUE results = rb_ary_new_capa(count);
    for (uint32_t i = 0; i < count; i++) {
        item_t *item = &recorder->items[i];
        if (!item->finished && is_unsure(item)) take_result(recorder, item);
    }
    for (uint32_t i = 0; i < count; i++) {
        item_t *item = &recorder->items[i];
        if (!item->finished) take_result(recorder, item);
        rb_ary_push(results, item->value);
    }
    return results;
}

/* --- batch -------------------------------------------------------------------------------- */

static item_t *entry_of(rota_many_t *many, uint32_t index)
{
    recorder_t *recorder = many->data;
    return &recorder->items[recorder->order[index]];
}

static void fill_entry(rota_many_t *many, uint32_t index, rota_op_t *op)
{
    rota_call_t *call = &entry_of(many, index)->call;
    call->verb->fill(call, op);
}

static bool absorb_entry(rota_many_t *many, uint32_t index, int32_t result)
{
    return rota_call_absorb(&entry_of(many, index)->call, result);
}

static void await_entries(recorder_t *recorder)
{
    rota_many_t many = {
        .what = "batch", .fill = fill_entry, .absorb = absorb_entry, .data = recorder};
    recorder->order = ALLOC_N(uint32_t, recorder->count);
    for (uint32_t i = 0; i < recorder->count; i++) {
        if (recorder->items[i].needs_op) recorder->order[many.count++] = i;
    }
    if (!rota_await_many(recorder->of, &many))
        rota_await_raise(recorder->of, -ECANCELED, many.what);
}

/* What entries can do at once is done first, above all a write in front of a shutdown or close. */
static void let_entries_begin(rota_loop_t *loop)
{
    rota_op_t *op = rota_await_op(loop, ROTA_OP_NOP);
    op->fd = op->descriptor = -1;
    rota_roots_set(op, Qfalse, Qfalse);
    rota_wait_t wait = {.what = "batch", .fd = -1};
    int32_t result = rota_await(loop, op, &wait);
    if (result < 0) rota_await_raise(loop, result, wait.what);
}

static VALUE take_apart(recorder_t *recorder, item_t *item)
{
    let_entries_begin(recorder->of);
    take_result(recorder, item);
    return Qnil;
}

/* The block of the task of an item. Whoever ends it early gets nil, as from any task. */
static VALUE run_apart(RB_BLOCK_CALL_FUNC_ARGLIST(index, self))
{
    (void)argc, (void)argv, (void)blockarg;
    recorder_t *recorder = recorder_of(self);
    item_t *item = &recorder->items[NUM2UINT(index)];
    struct attempt parts = {recorder, item, take_apart};
    VALUE unused, exception;
    int jump = rota_error_catch(attempt, (VALUE)&parts, &unused, &exception);
    VALUE failure = item->failed ? item->value : exception;
    if (RTEST(rb_obj_is_kind_of(failure, rb_eStandardError)))
        jump = rota_error_add_place(failure, recorder->block);
    if (jump) rb_jump_tag(jump);
    if (exception) rb_exc_raise(exception);
    return Qnil;
}

static void spin_methods(recorder_t *recorder, VALUE self)
{
    VALUE block = rb_proc_new(run_apart, self);
    for (uint32_t i = 0; i < recorder->count; i++) {
        item_t *item = &recorder->items[i];
        if (!is_plain(item)) continue;
        rota_loop_t *loop = recorder->of;
        rota_task_t *task = rota_task_spin(loop, loop->current, ID2SYM(item->method), block);
        task->argument = UINT2NUM(i);
        item->finished = true;
    }
}

/* The block of the scope of those tasks. */
static VALUE await_all(RB_BLOCK_CALL_FUNC_ARGLIST(task, self))
{
    (void)task, (void)argc, (void)argv, (void)blockarg;
    recorder_t *recorder = recorder_of(self);
    spin_methods(recorder, self);
    await_entries(recorder);
    return Qnil;
}

/* A loop that is ending takes no new tasks: what needs one comes last then. */
static bool needs_tasks(const recorder_t *recorder)
{
    if (recorder->of->closing) return false;
    for (uint32_t i = 0; i < recorder->count; i++)
        if (is_plain(&recorder->items[i])) return true;
    return false;
}

static VALUE run_batch(VALUE self)
{
    recorder_t *recorder = recorder_of(self);
    begin_all(recorder);
    if (needs_tasks(recorder)) {
        recorder->block = rb_block_proc();
        rota_task_scope(recorder->of, rb_proc_new(await_all, self));
    } else {
        await_entries(recorder);
    }
    VALUE results = results_of(recorder, recorder->count);
    RB_GC_GUARD(self);
    return results;
}

/* call-seq: batch { |b| ... } -> Array
 *
 * Asks for many things in one submission, waits until all are done, and returns their results in
 * their order. They are independent of each other, and done in no particular order.
 *
 * The block is given a recorder with the verbs of Loop as methods, which take the same arguments
 * and return their place in the results. Nothing happens before the block is over; a bad argument
 * raises inside it.
 *
 * The failure of one says nothing about the others, so it raises nothing: the exception is the
 * result in its place. Where one failure spoils everything, use <tt>results.each { |r| raise r if
 * r.is_a?(Exception) }</tt>, or +chain+.
 *
 * An interrupt cancels all of them, and is raised when the last one is settled. Bytes that were
 * read go to the next reader then, connections that were accepted are closed; what was written is
 * written. Verbs that are no entries (+sendmsg+, +shutdown+, +copy+, +close+ of an IO and the like)
 * are called by themselves, each in a task that ends with the batch, when entries have done what
 * they can do at once; a +close+ wakes those that wait for its io. What came with a +recvmsg+ or
 * +recv_io+ is lost when the interrupt comes behind it.
 *
 *   first, second = loop.batch do |b|
 *     b.read(one, 4096)
 *     b.read(other, 4096)
 *   end
 *
 * @yieldparam b [Rota::Loop::Recorder]
 * @return [Array<Object, SystemCallError, IOError>]
 * @raise [ArgumentError, TypeError] for bad arguments, before anything happened */
static VALUE loop_batch(VALUE self)
{
    VALUE recorder = record_block(self);
    return rb_ensure(run_batch, recorder, drop_all, recorder);
}

/* --- chain -------------------------------------------------------------------------------- */

static item_t *link_of(rota_many_t *many, uint32_t index)
{
    recorder_t *recorder = many->data;
    return &recorder->items[recorder->next + index];
}

static void fill_link(rota_many_t *many, uint32_t index, rota_op_t *op)
{
    rota_call_t *call = &link_of(many, index)->call;
    call->verb->fill(call, op);
}

/* The kernel's word; what it means is asked in the order of the links. */
static bool note_link(rota_many_t *many, uint32_t index, int32_t result)
{
    link_of(many, index)->raw = result;
    return false;
}

/* The chain was cut: what the links brought is undone by their calls. */
static void absorb_links(rota_many_t *many)
{
    for (uint32_t i = 0; i < many->count; i++) {
        item_t *item = link_of(many, i);
        (void)rota_call_absorb(&item->call, item->raw);
    }
}

RBIMPL_ATTR_NORETURN()
static void raise_at(recorder_t *recorder, uint32_t index, VALUE message, VALUE cause)
{
    item_t *item = &recorder->items[index];
    VALUE error = rb_class_new_instance(1, &message, eChainError);
    rb_ivar_set(error, id_index, UINT2NUM(index));
    rb_ivar_set(error, id_results, results_of(recorder, index));
    if (!item->finished) take_result(recorder, item);
    rb_ivar_set(error, id_result, item->failed ? Qnil : item->value);
    VALUE options = rb_hash_new();
    rb_hash_aset(options, ID2SYM(rb_intern("cause")), cause);
    VALUE arguments[] = {error, options};
    rb_funcallv_kw(rb_mKernel, rb_intern("raise"), 2, arguments, RB_PASS_KEYWORDS);
    UNREACHABLE;
}

RBIMPL_ATTR_NORETURN()
static void raise_failed(recorder_t *recorder, uint32_t index)
{
    const item_t *item = &recorder->items[index];
    VALUE message = rb_sprintf("link %u (%s) failed: %" PRIsVALUE, index, rb_id2name(item->method),
                               item->value);
    raise_at(recorder, index, message, item->value);
}

RBIMPL_ATTR_NORETURN()
static void raise_short(recorder_t *recorder, uint32_t index)
{
    const item_t *item = &recorder->items[index];
    VALUE message = rb_sprintf("link %u (%s) brought %d of %zu bytes", index,
                               rb_id2name(item->method), item->call.result, item->call.length);
    raise_at(recorder, index, message, Qnil);
}

/* The link's op is done. A write that found no room for all of it goes on by itself. */
static void judge(recorder_t *recorder, uint32_t index, bool again)
{
    item_t *item = &recorder->items[index];
    rota_call_t *call = &item->call;
    if (again) rota_call_drive(call);
    item->needs_op = false;
    /* an open may still come to a good end */
    if (!item->finished && has_failed(call)) take_result(recorder, item);
    if (item->failed) raise_failed(recorder, index);
    bool is_last = index + 1 == recorder->count;
    if (!is_last && call->verb->is_short && call->verb->is_short(call))
        raise_short(recorder, index);
}

/* As many links as one submission takes; none when the io of the first is closed. */
static uint32_t links_from(recorder_t *recorder, uint32_t first)
{
    uint32_t limit = recorder->of->engine->links_max, count = 0;
    do {
        item_t *item = &recorder->items[first + count];
        if (is_plain(item) || !item->needs_op || !look_again(item)) break;
        count++;
    } while (count < limit && first + count < recorder->count);
    return count;
}

/* Links that the kernel did not begin, although those before them did what they should, are asked
 * for again: it cuts a chain also where Rota knows how to go on. */
static void run_links(recorder_t *recorder)
{
    if (recorder->next) settle_rest(recorder);
    rota_interrupt_check(recorder->of);
    rota_many_t many = {
        .what = "chain",
        .count = links_from(recorder, recorder->next),
        .linked = true,
        .fill = fill_link,
        .absorb = note_link,
        .settled = absorb_links,
        .data = recorder,
    };
    if (!rota_await_many(recorder->of, &many)) {
        absorb_links(&many);
        rota_await_raise(recorder->of, -ECANCELED, many.what);
    }
    uint32_t first = recorder->next;
    for (uint32_t i = first; i < first + many.count; i++) {
        item_t *item = &recorder->items[i];
        if ((i > first || many.cut_by_close) && item->raw == -ECANCELED) break;
        recorder->next = i + 1;
        judge(recorder, i, rota_call_absorb(&item->call, item->raw));
    }
}

static void run_method(recorder_t *recorder)
{
    item_t *item = &recorder->items[recorder->next];
    take_result(recorder, item);
    if (item->failed) raise_failed(recorder, recorder->next);
    recorder->next++;
}

static VALUE run_chain(VALUE self)
{
    recorder_t *recorder = recorder_of(self);
    begin_all(recorder);
    while (recorder->next < recorder->count) {
        const item_t *item = &recorder->items[recorder->next];
        if (is_plain(item)) {
            run_method(recorder);
        } else if (item->needs_op) {
            run_links(recorder);
        } else {
            judge(recorder, recorder->next++, false);
        }
    }
    VALUE results = results_of(recorder, recorder->count);
    RB_GC_GUARD(self);
    return results;
}

/* call-seq: chain { |c| ... } -> Array
 *
 * Does one thing after the other, and returns their results. As many as possible are handed to the
 * kernel at once, linked, so that nobody has to be woken between them; where that cannot be (the
 * engine is epoll, the ring is smaller, a link is none of the kernel's) they are done step by step,
 * with the same results.
 *
 * The block is given a recorder, as by +batch+.
 *
 * The chain ends at the first link that fails, and at the first that comes short and is not the
 * last: a +read+, +splice+ or +tee+ that brings less than it was asked for. +write+ and
 * +send_bytes+ write all, as they do by themselves. The rest is not begun. An interrupt ends the
 * chain, too, and is raised itself.
 *
 *   loop.chain do |c|
 *     c.write(socket, head)
 *     c.splice(pipe, socket, length)
 *     c.close(pipe)
 *   end
 *
 * @yieldparam c [Rota::Loop::Recorder]
 * @return [Array<Object>]
 * @raise [Rota::ChainError] a link failed or came short; it knows which (+index+), and what those
 *   before it gave (+results+)
 * @raise [ArgumentError, TypeError] for bad arguments, before anything happened */
static VALUE loop_chain(VALUE self)
{
    VALUE recorder = record_block(self);
    return rb_ensure(run_chain, recorder, drop_all, recorder);
}

/* @return [Integer] which link ended the chain: its place in the block, from 0 */
static VALUE error_index(VALUE self)
{
    return rb_attr_get(self, id_index);
}

/* @return [Array<Object>] what the links before it gave */
static VALUE error_results(VALUE self)
{
    return rb_attr_get(self, id_results);
}

/* @return [Object] what a link gave that came short; nil for one that failed, whose exception is
 *   the +cause+ */
static VALUE error_result(VALUE self)
{
    return rb_attr_get(self, id_result);
}

static void define_record(const char *method, void *data)
{
    (void)data;
    rb_define_method(cRecorder, method, record, -1);
}

void rota_init_recorder(VALUE module, VALUE loop_class)
{
    id_index = rb_intern("__rota_index");
    id_results = rb_intern("__rota_results");
    id_result = rb_intern("__rota_result");
    eChainError = rb_define_class_under(module, "ChainError", rota_eError);
    rb_define_method(eChainError, "index", error_index, 0);
    rb_define_method(eChainError, "results", error_results, 0);
    rb_define_method(eChainError, "result", error_result, 0);
    cRecorder = rb_define_class_under(loop_class, "Recorder", rb_cObject);
    rb_undef_alloc_func(cRecorder);
    rb_undef_method(CLASS_OF(cRecorder), "new");
    rota_call_each_offer(define_record, NULL);
    rb_define_private_method(cRecorder, "method_missing", record_plain, -1);
    rb_define_private_method(cRecorder, "respond_to_missing?", responds_to_plain, 2);
    rb_define_method(loop_class, "batch", loop_batch, 0);
    rb_define_method(loop_class, "chain", loop_chain, 0);
}
