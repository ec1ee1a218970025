#include "runtime/descriptor.h"

#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/leftover.h"
#include "runtime/registered.h"
#include "runtime/roots.h"

#include <unistd.h>

/* A slot saves 40 to 60 ns an operation and costs an update of the table at either end. */
#define SLOT_AFTER 8

void (*rota_descriptor_settle)(VALUE io);
bool (*rota_descriptor_on_close)(rota_descriptor_t *descriptor);
VALUE rota_cBasicSocket;

const rb_data_type_t rota_descriptor_type = {.wrap_struct_name = "Rota descriptor"};

void rota_descriptor_count(rota_descriptor_t *descriptor)
{
    if (ROTA_LIKELY(descriptor->one_shots != SLOT_AFTER)) {
        descriptor->one_shots += descriptor->one_shots < SLOT_AFTER;
        return;
    }
    if (descriptor->slot >= 0) return;
    rota_engine_t *engine = descriptor->loop->engine;
    int slot = engine->api->slot_hold(engine, descriptor->fd);
    if (slot >= 0)
        descriptor->slot = slot;
    else
        descriptor->one_shots++; /* full, or none: do not ask again */
}

void rota_descriptor_open(rota_descriptor_t *descriptor, rota_loop_t *loop, int fd)
{
    descriptor->loop = loop;
    descriptor->fd = fd;
    descriptor->slot = -1;
    rota_list_init(&descriptor->link);
    rota_list_push_back(&loop->descriptors, &descriptor->link);
}

static void close_in_order(rota_engine_t *engine, int fd)
{
    rota_op_t *op = rota_op_take(&engine->ops);
    if (!op) {
        engine->api->flush(
            engine); /* no memory for an op: what is queued goes first all the same */
        close(fd);
        return;
    }
    op->kind = ROTA_OP_CLOSE;
    op->fd = fd;
    engine->api->submit(engine, op);
}

void rota_descriptor_close(rota_descriptor_t *descriptor)
{
    rota_loop_t *loop = descriptor->loop;
    if (!loop) return;
    bool idle = rota_descriptor_on_close(descriptor);
    if (descriptor->slot >= 0) loop->engine->api->slot_drop(loop->engine, descriptor->slot);
    if (idle && descriptor->slot < 0)
        close(descriptor->fd);
    else
        close_in_order(loop->engine, descriptor->fd);
    rota_leftover_drop(loop, descriptor->fd);
    rota_descriptor_forget_route(descriptor);
    rota_list_remove(&descriptor->link);
    descriptor->loop = NULL;
}

void rota_descriptor_orphan(rota_descriptor_t *descriptor)
{
    rota_loop_t *loop = descriptor->loop;
    rota_descriptor_forget_route(descriptor);
    rota_list_remove(&descriptor->link);
    rota_list_push_back(&loop->orphans, &descriptor->link);
    rota_wake_up(&loop->engine->wake);
}

static rota_descriptor_t *pop(rota_list_t *list)
{
    rota_list_t *link = rota_list_pop(list);
    return link ? ROTA_LIST_ENTRY(link, rota_descriptor_t, link) : NULL;
}

/* What a freed stream had armed. */
static bool is_orphaned(const rota_op_t *op)
{
    bool pending = op->state == ROTA_OP_QUEUED || op->state == ROTA_OP_IN_FLIGHT;
    bool receives =
        op->kind == ROTA_OP_RECV_MULTI || op->kind == ROTA_OP_RECV || op->kind == ROTA_OP_READ;
    return pending && !op->complete && receives;
}

void rota_descriptors_bury(rota_loop_t *loop)
{
    rota_engine_t *engine = loop->engine;
    rota_descriptor_t *orphan;
    for (uint32_t index = 0; index < rota_ops_capacity(&engine->ops); index++) {
        rota_op_t *op = rota_op_at(&engine->ops, index);
        if (!is_orphaned(op)) continue;
        engine->api->cancel(engine, op);
        rota_engine_abandon(engine, op);
    }
    while ((orphan = pop(&loop->orphans))) {
        if (orphan->slot >= 0) engine->api->slot_drop(engine, orphan->slot);
        close_in_order(engine, orphan->fd);
        xfree(orphan);
    }
}

void rota_descriptors_close(rota_loop_t *loop)
{
    rota_descriptors_bury(loop);
    while (!rota_list_empty(&loop->descriptors))
        rota_descriptor_close(ROTA_LIST_ENTRY(loop->descriptors.next, rota_descriptor_t, link));
}

void rota_descriptors_forget(rota_loop_t *loop)
{
    rota_descriptor_t *descriptor;
    while ((descriptor = pop(&loop->orphans))) {
        if (descriptor->fd >= 0) close(descriptor->fd);
        xfree(descriptor);
    }
    while ((descriptor = pop(&loop->descriptors))) {
        descriptor->loop = NULL;
        rota_descriptor_forget_route(descriptor);
        close(descriptor->fd);
    }
}

void rota_descriptors_leave(rota_loop_t *loop)
{
    rota_descriptor_t *descriptor;
    while ((descriptor = pop(&loop->descriptors))) {
        descriptor->loop = NULL;
        if (!descriptor->numbered) close(descriptor->fd);
    }
    ROTA_LIST_EACH(&loop->orphans, link) {
        rota_descriptor_t *orphan = ROTA_LIST_ENTRY(link, rota_descriptor_t, link);
        close(orphan->fd);
        orphan->fd = -1;
    }
}

static rota_file_hint_t hint_of(const rota_descriptor_t *descriptor)
{
    if (descriptor->terminal) return ROTA_HINT_TERMINAL;
    return descriptor->socket ? ROTA_HINT_SOCKET : ROTA_HINT_NONE;
}

static rota_target_t own_target(rota_loop_t *loop, VALUE io)
{
    rota_descriptor_t *descriptor = RTYPEDDATA_DATA(io);
    if (!descriptor->loop) rota_interrupt_raise_closed("closed stream");
    if (descriptor->loop != loop)
        rb_raise(rb_eIOError, "the stream belongs to another loop; hand it over with to_io");
    return (rota_target_t){.fd = descriptor->fd,
                           .slot = descriptor->slot,
                           .io = io,
                           .hint = hint_of(descriptor),
                           .file = descriptor->file};
}

/* What has none was made by pipe or socket: those need not be asked, which costs a system call. */
static bool has_name(VALUE io)
{
#ifdef HAVE_RB_IO_PATH
    return !NIL_P(rb_io_path(io));
#else
    return !NIL_P(RFILE(io)->fptr->pathv);
#endif
}

bool rota_is_socket(VALUE io)
{
    if (CLASS_OF(io) == rb_cIO) return false; /* as pipes are */
    return RTEST(rb_obj_is_kind_of(io, rota_cBasicSocket)) && !has_name(io);
}

rota_file_hint_t rota_io_hint(VALUE io)
{
    return rota_is_socket(io) ? ROTA_HINT_SOCKET : ROTA_HINT_NONE;
}

static bool is_own(VALUE io)
{
    return RB_TYPE_P(io, T_DATA) && rb_typeddata_is_kind_of(io, &rota_descriptor_type);
}

rota_target_t rota_target(rota_loop_t *loop, VALUE io)
{
    rota_target_t target = rota_target_again(loop, io);
    if (is_own(io)) {
        rota_descriptor_t *descriptor = RTYPEDDATA_DATA(io);
        descriptor->in_verbs = true;
        rota_descriptor_count(descriptor);
        target.slot = descriptor->slot;
    }
    return target;
}

rota_target_t rota_target_again(rota_loop_t *loop, VALUE io)
{
    if (FIXNUM_P(io)) return (rota_target_t){.fd = NUM2INT(io), .slot = -1, .io = Qfalse};
    if (is_own(io)) return own_target(loop, io);
    VALUE object = RB_TYPE_P(io, T_FILE) ? io : rb_check_convert_type(io, T_FILE, "IO", "to_io");
    if (NIL_P(object))
        rb_raise(rb_eTypeError, "%" PRIsVALUE " is no IO, Rota::Stream or descriptor number",
                 rb_obj_class(io));
    int number = rota_shim_number(object);
    const rota_numbered_t *registered = rota_registered(loop, object, number);
    return (rota_target_t){.fd = number,
                           .slot = registered ? registered->slot : -1,
                           .io = object,
                           .hint = registered ? registered->hint : rota_io_hint(object)};
}

void rota_target_look_again(rota_loop_t *loop, rota_target_t *target)
{
    bool terminal = rota_target_is_terminal(target), file = target->file;
    bool settled = target->settled;
    if (!target->io) return;
    *target = rota_target_again(loop, target->io);
    if (terminal) target->hint = ROTA_HINT_TERMINAL;
    target->file = file;
    target->settled = settled;
}

void rota_target_meet(rota_loop_t *loop, rota_target_t *target)
{
    rota_interrupt_check(loop);
    rota_target_look_again(loop, target);
}

bool rota_target_is_open(const rota_loop_t *loop, const rota_target_t *target)
{
    if (!target->io) return true;
    if (!is_own(target->io)) return rota_shim_descriptor(target->io) == target->fd;
    const rota_descriptor_t *descriptor = RTYPEDDATA_DATA(target->io);
    return descriptor->loop == loop && descriptor->fd == target->fd;
}

static bool is_open_at(const rota_engine_t *engine, VALUE io, int number)
{
    if (RB_TYPE_P(io, T_FILE)) return rota_shim_descriptor(io) == number;
    if (!is_own(io)) return true;
    const rota_descriptor_t *descriptor = RTYPEDDATA_DATA(io);
    return descriptor->loop && descriptor->loop->engine == engine && descriptor->fd == number;
}

bool rota_op_is_open(const rota_engine_t *engine, const rota_op_t *op)
{
    if (!is_open_at(engine, op->root[ROTA_ROOT_IO], op->descriptor)) return false;
    return ROTA_LIKELY(!rota_op_has_source(op)) ||
           is_open_at(engine, op->root[ROTA_ROOT_BYTES], op->source);
}

bool rota_target_tries(const rota_target_t *target)
{
    if (!target->io) return false;
    return is_own(target->io) ? !rota_target_is_terminal(target) : !has_name(target->io);
}

/* As IO#syswrite. Asked of a socket, Ruby 4.0 drops what it has read ahead (when it was not told
 * that it is one: IO.for_fd). */
static void settle_io(VALUE io)
{
    rb_io_t *fptr = RFILE(io)->fptr;
    if (ROTA_LIKELY(!rb_io_read_pending(fptr))) return;
    if (lseek(rota_shim_descriptor(io), 0, SEEK_CUR) >= 0) rb_io_check_writable(fptr);
}

/* False: nothing ran meanwhile. */
static bool settle(VALUE io)
{
    if (!is_own(io)) {
        settle_io(io);
        return false;
    }
    if (ROTA_LIKELY(!((rota_descriptor_t *)RTYPEDDATA_DATA(io))->buffered)) return false;
    rota_descriptor_settle(io);
    return true;
}

/* Of a command that is read from and written to, the end to write to is another IO. */
static rota_target_t end_to_write(rota_loop_t *loop, rota_target_t target)
{
    VALUE io = is_own(target.io) ? target.io : rb_io_get_write_io(target.io);
    return ROTA_LIKELY(io == target.io) ? target : rota_target_again(loop, io);
}

rota_target_t rota_target_settled(rota_loop_t *loop, VALUE io)
{
    rota_target_t target = rota_target(loop, io);
    if (!target.io) return target;
    target = end_to_write(loop, target);
    if (settle(target.io)) target = rota_target_again(loop, target.io);
    target.settled = true;
    return target;
}

void rota_target_settle_again(const rota_loop_t *loop, const rota_target_t *target)
{
    if (target->settled && rota_target_is_open(loop, target)) settle(target->io);
}

ROTA_APART static void ask_what_it_is(rota_target_t *target)
{
    struct stat found = {0};
    fstat(target->fd, &found);
    target->file = S_ISREG(found.st_mode);
    if (S_ISCHR(found.st_mode) && isatty(target->fd)) target->hint = ROTA_HINT_TERMINAL;
}

rota_target_t rota_target_writable(rota_loop_t *loop, VALUE io)
{
    rota_target_t target = rota_target_settled(loop, io);
    if (!target.io || (!is_own(target.io) && has_name(target.io))) ask_what_it_is(&target);
    return target;
}

/* The IO is open: rota_target has looked. */
static void require_unbuffered(VALUE io)
{
    if (rb_io_read_pending(RFILE(io)->fptr))
        rb_raise(rb_eIOError, "the IO holds bytes in Ruby's own buffer; io.stream takes them over");
}

rota_target_t rota_target_unbuffered(rota_loop_t *loop, VALUE io)
{
    rota_target_t target = rota_target(loop, io);
    if (!target.io) return target;
    if (!is_own(target.io)) {
        require_unbuffered(target.io);
    } else if (((rota_descriptor_t *)RTYPEDDATA_DATA(target.io))->buffered) {
        rb_raise(rb_eIOError, "the stream buffers what it receives: use its own methods");
    }
    return target;
}

void rota_init_descriptor(void)
{
    rb_require("socket");
    rota_cBasicSocket = rb_path2class("BasicSocket");
    rb_gc_register_mark_object(rota_cBasicSocket);
}
