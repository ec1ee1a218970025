#include "stream/opening.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/sleep.h"
#include "stream/position.h"
#include "stream/stream.h"
#include "verbs/paths.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static ID id_dir;

/* --- modes -------------------------------------------------------------------------------- */

/* As IO reads them: "r+", "wb", or File::RDWR | File::CREAT. */
static int flags_argument(VALUE mode)
{
    if (NIL_P(mode)) return O_RDONLY;
    if (RB_INTEGER_TYPE_P(mode)) return NUM2INT(mode);
    const char *text = StringValueCStr(mode);
    if (strchr(text, 't') || strchr(text, ':'))
        rb_raise(rb_eArgError, "mode %+" PRIsVALUE ": a stream converts nothing", mode);
    return rb_io_modestr_oflags(text);
}

/* --- FIFOs -------------------------------------------------------------------------------- */

/* Nothing tells when the other end of a FIFO is opened, and a call that waits for it keeps a worker
 * until then; so the ends are opened without waiting, and are looked at again and again. */
enum { LOOK_AGAIN_MS = 2 };

static void wait_a_little(rota_loop_t *loop)
{
    rota_sleep_until(loop, rota_now_ns() + LOOK_AGAIN_MS * (uint64_t)ROTA_NS_PER_MS,
                     "the other end of a FIFO", false);
}

/* Without taking anything: a FIFO that nobody writes to gives its end at once. */
static bool has_no_writer(int fifo)
{
    int scratch[2];
    struct pollfd question = {.fd = fifo, .events = POLLIN};
    if (poll(&question, 1, 0) != 0) return false; /* a writer was there, and perhaps has gone */
    if (pipe2(scratch, O_CLOEXEC) < 0) return false;
    bool end = tee(fifo, scratch[1], 1, SPLICE_F_NONBLOCK) == 0;
    close(scratch[0]);
    close(scratch[1]);
    return end;
}

struct watching {
    rota_loop_t *loop;
    VALUE stream;
};

static VALUE wait_for_writer(VALUE data)
{
    const struct watching *watching = (struct watching *)data;
    const rota_stream_t *stream = RTYPEDDATA_DATA(watching->stream);
    while (has_no_writer(stream->descriptor.fd)) wait_a_little(watching->loop);
    return Qnil;
}

/* --- opening ------------------------------------------------------------------------------ */

static void take_open(rota_call_t *call, int argc, const VALUE *argv)
{
    VALUE path, mode, rights, options, directory = Qundef;
    rb_scan_args(argc, argv, "12:", &path, &mode, &rights, &options);
    if (!NIL_P(options)) rb_get_kwargs(options, &id_dir, 0, 1, &directory);
    int flags = flags_argument(mode);
    rota_paths_take_open(call, path, directory, flags, NIL_P(rights) ? 0666 : NUM2UINT(rights));
    call->position = flags; /* as they were asked for */
}

/* ENXIO: a FIFO that nobody reads yet (or a socket, which nobody ever will). EAGAIN: another
 * process is asked to give up its lease on the file. */
static bool may_come(const rota_call_t *call)
{
    struct stat found;
    VALUE path = rb_ary_entry(call->object, 0);
    if (call->position & O_NONBLOCK) return false;
    if (call->result == -EAGAIN) return true;
    return call->result == -ENXIO &&
           fstatat(rota_paths_directory(call), RSTRING_PTR(path), &found, 0) == 0 &&
           S_ISFIFO(found.st_mode);
}

static VALUE finish_again(rota_call_t *call)
{
    (void)call;
    return Qnil;
}

/* By itself, after a first one that met nobody, whose request it asks for again. */
static const rota_verb_t again_verb = {
    .name = "open",
    .fill = rota_paths_fill,
    .finish = finish_again,
    .drop = rota_call_close,
};

static int32_t open_again(const rota_call_t *call)
{
    rota_call_t again = *call;
    again.verb = &again_verb;
    again.over = false;
    rota_call_run(&again);
    return again.result;
}

/* What the stream has to know about its file. */
static void look_at_file(rota_loop_t *loop, VALUE self, int flags)
{
    rota_stream_t *stream = RTYPEDDATA_DATA(self);
    struct watching watching = {loop, self};
    struct stat found = {0};
    int fd = stream->descriptor.fd, state = 0;
    int access = flags & O_ACCMODE;
    bool keeps = flags & (O_NONBLOCK | O_PATH);
    fstat(fd, &found);
    if (!keeps) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    stream->readable = access != O_WRONLY;
    stream->writable = access != O_RDONLY;
    stream->descriptor.terminal = S_ISCHR(found.st_mode) && isatty(fd);
    rota_position_open(stream, &found, flags);
    if (keeps || !S_ISFIFO(found.st_mode) || access != O_RDONLY) return;
    rb_protect(wait_for_writer, (VALUE)&watching, &state);
    if (!state) return;
    rota_descriptor_close(&stream->descriptor);
    rb_jump_tag(state);
}

static VALUE wait_for_other_end(VALUE data)
{
    rota_call_t *call = (rota_call_t *)data;
    while (call->result < 0 && may_come(call)) {
        wait_a_little(call->loop);
        call->result = open_again(call);
    }
    return Qnil;
}

static void drop_open(rota_call_t *call)
{
    rota_paths_release(call);
    rota_call_close(call);
}

static VALUE finish_open(rota_call_t *call)
{
    int state = 0;
    if (call->result < 0) rb_protect(wait_for_other_end, (VALUE)call, &state);
    rota_paths_release(call);
    if (state) rb_jump_tag(state);
    if (call->result < 0) rota_paths_raise(call);
    VALUE stream = rota_stream_new(call->loop, call->result);
    look_at_file(call->loop, stream, (int)call->position);
    return stream;
}

static const rota_verb_t open_verb = {
    .name = "open",
    .take = take_open,
    .begin = rota_paths_begin,
    .fill = rota_paths_fill,
    .finish = finish_open,
    .drop = drop_open,
    .finish_waits = true,
};

/* call-seq: open(path, mode = "r", perm = 0666, dir: nil) -> Rota::Stream
 *
 * Opens a file. A FIFO waits for its other end.
 *
 * @param path [String, #to_path]
 * @param mode [String, Integer] as File.open's: "r", "w+", "ab" ..., or +File::RDONLY+ ...
 * @param perm [Integer] permissions of a new file, less the umask
 * @param dir [Dir, IO, Integer, nil] where a relative path begins; nil: the working directory
 * @return [Rota::Stream] which is closed in programs that the process executes
 * @raise [SystemCallError] +Errno::ENOENT+, +Errno::EACCES+, +Errno::EISDIR+ ...
 * @raise [ArgumentError] a mode with a conversion ("rt", "r:utf-16le") */
static VALUE loop_open(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &open_verb, argc, argv);
}

/* --- pairs -------------------------------------------------------------------------------- */

struct ends {
    rota_loop_t *loop;
    int fds[2], owned; /* `owned`: how many of them streams own */
    bool socket;
};

static VALUE make_streams(VALUE data)
{
    struct ends *ends = (struct ends *)data;
    VALUE streams[2];
    for (; ends->owned < 2;) {
        int index = ends->owned++;
        streams[index] = rota_stream_new(ends->loop, ends->fds[index]);
        ((rota_stream_t *)RTYPEDDATA_DATA(streams[index]))->descriptor.socket = ends->socket;
    }
    if (!ends->socket) {
        ((rota_stream_t *)RTYPEDDATA_DATA(streams[0]))->writable = false;
        ((rota_stream_t *)RTYPEDDATA_DATA(streams[1]))->readable = false;
    }
    return rb_assoc_new(streams[0], streams[1]);
}

static VALUE two_streams(struct ends *ends)
{
    int state = 0;
    VALUE streams = rb_protect(make_streams, (VALUE)ends, &state);
    if (!state) return streams;
    while (ends->owned < 2) close(ends->fds[ends->owned++]);
    rb_jump_tag(state);
}

/* call-seq: Rota.pair -> [Rota::Stream, Rota::Stream]
 *
 * Two ends of a connection within this process: UNIX sockets.
 *
 * @return [Array<Rota::Stream>]
 * @raise [SystemCallError] +Errno::EMFILE+ ... */
static VALUE module_pair(VALUE module)
{
    (void)module;
    struct ends ends = {.loop = rota_loop_demand(), .socket = true};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.fds) < 0)
        rota_error_raise(-errno, "pair");
    return two_streams(&ends);
}

/* The two ends of a pipe: [to read, to write].
 *
 * @private */
static VALUE module_pipe(VALUE module)
{
    (void)module;
    struct ends ends = {.loop = rota_loop_demand()};
    if (pipe2(ends.fds, O_CLOEXEC) < 0) rota_error_raise(-errno, "pipe");
    return two_streams(&ends);
}

void rota_init_opening(VALUE module, VALUE loop_class)
{
    id_dir = rb_intern("dir");
    rota_call_define(loop_class, &open_verb, loop_open);
    rb_define_singleton_method(module, "pair", module_pair, 0);
    rb_define_singleton_method(module, "__pipe", module_pipe, 0);
}
