#include "runtime/registered.h"

#include "runtime/descriptor.h"
#include "runtime/held.h"

/* rota_loop.registered is a Hash by identity: IO => slot. An object, not a number, is what is asked
 * for: a number may be closed and used again without us. The same stands in rota_loop.numbered at
 * the number that the IO had, for the verbs: the object there is in the Hash, which neither lets it
 * die nor move; and of two that had the same number the one that came later is there. */

static int slot_of(const rota_loop_t *loop, VALUE io)
{
    if (NIL_P(loop->registered)) return -1;
    VALUE slot = rb_hash_lookup(loop->registered, io);
    return NIL_P(slot) ? -1 : FIX2INT(slot);
}

static void make_room(rota_loop_t *loop, uint32_t number)
{
    uint32_t room = loop->numbered_room;
    if (number < room) return;
    uint32_t wanted = (number | 63) + 1;
    if (wanted < room * 2) wanted = room * 2;
    REALLOC_N(loop->numbered, rota_numbered_t, wanted);
    for (loop->numbered_room = wanted; room < wanted; room++)
        loop->numbered[room] = (rota_numbered_t){.io = Qfalse, .slot = -1};
}

/* The number of one that is closed by now is nowhere else. */
static void forget_number(rota_loop_t *loop, VALUE io)
{
    int number = rota_shim_descriptor(io);
    bool open = rota_registered(loop, io, number);
    uint32_t first = open ? (uint32_t)number : 0, end = open ? first + 1 : loop->numbered_room;
    for (uint32_t at = first; at < end; at++)
        if (loop->numbered[at].io == io) loop->numbered[at].io = Qfalse;
}

static void forget(rota_loop_t *loop, VALUE io)
{
    forget_number(loop, io);
    rb_hash_delete(loop->registered, io);
    if (RHASH_SIZE(loop->registered) == 0) loop->registered = Qnil;
}

/* Ops that name the slot but have not reached the kernel, above all reads that are held back, go
 * there first: at the next flush the slot may be another file's. The queue of a small ring takes
 * several turns. */
static void drop_slot(rota_loop_t *loop, int slot)
{
    rota_engine_t *engine = loop->engine;
    rota_held_release(loop);
    for (uint32_t left = UINT32_MAX, now; (now = engine->api->unsubmitted(engine)) && now < left;) {
        left = now;
        engine->api->flush(engine);
    }
    engine->api->slot_drop(engine, slot);
}

void rota_registered_drop(rota_loop_t *loop, VALUE io)
{
    int slot = slot_of(loop, io);
    if (slot < 0) return;
    forget(loop, io);
    drop_slot(loop, slot);
}

static bool hold_io(rota_loop_t *loop, VALUE io)
{
    int number = rb_io_descriptor(io);
    if (slot_of(loop, io) >= 0) return true;
    make_room(loop, (uint32_t)number);
    int slot = loop->engine->api->slot_hold(loop->engine, number);
    if (slot < 0) return false;
    if (NIL_P(loop->registered))
        loop->registered = rb_funcall(rb_hash_new(), rb_intern("compare_by_identity"), 0);
    rb_hash_aset(loop->registered, io, INT2FIX(slot));
    loop->numbered[number] = (rota_numbered_t){.io = io, .slot = slot, .hint = rota_io_hint(io)};
    return true;
}

static bool hold_stream(rota_loop_t *loop, rota_descriptor_t *descriptor)
{
    if (descriptor->slot < 0) {
        int slot = loop->engine->api->slot_hold(loop->engine, descriptor->fd);
        if (slot >= 0) descriptor->slot = slot;
    }
    return descriptor->slot >= 0;
}

static void drop_stream(rota_loop_t *loop, rota_descriptor_t *descriptor)
{
    if (descriptor->slot < 0) return;
    drop_slot(loop, descriptor->slot);
    descriptor->slot = -1;
}

/* The object behind an element of the argument: an open IO or Stream of this loop. */
static VALUE object_of(rota_loop_t *loop, VALUE element)
{
    if (RB_INTEGER_TYPE_P(element))
        rb_raise(rb_eArgError, "a number may be used again for another file: register the IO");
    return rota_target(loop, element).io;
}

/* Not Array(ios): that would read all lines of an IO. */
static VALUE elements_of(VALUE ios)
{
    VALUE elements = rb_check_array_type(ios);
    return NIL_P(elements) ? rb_ary_new_from_args(1, ios) : elements;
}

static VALUE objects_of(rota_loop_t *loop, VALUE ios)
{
    VALUE elements = elements_of(ios), objects = rb_ary_new_capa(RARRAY_LEN(elements));
    for (long i = 0; i < RARRAY_LEN(elements); i++)
        rb_ary_push(objects, object_of(loop, RARRAY_AREF(elements, i)));
    return objects;
}

/* call-seq: register_files(ios) -> Integer
 *
 * The verbs of this loop find these files faster, by some 40 to 60 ns an operation. Streams that
 * are used a lot are registered without being asked.
 *
 * A registered file stays open after IO#close, until +unregister_files+, <tt>loop.close(io)</tt> or
 * the end of the loop; and an IO must not be reopened while it is registered.
 *
 * @param ios [Array<IO, Rota::Stream>, IO, Rota::Stream]
 * @return [Integer] how many the kernel took; none on epoll, and fewer where its table is full
 * @raise [ArgumentError] for a number, which may be used again for another file
 * @raise [IOError] one is closed */
static VALUE loop_register_files(VALUE self, VALUE ios)
{
    rota_loop_t *loop = rota_loop_get(self);
    VALUE objects = objects_of(loop, ios);
    long held = 0;
    for (long i = 0; i < RARRAY_LEN(objects); i++) {
        VALUE object = RARRAY_AREF(objects, i);
        bool own = rb_typeddata_is_kind_of(object, &rota_descriptor_type);
        held += own ? hold_stream(loop, RTYPEDDATA_DATA(object)) : hold_io(loop, object);
    }
    /* The kernel is told by number: now, while the numbers are these files'. */
    if (held > 0) loop->engine->api->flush(loop->engine);
    RB_GC_GUARD(objects);
    return LONG2NUM(held);
}

static void let_go(rota_loop_t *loop, VALUE element)
{
    VALUE object = RB_TYPE_P(element, T_FILE) ? element : object_of(loop, element);
    if (RB_TYPE_P(object, T_FILE)) {
        rota_registered_drop(loop, object);
    } else {
        drop_stream(loop, RTYPEDDATA_DATA(object));
    }
}

/* call-seq: unregister_files(ios) -> nil
 *
 * Those that are not registered are left alone; an IO may be closed by now.
 *
 * @param ios [Array<IO, Rota::Stream>, IO, Rota::Stream]
 * @return [nil] */
static VALUE loop_unregister_files(VALUE self, VALUE ios)
{
    rota_loop_t *loop = rota_loop_get(self);
    VALUE elements = elements_of(ios);
    for (long i = 0; i < RARRAY_LEN(elements); i++) let_go(loop, RARRAY_AREF(elements, i));
    RB_GC_GUARD(elements);
    return Qnil;
}

void rota_init_registered(VALUE loop_class)
{
    rb_define_method(loop_class, "register_files", loop_register_files, 1);
    rb_define_method(loop_class, "unregister_files", loop_unregister_files, 1);
}
