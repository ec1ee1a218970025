#include "runtime/buffer.h"

#include "runtime/error.h"

#include <sys/mman.h>
#include <unistd.h>

static VALUE cBuffer;

/* What a collected Buffer leaves to its loop. */
struct remains {
    rota_list_t link; /* rota_loop.remains */
    void *memory;
    size_t size;
    int place;
};

static void unmap(void *memory, size_t size)
{
    munmap(memory, size);
}

static void buffer_mark(void *data)
{
    rb_gc_mark(((rota_memory_t *)data)->whole);
}

/* Perhaps on another thread than the loop's, which only looks at its lists with the GVL held, too.
 * Without memory to remember it the mapping is lost, nothing else. */
static void leave_to_loop(rota_memory_t *buffer)
{
    struct remains *remains = malloc(sizeof *remains);
    rota_list_remove(&buffer->link);
    if (!remains) return;
    *remains =
        (struct remains){.memory = buffer->memory, .size = buffer->size, .place = buffer->place};
    rota_list_init(&remains->link);
    rota_list_push_back(&buffer->loop->remains, &remains->link);
    rota_wake_up(&buffer->loop->engine->wake);
}

static void buffer_free(void *data)
{
    rota_memory_t *buffer = data;
    if (buffer->loop) {
        leave_to_loop(buffer);
    } else if (!buffer->whole && buffer->memory && !buffer->lost) {
        unmap(buffer->memory, buffer->size);
    }
    xfree(buffer);
}

static size_t buffer_memsize(const void *data)
{
    const rota_memory_t *buffer = data;
    return sizeof *buffer + (buffer->whole ? 0 : buffer->size);
}

const rb_data_type_t rota_memory_type = {
    .wrap_struct_name = "Rota::Buffer",
    .function = {.dmark = buffer_mark, .dfree = buffer_free, .dsize = buffer_memsize},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static rota_memory_t *buffer_of(VALUE self)
{
    return rota_typed_data(self, &rota_memory_type);
}

bool rota_is_buffer(VALUE object)
{
    return RB_TYPE_P(object, T_DATA) && rb_typeddata_is_kind_of(object, &rota_memory_type);
}

static VALUE new_buffer(rota_memory_t **buffer)
{
    VALUE self = TypedData_Make_Struct(cBuffer, rota_memory_t, &rota_memory_type, *buffer);
    (*buffer)->whole = Qfalse;
    (*buffer)->place = -1;
    rota_list_init(&(*buffer)->link);
    return self;
}

/* --- with its loop ------------------------------------------------------------------------ */

static void let_go(rota_memory_t *buffer)
{
    rota_list_remove(&buffer->link);
    buffer->loop = NULL;
    buffer->place = -1;
}

void rota_buffers_bury(rota_loop_t *loop)
{
    rota_list_t *link;
    while ((link = rota_list_pop(&loop->remains))) {
        struct remains *remains = ROTA_LIST_ENTRY(link, struct remains, link);
        loop->engine->api->buffer_drop(loop->engine, remains->place);
        unmap(remains->memory, remains->size);
        free(remains);
    }
}

void rota_buffers_leave(rota_loop_t *loop, bool lost)
{
    while (!rota_list_empty(&loop->buffers)) {
        rota_memory_t *buffer = ROTA_LIST_ENTRY(loop->buffers.next, rota_memory_t, link);
        buffer->lost = lost;
        let_go(buffer);
    }
    rota_list_t *link;
    while ((link = rota_list_pop(&loop->remains))) {
        struct remains *remains = ROTA_LIST_ENTRY(link, struct remains, link);
        if (!lost) unmap(remains->memory, remains->size);
        free(remains);
    }
}

void rota_buffers_forsake(rota_loop_t *loop)
{
    while (!rota_list_empty(&loop->buffers))
        let_go(ROTA_LIST_ENTRY(loop->buffers.next, rota_memory_t, link));
}

static void register_memory(rota_loop_t *loop, rota_memory_t *buffer)
{
    rota_engine_t *engine = loop->engine;
    int place = engine->api->buffer_hold(engine, buffer->memory, buffer->size);
    if (place < 0) return; /* plain memory does the same */
    buffer->place = place;
    buffer->loop = loop;
    rota_list_push_back(&loop->buffers, &buffer->link);
}

static size_t in_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

/* call-seq: register_buffer(size) -> Rota::Buffer
 *
 * Memory that the kernel knows already: +read+ and +write+ in it (and in what IO::Buffer makes of
 * it) cost some 50 ns less, but for sockets, and direct I/O finds it aligned. Where the kernel
 * refuses (epoll; +RLIMIT_MEMLOCK+; more than 64 at once) it is plain memory and does the same:
 * +registered?+ tells.
 *
 * @param size [Integer] bytes
 * @return [Rota::Buffer] of zeros
 * @raise [ArgumentError] +size+ is not positive
 * @raise [SystemCallError] +Errno::ENOMEM+ */
static VALUE loop_register_buffer(VALUE self, VALUE size)
{
    rota_loop_t *loop = rota_loop_get(self);
    long long bytes = NUM2LL(size);
    if (bytes <= 0) rb_raise(rb_eArgError, "size must be positive");
    rota_memory_t *buffer;
    VALUE object = new_buffer(&buffer);
    void *memory = mmap(NULL, in_pages((size_t)bytes), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) rota_error_raise(-errno, "register_buffer");
    buffer->memory = memory;
    buffer->size = (size_t)bytes;
    register_memory(loop, buffer);
    return object;
}

/* call-seq: unregister_buffer(buffer) -> nil
 *
 * The kernel lets go of the memory as soon as what is in flight in it is done. The Buffer goes on
 * as plain memory. One that is not registered is left alone.
 *
 * @param buffer [Rota::Buffer]
 * @return [nil]
 * @raise [IOError] another loop registered it */
static VALUE loop_unregister_buffer(VALUE self, VALUE object)
{
    rota_loop_t *loop = rota_loop_get(self);
    rota_memory_t *buffer = buffer_of(object);
    if (buffer->whole) buffer = buffer_of(buffer->whole);
    if (!buffer->loop) return Qnil;
    if (buffer->loop != loop) rb_raise(rb_eIOError, "another loop registered the buffer");
    loop->engine->api->buffer_drop(loop->engine, buffer->place);
    let_go(buffer);
    RB_GC_GUARD(object);
    return Qnil;
}

/* --- what is in it ------------------------------------------------------------------------ */

/* @return [Integer] bytes */
static VALUE buffer_size(VALUE self)
{
    return SIZET2NUM(buffer_of(self)->size);
}

/* @return [Boolean] does the kernel know the memory? */
static VALUE buffer_is_registered(VALUE self)
{
    rota_memory_t *buffer = buffer_of(self);
    if (buffer->whole) buffer = buffer_of(buffer->whole);
    return RBOOL(buffer->loop != NULL);
}

struct range {
    size_t offset, length;
};

/* Arguments (offset = 0, length = the rest), inside of `size`. */
static struct range range_of(size_t size, VALUE offset, VALUE length)
{
    long long from = NIL_P(offset) ? 0 : NUM2LL(offset);
    if (from < 0 || (size_t)from > size)
        rb_raise(rb_eArgError, "offset %lld is outside of %zu bytes", from, size);
    size_t rest = size - (size_t)from;
    long long count = NIL_P(length) ? (long long)rest : NUM2LL(length);
    if (count < 0 || (size_t)count > rest)
        rb_raise(rb_eArgError, "length %lld at offset %lld is outside of %zu bytes", count, from,
                 size);
    return (struct range){(size_t)from, (size_t)count};
}

/* call-seq: get_string(offset = 0, length = nil) -> String
 *
 * A copy.
 *
 * @param length [Integer, nil] nil is the rest
 * @return [String] binary
 * @raise [ArgumentError] outside of the buffer */
static VALUE buffer_get_string(int argc, VALUE *argv, VALUE self)
{
    VALUE offset, length;
    rb_scan_args(argc, argv, "02", &offset, &length);
    const rota_memory_t *buffer = buffer_of(self);
    struct range range = range_of(buffer->size, offset, length);
    VALUE string = rb_str_new((const char *)buffer->memory + range.offset, (long)range.length);
    RB_GC_GUARD(self);
    return string;
}

/* to_int is the caller's code, and may make shorter what is measured: it runs before. */
static VALUE integer_or_nil(VALUE number)
{
    return NIL_P(number) ? Qnil : rb_to_int(number);
}

/* call-seq: set_string(string, offset = 0, length = nil, source_offset = 0) -> Integer
 *
 * Copies (a part of) a String into the buffer.
 *
 * @return [Integer] bytes copied
 * @raise [ArgumentError] it does not fit, or a part is outside of the String */
static VALUE buffer_set_string(int argc, VALUE *argv, VALUE self)
{
    VALUE string, offset, length, source_offset;
    rb_scan_args(argc, argv, "13", &string, &offset, &length, &source_offset);
    StringValue(string);
    offset = integer_or_nil(offset);
    length = integer_or_nil(length);
    source_offset = integer_or_nil(source_offset);
    rb_check_frozen(self);
    rota_memory_t *buffer = buffer_of(self);
    struct range source = range_of((size_t)RSTRING_LEN(string), source_offset, length);
    struct range target = range_of(buffer->size, offset, SIZET2NUM(source.length));
    memcpy(buffer->memory + target.offset, RSTRING_PTR(string) + source.offset, target.length);
    RB_GC_GUARD(string);
    RB_GC_GUARD(self);
    return SIZET2NUM(target.length);
}

/* call-seq: slice(offset = 0, length = nil) -> Rota::Buffer
 *
 * A part of the same memory.
 *
 * @raise [ArgumentError] outside of the buffer */
static VALUE buffer_slice(int argc, VALUE *argv, VALUE self)
{
    VALUE offset, length;
    rb_scan_args(argc, argv, "02", &offset, &length);
    const rota_memory_t *buffer = buffer_of(self);
    struct range range = range_of(buffer->size, offset, length);
    rota_memory_t *slice;
    VALUE object = new_buffer(&slice);
    slice->whole = buffer->whole ? buffer->whole : self;
    slice->memory = buffer->memory + range.offset;
    slice->size = range.length;
    return object;
}

/* The same memory as one of Ruby's own, for whoever wants to look into it.
 *
 * @return [IO::Buffer] which keeps this one alive */
static VALUE buffer_to_io_buffer(VALUE self)
{
    rota_memory_t *buffer = buffer_of(self);
    VALUE object = rb_io_buffer_new(buffer->memory, buffer->size, RB_IO_BUFFER_EXTERNAL);
    rb_ivar_set(object, rb_intern("__rota_buffer"), self);
    return object;
}

/* @return [String] */
static VALUE buffer_inspect(VALUE self)
{
    const rota_memory_t *buffer = buffer_of(self);
    return rb_sprintf("#<%" PRIsVALUE " of %zu bytes%s>", rb_obj_class(self), buffer->size,
                      RTEST(buffer_is_registered(self)) ? ", registered" : "");
}

void rota_init_buffer(VALUE module, VALUE loop_class)
{
    cBuffer = rb_define_class_under(module, "Buffer", rb_cObject);
    rb_undef_alloc_func(cBuffer);
    rb_undef_method(CLASS_OF(cBuffer), "new");
    rb_define_method(cBuffer, "size", buffer_size, 0);
    rb_define_method(cBuffer, "registered?", buffer_is_registered, 0);
    rb_define_method(cBuffer, "get_string", buffer_get_string, -1);
    rb_define_method(cBuffer, "set_string", buffer_set_string, -1);
    rb_define_method(cBuffer, "slice", buffer_slice, -1);
    rb_define_method(cBuffer, "to_io_buffer", buffer_to_io_buffer, 0);
    rb_define_method(cBuffer, "inspect", buffer_inspect, 0);
    rb_define_method(loop_class, "register_buffer", loop_register_buffer, 1);
    rb_define_method(loop_class, "unregister_buffer", loop_unregister_buffer, 1);
}
