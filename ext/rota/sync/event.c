#include "sync/event.h"

#include "runtime/select.h"
#include "runtime/waiters.h"

struct event {
    rota_waiters_t waiters;
    VALUE latch;     /* Qundef: nothing is latched */
    uint32_t served; /* how many the last signal woke */
};

static void event_mark(void *data)
{
    rb_gc_mark(((struct event *)data)->latch);
}

static size_t event_memsize(const void *data)
{
    (void)data;
    return sizeof(struct event);
}

/* Not write-barrier protected: it holds one value, and not for long. */
static const rb_data_type_t event_type = {
    .wrap_struct_name = "Rota::Event",
    .function = {.dmark = event_mark, .dfree = RUBY_TYPED_DEFAULT_FREE, .dsize = event_memsize},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static VALUE event_alloc(VALUE klass)
{
    struct event *event;
    VALUE self = TypedData_Make_Struct(klass, struct event, &event_type, event);
    rota_waiters_init(&event->waiters);
    event->latch = Qundef;
    return self;
}

static struct event *event_of(VALUE self)
{
    return rota_typed_data(self, &event_type);
}

static bool take_latched(struct event *event, VALUE *value)
{
    if (event->latch == Qundef) return false;
    *value = event->latch;
    event->latch = Qundef;
    return true;
}

/* The only one whom the signal reached unwinds: it is as if nobody had waited. */
static void latch_again(void *data, VALUE value)
{
    struct event *event = data;
    if (event->served == 1 && event->latch == Qundef) event->latch = value;
}

static VALUE wait_for_signal(rota_loop_t *loop, struct event *event)
{
    rota_waiting_t waiting = {
        .what = "an event",
        .detail = -1,
        .deadline_ns = UINT64_MAX,
        .refuse = latch_again,
        .data = event,
    };
    VALUE value;
    rota_waiters_wait_in(loop, &event->waiters, &waiting, &value);
    return value;
}

/* Waits for the next signal; a latched one is taken at once.
 *
 * @return [Object] the signal's value */
static VALUE event_await(VALUE self)
{
    struct event *event = event_of(self);
    rota_loop_t *loop = rota_fair_switchpoint();
    VALUE value;
    return take_latched(event, &value) ? value : wait_for_signal(loop, event);
}

/* call-seq: signal(value = nil) -> self
 *
 * Wakes all who wait, with +value+. When nobody waits, +value+ is latched for the next +await+, in
 * the place of one that is latched already.
 *
 * @return [self] */
static VALUE event_signal(int argc, VALUE *argv, VALUE self)
{
    VALUE value;
    struct event *event = event_of(self);
    rb_scan_args(argc, argv, "01", &value);
    event->served = rota_waiters_grant_all(&event->waiters, value);
    if (!event->served) event->latch = value;
    return self;
}

/* -- Rota.select --------------------------------------------------------------------------------
 */

static bool select_signal(VALUE self, VALUE *value)
{
    return take_latched(event_of(self), value);
}

static rota_waiters_t *line_for_signal(VALUE self)
{
    return &event_of(self)->waiters;
}

static void put_signal_back(VALUE self, VALUE value)
{
    latch_again(event_of(self), value);
}

static const rota_selectable_t selectable = {
    .type = &event_type,
    .try_take = select_signal,
    .line = line_for_signal,
    .put_back = put_signal_back,
};

void rota_init_event(VALUE module)
{
    VALUE klass = rb_define_class_under(module, "Event", rb_cObject);
    rb_define_alloc_func(klass, event_alloc);
    rb_undef_method(klass, "initialize_copy");
    rb_define_method(klass, "await", event_await, 0);
    rb_define_method(klass, "signal", event_signal, -1);
    rota_select_register(&selectable);
}
