#include "sync/queue.h"

#include "runtime/interrupt.h"
#include "runtime/select.h"

static ID id_capacity, id_timeout;

/* -- the ring -----------------------------------------------------------------------------------
 */

#define SLOTS_MIN 8

static size_t slot_of(const rota_queue_t *queue, size_t index)
{
    return (queue->head + index) & (queue->capacity - 1);
}

static void resize(rota_queue_t *queue, size_t capacity)
{
    VALUE *items = ALLOC_N(VALUE, capacity); /* may collect garbage: the old ring is still there */
    for (size_t index = 0; index < queue->count; index++)
        items[index] = queue->items[slot_of(queue, index)];
    xfree(queue->items);
    queue->items = items;
    queue->capacity = capacity;
    queue->head = 0;
}

static void make_room(rota_queue_t *queue)
{
    if (ROTA_LIKELY(queue->count < queue->capacity)) return;
    resize(queue, queue->capacity ? queue->capacity * 2 : SLOTS_MIN);
}

/* A burst does not keep its memory. */
static void give_room_back(rota_queue_t *queue)
{
    if (queue->capacity > SLOTS_MIN * 8 && queue->count < queue->capacity / 8)
        resize(queue, queue->capacity / 2);
}

static void append(rota_queue_t *queue, VALUE item)
{
    make_room(queue);
    queue->items[slot_of(queue, queue->count)] = item;
    queue->count++;
}

static void prepend(rota_queue_t *queue, VALUE item)
{
    make_room(queue);
    queue->head = slot_of(queue, queue->capacity - 1);
    queue->items[queue->head] = item;
    queue->count++;
}

static VALUE take_first(rota_queue_t *queue)
{
    VALUE item = queue->items[queue->head];
    queue->head = slot_of(queue, 1);
    queue->count--;
    return item;
}

/* -- the queue ----------------------------------------------------------------------------------
 */

void rota_queue_init(rota_queue_t *queue)
{
    *queue = (rota_queue_t){.limit = ROTA_QUEUE_UNLIMITED};
    rota_waiters_init(&queue->poppers);
    rota_waiters_init(&queue->pushers);
}

void rota_queue_mark(const rota_queue_t *queue)
{
    for (size_t index = 0; index < queue->count; index++)
        rb_gc_mark(queue->items[slot_of(queue, index)]);
}

void rota_queue_free(rota_queue_t *queue)
{
    xfree(queue->items);
}

size_t rota_queue_memsize(const rota_queue_t *queue)
{
    return queue->capacity * sizeof(VALUE);
}

static bool full(const rota_queue_t *queue)
{
    return queue->count >= queue->limit;
}

/* There may be room: the items of those who wait to push go in. */
static void admit(rota_queue_t *queue)
{
    const rota_waiting_t *waiting;
    while (!full(queue) && (waiting = rota_waiters_first(&queue->pushers))) {
        append(queue, *(VALUE *)waiting->data);
        rota_waiters_grant(&queue->pushers, Qtrue);
    }
}

static void put(rota_queue_t *queue, VALUE item)
{
    if (!rota_waiters_grant(&queue->poppers, item)) append(queue, item);
}

void rota_queue_put_back(rota_queue_t *queue, VALUE item)
{
    if (!rota_waiters_grant(&queue->poppers, item)) prepend(queue, item);
}

static rota_queue_result_t wait_for_room(rota_loop_t *loop, rota_queue_t *queue, VALUE item,
                                         uint64_t deadline_ns)
{
    rota_waiting_t waiting = {
        .what = "room in a queue",
        .detail = -1,
        .deadline_ns = deadline_ns,
        .data = &item,
    };
    VALUE answer;
    if (!rota_waiters_wait_in(loop, &queue->pushers, &waiting, &answer)) return ROTA_QUEUE_TIMEOUT;
    return answer == Qundef ? ROTA_QUEUE_CLOSED : ROTA_QUEUE_DONE;
}

rota_queue_result_t rota_queue_push(rota_queue_t *queue, VALUE item, uint64_t deadline_ns)
{
    rota_loop_t *loop = queue->limit == ROTA_QUEUE_UNLIMITED ? NULL : rota_switchpoint();
    if (ROTA_UNLIKELY(queue->closed)) return ROTA_QUEUE_CLOSED;
    if (full(queue)) {
        if (deadline_ns) return wait_for_room(loop, queue, item, deadline_ns);
        rota_fair_switchpoint(); /* whoever asks again lets those run who could change the answer */
        return ROTA_QUEUE_TIMEOUT;
    }
    put(queue, item);
    return ROTA_QUEUE_DONE;
}

static void return_item(void *queue, VALUE item)
{
    if (item != Qundef) rota_queue_put_back(queue, item);
}

static rota_queue_result_t wait_for_item(rota_loop_t *loop, rota_queue_t *queue, VALUE *item,
                                         const char *what, uint64_t deadline_ns)
{
    rota_waiting_t waiting = {
        .what = what,
        .detail = -1,
        .deadline_ns = deadline_ns,
        .refuse = return_item,
        .data = queue,
    };
    if (!rota_waiters_wait_in(loop, &queue->poppers, &waiting, item)) return ROTA_QUEUE_TIMEOUT;
    return *item == Qundef ? ROTA_QUEUE_CLOSED : ROTA_QUEUE_DONE;
}

bool rota_queue_try_pop(rota_queue_t *queue, VALUE *item)
{
    if (queue->count == 0) return false;
    give_room_back(queue); /* before anything is taken, because it needs memory for a moment */
    *item = take_first(queue);
    admit(queue);
    return true;
}

rota_queue_result_t rota_queue_pop(rota_queue_t *queue, VALUE *item, const char *what,
                                   uint64_t deadline_ns)
{
    rota_loop_t *loop = rota_fair_switchpoint();
    if (rota_queue_try_pop(queue, item)) return ROTA_QUEUE_DONE;
    if (queue->closed) return ROTA_QUEUE_CLOSED;
    return deadline_ns ? wait_for_item(loop, queue, item, what, deadline_ns) : ROTA_QUEUE_TIMEOUT;
}

void rota_queue_close(rota_queue_t *queue)
{
    queue->closed = true;
    rota_waiters_grant_all(&queue->poppers, Qundef);
    rota_waiters_grant_all(&queue->pushers, Qundef);
}

/* -- Ruby ---------------------------------------------------------------------------------------
 */

static void queue_mark(void *data)
{
    rota_queue_mark(data);
}

static void queue_free(void *data)
{
    rota_queue_free(data);
    xfree(data);
}

static size_t queue_memsize(const void *data)
{
    return sizeof(rota_queue_t) + rota_queue_memsize(data);
}

/* Not write-barrier protected: items come and go. */
static const rb_data_type_t queue_type = {
    .wrap_struct_name = "Rota::Queue",
    .function = {.dmark = queue_mark, .dfree = queue_free, .dsize = queue_memsize},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static VALUE queue_alloc(VALUE klass)
{
    rota_queue_t *queue;
    VALUE self = TypedData_Make_Struct(klass, rota_queue_t, &queue_type, queue);
    rota_queue_init(queue);
    return self;
}

static rota_queue_t *queue_of(VALUE self)
{
    return rota_typed_data(self, &queue_type);
}

static size_t limit_from(VALUE capacity)
{
    if (NIL_P(capacity)) return ROTA_QUEUE_UNLIMITED;
    long limit = NUM2LONG(capacity);
    if (limit <= 0) rb_raise(rb_eArgError, "queue size must be positive");
    return (size_t)limit;
}

/* The one keyword of a call, or nil. */
static VALUE keyword(VALUE options, ID *id)
{
    VALUE value = Qundef;
    if (!NIL_P(options)) rb_get_kwargs(options, id, 0, 1, &value);
    return value == Qundef ? Qnil : value;
}

/* call-seq: new(items = [], capacity: nil) -> Rota::Queue
 *
 * @param items [Array, #to_a] what is in it from the start
 * @param capacity [Integer, nil] with more items than that a push waits; nil: it never does
 * @raise [ArgumentError] a capacity that is not positive
 * @raise [TypeError] items that are no list */
static VALUE queue_initialize(int argc, VALUE *argv, VALUE self)
{
    VALUE items, options;
    rota_queue_t *queue = queue_of(self);
    int given = rb_scan_args(argc, argv, "01:", &items, &options);
    queue->limit = limit_from(keyword(options, &id_capacity));
    if (!given) return self;
    items = rb_convert_type(items, T_ARRAY, "Array", "to_a");
    for (long index = 0; index < RARRAY_LEN(items); index++) put(queue, RARRAY_AREF(items, index));
    return self;
}

/* What a call of push or pop says about waiting. */
struct patience {
    bool non_block;
    uint64_t deadline_ns; /* as rota_queue_push and _pop take it */
};

/* Keywords cost two objects each time: nothing is looked at when there are none. */
static struct patience read_patience(VALUE non_block, VALUE options)
{
    struct patience patience = {.non_block = RTEST(non_block), .deadline_ns = UINT64_MAX};
    VALUE timeout = keyword(options, &id_timeout);
    if (!NIL_P(timeout)) {
        if (patience.non_block)
            rb_raise(rb_eArgError, "can't set a timeout if non_block is enabled");
        uint64_t span_ns = rota_seconds_to_ns(timeout);
        patience.deadline_ns = span_ns ? rota_now_ns() + span_ns : 0;
    }
    if (patience.non_block) patience.deadline_ns = 0;
    return patience;
}

RBIMPL_ATTR_NORETURN()
static void raise_closed(void)
{
    rb_raise(rb_path2class("ClosedQueueError"), "queue closed");
}

/* call-seq: push(item, non_block = false, timeout: nil) -> self or nil
 *
 * Appends an item, which goes straight to the first who waits for one. Waits while the queue is
 * full, first come first served; never without a capacity.
 *
 * @param non_block [Boolean] raise instead of waiting
 * @param timeout [Numeric, nil] seconds to wait at most
 * @return [self, nil] nil when the time was up; the item is not in the queue then
 * @raise [ThreadError] full, and not to wait
 * @raise [ClosedQueueError] the queue is closed, or was while this waited */
static VALUE queue_push(int argc, VALUE *argv, VALUE self)
{
    VALUE item = argc == 1 ? argv[0] : Qnil, non_block, options;
    rota_queue_t *queue = queue_of(self);
    struct patience patience = {.deadline_ns = UINT64_MAX};
    if (argc != 1 || (RB_TYPE_P(item, T_HASH) && rb_keyword_given_p())) {
        rb_scan_args(argc, argv, "11:", &item, &non_block, &options);
        patience = read_patience(non_block, options);
    }
    switch (rota_queue_push(queue, item, patience.deadline_ns)) {
    case ROTA_QUEUE_DONE: return self;
    case ROTA_QUEUE_CLOSED:
        if (!patience.non_block || !full(queue)) raise_closed();
        break; /* MRI asks in this order */
    case ROTA_QUEUE_TIMEOUT: break;
    }
    if (patience.non_block) rb_raise(rb_eThreadError, "queue full");
    return Qnil;
}

/* call-seq: pop(non_block = false, timeout: nil) -> item or nil
 *
 * Takes the first item. Waits while there is none, first come first served.
 *
 * @param non_block [Boolean] raise instead of waiting
 * @param timeout [Numeric, nil] seconds to wait at most
 * @return [Object, nil] nil when the time was up, or the queue is empty and closed
 * @raise [ThreadError] empty, and not to wait */
static VALUE queue_pop(int argc, VALUE *argv, VALUE self)
{
    VALUE item, non_block, options;
    rota_queue_t *queue = queue_of(self);
    struct patience patience = {.deadline_ns = UINT64_MAX};
    if (argc > 0) {
        rb_scan_args(argc, argv, "01:", &non_block, &options);
        patience = read_patience(non_block, options);
    }
    if (rota_queue_pop(queue, &item, "an item", patience.deadline_ns) == ROTA_QUEUE_DONE)
        return item;
    if (patience.non_block) rb_raise(rb_eThreadError, "queue empty");
    return Qnil;
}

/* Puts an item in front, where the next +pop+ finds it: for what was taken and could not be used.
 * So it never waits, and may go beyond the capacity.
 *
 * @return [self]
 * @raise [ClosedQueueError] */
static VALUE queue_unshift(VALUE self, VALUE item)
{
    rota_queue_t *queue = queue_of(self);
    if (queue->closed) raise_closed();
    rota_queue_put_back(queue, item);
    return self;
}

/* The items now: comparing runs Ruby code, which may change the queue. */
static VALUE list_items(const rota_queue_t *queue)
{
    VALUE list = rb_ary_new_capa((long)queue->count);
    for (size_t index = 0; index < queue->count; index++)
        rb_ary_push(list, queue->items[slot_of(queue, index)]);
    return list;
}

/* Those of the items that are equal to `wanted`, as the keys of a Hash by identity. */
static VALUE find_equal(VALUE items, VALUE wanted)
{
    VALUE found = rb_funcall(rb_hash_new(), rb_intern("compare_by_identity"), 0);
    for (long index = 0; index < RARRAY_LEN(items); index++) {
        VALUE item = RARRAY_AREF(items, index);
        if (rb_equal(item, wanted)) rb_hash_aset(found, item, Qtrue);
    }
    return found;
}

/* Removes all items that are equal (+==+) to +item+.
 *
 * @return [Object, nil] the last of them, as Array#delete; nil when there was none */
static VALUE queue_delete(VALUE self, VALUE item)
{
    rota_queue_t *queue = queue_of(self);
    VALUE found = find_equal(list_items(queue), item), last = Qnil;
    size_t kept = 0;
    for (size_t index = 0; index < queue->count; index++) {
        VALUE one = queue->items[slot_of(queue, index)];
        if (RTEST(rb_hash_lookup(found, one)))
            last = one;
        else
            queue->items[slot_of(queue, kept++)] = one;
    }
    queue->count = kept;
    admit(queue);
    give_room_back(queue);
    return last;
}

/* Drops all items.
 *
 * @return [self] */
static VALUE queue_clear(VALUE self)
{
    rota_queue_t *queue = queue_of(self);
    queue->count = 0;
    admit(queue);
    give_room_back(queue);
    return self;
}

/* Ends the queue: nothing more goes in, what is in it can be taken. Those who wait for an item get
 * nil; those who wait to push, ClosedQueueError.
 *
 * @return [self] */
static VALUE queue_close(VALUE self)
{
    rota_queue_close(queue_of(self));
    return self;
}

/* @return [Boolean] */
static VALUE queue_closed_p(VALUE self)
{
    return RBOOL(queue_of(self)->closed);
}

/* @return [Integer] how many wait in +pop+ or +push+ */
static VALUE queue_num_waiting(VALUE self)
{
    rota_queue_t *queue = queue_of(self);
    return UINT2NUM(rota_waiters_count(&queue->poppers) + rota_waiters_count(&queue->pushers));
}

/* @return [Integer] how many items are in the queue */
static VALUE queue_size(VALUE self)
{
    return SIZET2NUM(queue_of(self)->count);
}

/* @return [Boolean] */
static VALUE queue_empty_p(VALUE self)
{
    return RBOOL(queue_of(self)->count == 0);
}

/* @return [Integer, nil] with that many items a push waits; nil: it never does */
static VALUE queue_capacity(VALUE self)
{
    size_t limit = queue_of(self)->limit;
    return limit == ROTA_QUEUE_UNLIMITED ? Qnil : SIZET2NUM(limit);
}

/* A larger capacity, or none, lets in who waits to push. With a smaller one nothing is dropped.
 *
 * @param capacity [Integer, nil]
 * @raise [ArgumentError] a capacity that is not positive */
static VALUE queue_set_capacity(VALUE self, VALUE capacity)
{
    rota_queue_t *queue = queue_of(self);
    queue->limit = limit_from(capacity);
    admit(queue);
    return capacity;
}

/* call-seq: shift_each { |item| } -> self
 *
 * Takes what is in the queue now, item by item, and returns. What is pushed meanwhile stays, as do
 * the rest when the block is left.
 *
 * @return [self, Enumerator] */
static VALUE queue_shift_each(VALUE self)
{
    RETURN_ENUMERATOR(self, 0, 0);
    rota_queue_t *queue = queue_of(self);
    VALUE item;
    for (size_t left = queue->count; left && rota_queue_try_pop(queue, &item); left--)
        rb_yield(item);
    return self;
}

/* Takes all items.
 *
 * @return [Array] */
static VALUE queue_shift_all(VALUE self)
{
    VALUE items = list_items(queue_of(self));
    queue_clear(self);
    return items;
}

/* A frozen queue would be of no use.
 *
 * @raise [TypeError] always */
static VALUE queue_freeze(VALUE self)
{
    rb_raise(rb_eTypeError, "cannot freeze %+" PRIsVALUE, self);
}

/* @raise [TypeError] always: others wait for it, here
 * @private */
static VALUE queue_marshal_dump(VALUE self)
{
    rb_raise(rb_eTypeError, "can't dump %" PRIsVALUE, rb_obj_class(self));
}

/* -- Rota.select --------------------------------------------------------------------------------
 */

static bool select_item(VALUE self, VALUE *item)
{
    rota_queue_t *queue = queue_of(self);
    if (rota_queue_try_pop(queue, item)) return true;
    *item = Qnil;
    return queue->closed;
}

static rota_waiters_t *line_for_item(VALUE self)
{
    return &queue_of(self)->poppers;
}

static void put_item_back(VALUE self, VALUE item)
{
    return_item(queue_of(self), item);
}

static VALUE item_or_end(VALUE self, VALUE item)
{
    (void)self;
    return item == Qundef ? Qnil : item;
}

static const rota_selectable_t selectable = {
    .type = &queue_type,
    .try_take = select_item,
    .line = line_for_item,
    .put_back = put_item_back,
    .unwrap = item_or_end,
};

static void define_aliases(VALUE klass)
{
    rb_define_alias(klass, "<<", "push");
    rb_define_alias(klass, "enq", "push");
    rb_define_alias(klass, "shift", "pop");
    rb_define_alias(klass, "deq", "pop");
    rb_define_alias(klass, "length", "size");
    rb_define_alias(klass, "max", "capacity");
    rb_define_alias(klass, "max=", "capacity=");
}

void rota_init_queue(VALUE module)
{
    id_capacity = rb_intern("capacity");
    id_timeout = rb_intern("timeout");
    VALUE klass = rb_define_class_under(module, "Queue", rb_cObject);
    rb_define_alloc_func(klass, queue_alloc);
    rb_undef_method(klass, "initialize_copy");
    rb_define_method(klass, "initialize", queue_initialize, -1);
    rb_define_method(klass, "push", queue_push, -1);
    rb_define_method(klass, "pop", queue_pop, -1);
    rb_define_method(klass, "unshift", queue_unshift, 1);
    rb_define_method(klass, "delete", queue_delete, 1);
    rb_define_method(klass, "clear", queue_clear, 0);
    rb_define_method(klass, "close", queue_close, 0);
    rb_define_method(klass, "closed?", queue_closed_p, 0);
    rb_define_method(klass, "num_waiting", queue_num_waiting, 0);
    rb_define_method(klass, "size", queue_size, 0);
    rb_define_method(klass, "empty?", queue_empty_p, 0);
    rb_define_method(klass, "capacity", queue_capacity, 0);
    rb_define_method(klass, "capacity=", queue_set_capacity, 1);
    rb_define_method(klass, "shift_each", queue_shift_each, 0);
    rb_define_method(klass, "shift_all", queue_shift_all, 0);
    rb_define_method(klass, "freeze", queue_freeze, 0);
    rb_define_method(klass, "marshal_dump", queue_marshal_dump, 0);
    define_aliases(klass);
    rota_select_register(&selectable);
}
