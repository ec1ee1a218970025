/*
 * What every runtime with io_uring on Ruby must at least do for a message, as a module with two
 * methods: fill an entry, let the next ready fiber go on, and when none is ready submit and wait.
 * Reads are queued behind the writes of their turn, as in pairs_uring with reads_last. There is no
 * cancelling, no deadline, no interrupt, no lock and no check; other threads stand still.
 *
 * The two methods with `checked` in their names do besides what no runtime may leave out whose
 * users make mistakes: the IO is asked whether it is open and has read ahead, the String is locked
 * while it is lent, and what Ruby raises in the switch does not unwind the stack.
 */
#include <ruby.h>
#include <ruby/encoding.h>
#include <ruby/io.h>

#include "ring.h"

#include <sys/stat.h>

enum { ENTRIES = 1024 };

/* A fiber that waits for the kernel, for its turn, or to be begun. It stands on its own stack. */
struct wait {
    struct wait *next;
    VALUE fiber;
    int result, slot;
    char *bytes;
    unsigned length;
};

struct queue {
    struct wait *first, **end;
};

static struct io_uring ring;
static bool sockets; /* that is what all ends are */
static struct queue ready = {.end = &ready.first}, late = {.end = &late.first};
static uint64_t enters, entries, switches;

static void push(struct queue *queue, struct wait *wait)
{
    wait->next = NULL;
    *queue->end = wait;
    queue->end = &wait->next;
}

static struct wait *shift(struct queue *queue)
{
    struct wait *wait = queue->first;
    if (wait && !(queue->first = wait->next)) queue->end = &queue->first;
    return wait;
}

static struct io_uring_sqe *entry(void)
{
    entries++;
    return ring_entry(&ring, &enters);
}

static void turn(void)
{
    struct wait *wait;
    while ((wait = shift(&late))) {
        struct io_uring_sqe *sqe = entry();
        ring_prep_read(sqe, sockets, wait->slot, wait->bytes, wait->length);
        io_uring_sqe_set_data(sqe, wait);
    }
    int result = io_uring_submit_and_wait(&ring, 1);
    if (result < 0 && result != -EINTR) die("io_uring_submit_and_wait", -result);
    enters++;
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&ring, head, cqe)
    {
        wait = io_uring_cqe_get_data(cqe);
        wait->result = cqe->res;
        push(&ready, wait);
        count++;
    }
    io_uring_cq_advance(&ring, count);
}

/* The next one, off the queue. */
static struct wait *next_ready(void)
{
    while (!ready.first) turn();
    switches++;
    return shift(&ready);
}

static VALUE transfer(VALUE fiber)
{
    return rb_fiber_transfer(fiber, 0, NULL);
}

static void enter_next(VALUE own)
{
    struct wait *next = next_ready();
    if (next->fiber != own) transfer(next->fiber);
}

static void enter_next_protected(VALUE own)
{
    struct wait *next = next_ready();
    int state = 0;
    if (next->fiber != own) rb_protect(transfer, next->fiber, &state);
    if (state) rb_jump_tag(state);
}

static void queue_write(struct wait *wait, VALUE string)
{
    struct io_uring_sqe *sqe = entry();
    unsigned length = (unsigned)RSTRING_LEN(string);
    ring_prep_write(sqe, sockets, wait->slot, RSTRING_PTR(string), length);
    io_uring_sqe_set_data(sqe, wait);
}

static VALUE ring_write(VALUE self, VALUE fd, VALUE string)
{
    (void)self;
    struct wait wait = {.fiber = rb_fiber_current(), .slot = FIX2INT(fd)};
    queue_write(&wait, string);
    enter_next(wait.fiber);
    RB_GC_GUARD(string);
    return INT2FIX(check_uring(wait.result, "write"));
}

static VALUE ring_write_checked(VALUE self, VALUE io, VALUE string)
{
    (void)self;
    Check_Type(io, T_FILE);
    Check_Type(string, T_STRING);
    struct wait wait = {.fiber = rb_fiber_current(), .slot = rb_io_descriptor(io)};
    bool locks = !OBJ_FROZEN(string);
    if (locks) rb_str_locktmp(string);
    queue_write(&wait, string);
    enter_next_protected(wait.fiber);
    if (locks) rb_str_unlocktmp(string);
    RB_GC_GUARD(string);
    return INT2FIX(check_uring(wait.result, "write"));
}

/* The buffer has the room. */
static VALUE ring_read(VALUE self, VALUE fd, VALUE length, VALUE buffer)
{
    (void)self;
    struct wait wait = {.fiber = rb_fiber_current(),
                        .slot = FIX2INT(fd),
                        .bytes = RSTRING_PTR(buffer),
                        .length = FIX2UINT(length)};
    push(&late, &wait);
    enter_next(wait.fiber);
    rb_str_set_len(buffer, check_uring(wait.result, "read"));
    return buffer;
}

static VALUE ring_read_checked(VALUE self, VALUE io, VALUE length, VALUE buffer)
{
    (void)self;
    Check_Type(io, T_FILE);
    Check_Type(buffer, T_STRING);
    rb_io_t *fptr = RFILE(io)->fptr;
    if (rb_io_read_pending(fptr)) rb_raise(rb_eIOError, "the IO has read ahead");
    long wanted = NUM2LONG(length);
    if (wanted > (long)rb_str_capacity(buffer)) rb_raise(rb_eArgError, "no room");
    rb_str_modify(buffer);
    rb_str_locktmp(buffer);
    struct wait wait = {.fiber = rb_fiber_current(),
                        .slot = rb_io_descriptor(io),
                        .bytes = RSTRING_PTR(buffer),
                        .length = (unsigned)wanted};
    push(&late, &wait);
    enter_next_protected(wait.fiber);
    rb_str_unlocktmp(buffer);
    ENC_CODERANGE_CLEAR(buffer);
    rb_str_set_len(buffer, check_uring(wait.result, "read"));
    return buffer;
}

static bool is_socket(int fd)
{
    struct stat found;
    check(fstat(fd, &found), "fstat");
    return S_ISSOCK(found.st_mode);
}

/* Slots have the numbers of their descriptors. */
static void register_files(VALUE numbers)
{
    int slots[ENTRIES];
    sockets = is_socket(FIX2INT(RARRAY_AREF(numbers, 0)));
    for (int i = 0; i < ENTRIES; i++) slots[i] = -1;
    for (long i = 0; i < RARRAY_LEN(numbers); i++) {
        int fd = FIX2INT(RARRAY_AREF(numbers, i));
        if (fd >= ENTRIES) die("register_files", EMFILE);
        slots[fd] = fd;
    }
    check_uring(io_uring_register_files(&ring, slots, ENTRIES), "register_files");
}

/* Enters the fibers in turn; somebody keeps them. Whoever wants to end it transfers back. */
static VALUE ring_run(VALUE self, VALUE numbers, VALUE fibers)
{
    ring_open(&ring, ENTRIES);
    register_files(numbers);
    for (long i = 0; i < RARRAY_LEN(fibers); i++) {
        struct wait *wait = allocate(sizeof(*wait));
        wait->fiber = RARRAY_AREF(fibers, i);
        push(&ready, wait);
    }
    enter_next(rb_fiber_current());
    RB_GC_GUARD(fibers);
    return self;
}

static VALUE ring_stats(VALUE self)
{
    (void)self;
    VALUE stats = rb_hash_new();
    rb_hash_aset(stats, ID2SYM(rb_intern("enters")), ULL2NUM(enters));
    rb_hash_aset(stats, ID2SYM(rb_intern("entries")), ULL2NUM(entries));
    rb_hash_aset(stats, ID2SYM(rb_intern("switches")), ULL2NUM(switches));
    return stats;
}

RUBY_FUNC_EXPORTED void Init_bare_ring(void);

void Init_bare_ring(void)
{
    VALUE module = rb_define_module("BareRing");
    rb_define_singleton_method(module, "run", ring_run, 2);
    rb_define_singleton_method(module, "write", ring_write, 2);
    rb_define_singleton_method(module, "read", ring_read, 3);
    rb_define_singleton_method(module, "stats", ring_stats, 0);
    VALUE checked = rb_define_module_under(module, "Checked");
    rb_define_singleton_method(checked, "write", ring_write_checked, 2);
    rb_define_singleton_method(checked, "read", ring_read_checked, 3);
}
