#include "verbs/paths.h"

#include "core/names.h"
#include "runtime/await.h"
#include "runtime/roots.h"

#include <sys/xattr.h>
#include <unistd.h>

/* Of a call: `target` is the directory of the path, or the io that stands for its file; `source`
 * the directory of the second path; `object` [path or nil, second path or name, value]; `length`
 * what the kind reads there. */

enum { PATH, OTHER, ATTRIBUTE };

static VALUE cStat;
static ID id_dir, id_to_dir, id_follow, id_directory, id_replace, id_exchange, id_bytes;

/* call->own: what the kernel may look at. */
typedef struct request {
    int held[2]; /* duplicates of the directories; -1: none */
    rota_names_t names;
} request_t;

/* --- arguments ---------------------------------------------------------------------------- */

/* The end of a call that says where a relative path begins. */
static void directory_argument(rota_call_t *call, rota_target_t *end, VALUE directory)
{
    *end = (rota_target_t){.fd = AT_FDCWD, .slot = -1};
    if (directory == Qundef || NIL_P(directory)) return;
    if (RTEST(rb_obj_is_kind_of(directory, rb_cDir))) {
        end->fd = NUM2INT(rb_funcall(directory, rb_intern("fileno"), 0));
        end->io = directory;
    } else {
        *end = rota_target(call->loop, directory);
    }
}

static bool is_io(VALUE target)
{
    return FIXNUM_P(target) || RB_TYPE_P(target, T_FILE) ||
           rb_typeddata_is_kind_of(target, &rota_descriptor_type) ||
           rb_respond_to(target, rb_intern("to_io"));
}

/* A path, or an io that stands for its file: nil. */
static VALUE target_argument(rota_call_t *call, VALUE target)
{
    if (!is_io(target)) return rb_get_path(target);
    call->target = rota_target(call->loop, target);
    return Qnil;
}

/* `keywords` that were not given are Qundef. */
static void keyword_arguments(VALUE options, int count, ID *keywords, VALUE *values)
{
    for (int i = 0; i < count; i++) values[i] = Qundef;
    if (!NIL_P(options)) rb_get_kwargs(options, keywords, 0, count, values);
}

static bool is_set(VALUE value, bool standard)
{
    return value == Qundef ? standard : RTEST(value);
}

static VALUE in_call(const rota_call_t *call, int what)
{
    return rb_ary_entry(call->object, what);
}

/* --- the request -------------------------------------------------------------------------- */

void rota_paths_release(rota_call_t *call)
{
    request_t *request = call->own;
    call->own = NULL;
    if (!request) return;
    for (int i = 0; i < 2; i++)
        if (request->held[i] >= 0) close(request->held[i]);
    free(request);
}

static size_t size_of_text(VALUE string)
{
    return NIL_P(string) ? 0 : (size_t)RSTRING_LEN(string) + 1;
}

static request_t *new_request(const rota_call_t *call)
{
    VALUE path = in_call(call, PATH), other = in_call(call, OTHER);
    size_t length = size_of_text(path), other_length = size_of_text(other);
    request_t *request = calloc(1, sizeof *request + length + other_length + 1);
    if (!request) return NULL;
    request->held[0] = request->held[1] = -1;
    char *text = (char *)(request + 1);
    if (length) request->names.path = memcpy(text, RSTRING_PTR(path), length);
    if (other_length)
        request->names.other = memcpy(text + length, RSTRING_PTR(other), other_length);
    if (!length && call->kind == ROTA_OP_STATX) request->names.path = text; /* "" */
    return request;
}

/* The number of a directory may be another file's by the time a worker looks it up: so that no
 * request meets it, the engine gets one that nobody else knows. */
static bool hold(int *held, int directory)
{
    if (directory < 0) return true;
    *held = fcntl(directory, F_DUPFD_CLOEXEC, 0);
    return *held >= 0;
}

static int held_or_working(int held)
{
    return held >= 0 ? held : AT_FDCWD;
}

int rota_paths_directory(const rota_call_t *call)
{
    const request_t *request = call->own;
    return held_or_working(request->held[0]);
}

bool rota_paths_begin(rota_call_t *call)
{
    request_t *request = call->own = new_request(call);
    if (!request) rb_memerror();
    if (hold(&request->held[0], call->target.fd) && hold(&request->held[1], call->source.fd)) {
        request->names.other_directory = held_or_working(request->held[1]);
        return true;
    }
    call->result = -errno;
    return false;
}

void rota_paths_fill(rota_call_t *call, rota_op_t *op)
{
    request_t *request = call->own;
    op->kind = call->kind;
    op->fd = rota_paths_directory(call);
    op->descriptor = call->target.fd;
    op->memory = &request->names;
    op->length = (uint32_t)call->length;
    op->request_flags = call->request_flags;
    rota_roots_set(op, call->lent.object, call->target.io);
}

void rota_paths_raise(const rota_call_t *call)
{
    VALUE path = in_call(call, PATH);
    if (NIL_P(path)) rota_await_raise(call->loop, call->result, call->verb->name);
    VALUE words = rb_sprintf("%s %" PRIsVALUE, call->verb->name, path);
    rota_await_raise(call->loop, call->result, StringValueCStr(words));
}

static VALUE finish(rota_call_t *call)
{
    rota_paths_release(call);
    if (call->result < 0) rota_paths_raise(call);
    return INT2FIX(0);
}

/* A verb whose only result is success. */
#define NAMING_VERB(word)                                                                          \
    static const rota_verb_t word##_verb = {                                                       \
        .name = #word,                                                                             \
        .take = take_##word,                                                                       \
        .begin = rota_paths_begin,                                                                 \
        .fill = rota_paths_fill,                                                                   \
        .finish = finish,                                                                          \
        .drop = rota_paths_release,                                                                \
    }

static void one_path(rota_call_t *call, VALUE path, VALUE directory)
{
    call->source.fd = -1;
    directory_argument(call, &call->target, directory);
    call->object = rb_ary_new_from_args(1, rb_get_path(path));
}

void rota_paths_take_open(rota_call_t *call, VALUE path, VALUE directory, int flags,
                          unsigned rights)
{
    bool waits = !(flags & (O_NONBLOCK | O_PATH));
    call->kind = ROTA_OP_OPENAT;
    one_path(call, path, directory);
    call->length = rights;
    call->request_flags = (uint32_t)(flags | O_CLOEXEC | (waits ? O_NONBLOCK : 0));
}

/* --- the verbs ---------------------------------------------------------------------------- */

static void take_statx(rota_call_t *call, int argc, const VALUE *argv)
{
    VALUE target, options, values[2];
    ID keywords[] = {id_dir, id_follow};
    rb_scan_args(argc, argv, "1:", &target, &options);
    keyword_arguments(options, 2, keywords, values);
    call->kind = ROTA_OP_STATX;
    call->source.fd = -1;
    call->length = STATX_BASIC_STATS | STATX_BTIME;
    call->request_flags = is_set(values[1], true) ? 0 : AT_SYMLINK_NOFOLLOW;
    directory_argument(call, &call->target, values[0]);
    VALUE path = target_argument(call, target);
    if (NIL_P(path)) call->request_flags |= AT_EMPTY_PATH;
    call->object = rb_ary_new_from_args(1, path);
}

static VALUE finish_statx(rota_call_t *call)
{
    VALUE bytes = Qnil;
    const request_t *request = call->own;
    if (call->result == 0)
        bytes = rb_str_new((const char *)&request->names.stat, sizeof request->names.stat);
    rota_paths_release(call);
    if (call->result < 0) rota_paths_raise(call);
    VALUE stat = rb_obj_alloc(cStat);
    rb_ivar_set(stat, id_bytes, rb_obj_freeze(bytes));
    return rb_obj_freeze(stat);
}

static const rota_verb_t statx_verb = {
    .name = "statx",
    .take = take_statx,
    .begin = rota_paths_begin,
    .fill = rota_paths_fill,
    .finish = finish_statx,
    .drop = rota_paths_release,
};

/* call-seq: statx(target, dir: nil, follow: true) -> Rota::Stat
 *
 * What the file system knows about a file.
 *
 * @param target [String, #to_path, IO, Rota::Stream, Integer] a path, or an io for its file
 * @param dir [Dir, IO, Integer, nil] where a relative path begins; nil: the working directory
 * @param follow [Boolean] of a symbolic link: of what it points to, or of itself?
 * @return [Rota::Stat]
 * @raise [SystemCallError] +Errno::ENOENT+, +Errno::EACCES+ ... */
static VALUE loop_statx(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &statx_verb, argc, argv);
}

static void two_paths(rota_call_t *call, VALUE from, VALUE to, const VALUE *directories)
{
    VALUE to_directory = directories[1] == Qundef ? directories[0] : directories[1];
    directory_argument(call, &call->target, directories[0]);
    directory_argument(call, &call->source, to_directory);
    call->object = rb_ary_new_from_args(2, rb_get_path(from), rb_get_path(to));
}

static void take_rename(rota_call_t *call, int argc, const VALUE *argv)
{
    enum { NOREPLACE = 1, EXCHANGE = 2 }; /* <linux/fs.h> */
    VALUE from, to, options, values[4];
    ID keywords[] = {id_dir, id_to_dir, id_replace, id_exchange};
    rb_scan_args(argc, argv, "2:", &from, &to, &options);
    keyword_arguments(options, 4, keywords, values);
    call->kind = ROTA_OP_RENAMEAT;
    call->request_flags = is_set(values[2], true) ? 0 : NOREPLACE;
    if (is_set(values[3], false)) call->request_flags |= EXCHANGE;
    two_paths(call, from, to, values);
}

NAMING_VERB(rename);

/* call-seq: rename(from, to, dir: nil, to_dir: dir, replace: true, exchange: false) -> 0
 *
 * Gives a file another name.
 *
 * @param from [String, #to_path]
 * @param to [String, #to_path]
 * @param dir [Dir, IO, Integer, nil] where a relative +from+ begins
 * @param to_dir [Dir, IO, Integer, nil] where a relative +to+ begins
 * @param replace [Boolean] false: +Errno::EEXIST+ when +to+ is there
 * @param exchange [Boolean] both are there, and swap their names
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::ENOENT+, +Errno::EXDEV+ ... */
static VALUE loop_rename(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &rename_verb, argc, argv);
}

static void take_link(rota_call_t *call, int argc, const VALUE *argv)
{
    VALUE from, to, options, values[3];
    ID keywords[] = {id_dir, id_to_dir, id_follow};
    rb_scan_args(argc, argv, "2:", &from, &to, &options);
    keyword_arguments(options, 3, keywords, values);
    call->kind = ROTA_OP_LINKAT;
    call->request_flags = is_set(values[2], false) ? AT_SYMLINK_FOLLOW : 0;
    two_paths(call, from, to, values);
}

NAMING_VERB(link);

/* call-seq: link(from, to, dir: nil, to_dir: dir, follow: false) -> 0
 *
 * Gives a file one more name.
 *
 * @param from [String, #to_path] the file
 * @param to [String, #to_path] the new name
 * @param dir [Dir, IO, Integer, nil] where a relative +from+ begins
 * @param to_dir [Dir, IO, Integer, nil] where a relative +to+ begins
 * @param follow [Boolean] of a symbolic link: the file that it points to
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::EEXIST+, +Errno::EXDEV+ ... */
static VALUE loop_link(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &link_verb, argc, argv);
}

static void take_symlink(rota_call_t *call, int argc, const VALUE *argv)
{
    VALUE target, path, options, directory;
    rb_scan_args(argc, argv, "2:", &target, &path, &options);
    keyword_arguments(options, 1, &id_dir, &directory);
    call->kind = ROTA_OP_SYMLINKAT;
    one_path(call, path, directory);
    rb_ary_push(call->object, rb_get_path(target));
}

NAMING_VERB(symlink);

/* call-seq: symlink(target, path, dir: nil) -> 0
 *
 * Makes a symbolic link.
 *
 * @param target [String, #to_path] what it points to, as it is written
 * @param path [String, #to_path] the link
 * @param dir [Dir, IO, Integer, nil] where a relative +path+ begins
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::EEXIST+ ... */
static VALUE loop_symlink(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &symlink_verb, argc, argv);
}

static void take_unlink(rota_call_t *call, int argc, const VALUE *argv)
{
    VALUE path, options, values[2];
    ID keywords[] = {id_dir, id_directory};
    rb_scan_args(argc, argv, "1:", &path, &options);
    keyword_arguments(options, 2, keywords, values);
    call->kind = ROTA_OP_UNLINKAT;
    call->request_flags = is_set(values[1], false) ? AT_REMOVEDIR : 0;
    one_path(call, path, values[0]);
}

NAMING_VERB(unlink);

/* call-seq: unlink(path, dir: nil, directory: false) -> 0
 *
 * Removes a name, and the file with its last one.
 *
 * @param path [String, #to_path]
 * @param dir [Dir, IO, Integer, nil] where a relative path begins
 * @param directory [Boolean] it is an empty directory
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::ENOENT+, +Errno::EISDIR+, +Errno::ENOTEMPTY+ ... */
static VALUE loop_unlink(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &unlink_verb, argc, argv);
}

static void take_mkdir(rota_call_t *call, int argc, const VALUE *argv)
{
    VALUE path, rights, options, directory;
    rb_scan_args(argc, argv, "11:", &path, &rights, &options);
    keyword_arguments(options, 1, &id_dir, &directory);
    call->kind = ROTA_OP_MKDIRAT;
    call->length = NIL_P(rights) ? 0777 : NUM2UINT(rights);
    one_path(call, path, directory);
}

NAMING_VERB(mkdir);

/* call-seq: mkdir(path, perm = 0777, dir: nil) -> 0
 *
 * Makes a directory.
 *
 * @param path [String, #to_path]
 * @param perm [Integer] its permissions, less the umask
 * @param dir [Dir, IO, Integer, nil] where a relative path begins
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::EEXIST+, +Errno::ENOENT+ ... */
static VALUE loop_mkdir(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &mkdir_verb, argc, argv);
}

/* --- attributes --------------------------------------------------------------------------- */

enum { VALUE_MAX = 64 << 10 }; /* the kernel's limit */

static void take_attribute(rota_call_t *call, rota_op_kind_t kind, VALUE target, VALUE name)
{
    call->kind = (uint8_t)kind;
    call->source.fd = -1;
    directory_argument(call, &call->target, Qnil);
    VALUE path = target_argument(call, target);
    StringValueCStr(name);
    call->object = rb_ary_new_from_args(2, path, rb_str_new_frozen(name));
}

static void take_getxattr(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 2, 2);
    take_attribute(call, ROTA_OP_GETXATTR, argv[0], argv[1]);
}

static void take_setxattr(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 3, 4);
    VALUE value = argv[2], mode = argc < 4 ? Qnil : argv[3];
    if (mode == ID2SYM(rb_intern("create")))
        call->request_flags = XATTR_CREATE;
    else if (mode == ID2SYM(rb_intern("replace")))
        call->request_flags = XATTR_REPLACE;
    else if (!NIL_P(mode))
        rb_raise(rb_eArgError, "no mode: %+" PRIsVALUE " (:create, :replace or nil)", mode);
    take_attribute(call, ROTA_OP_SETXATTR, argv[0], argv[1]);
    rb_ary_push(call->object, rota_bytes_is_buffer(value) ? value : rb_obj_as_string(value));
}

static void return_value(rota_call_t *call, long filled)
{
    if (!call->lent.object) return;
    if (call->kind == ROTA_OP_GETXATTR)
        rota_bytes_return_target(&call->lent, 0, filled);
    else
        rota_bytes_return_source(&call->lent);
}

static bool begin_attribute(rota_call_t *call)
{
    bool gets = call->kind == ROTA_OP_GETXATTR;
    call->lent = gets ? rota_bytes_lend_target(rb_str_buf_new(VALUE_MAX), VALUE_MAX, 0)
                      : rota_bytes_lend_source(in_call(call, ATTRIBUTE));
    call->length = call->lent.length;
    request_t *request = call->own = new_request(call);
    if (!request) {
        return_value(call, -1);
        rb_memerror();
    }
    request->names.value = call->lent.memory;
    bool held = hold(&request->held[0], call->target.fd);
    if (!held || call->length > VALUE_MAX) call->result = held ? -E2BIG : -errno;
    return held && call->length <= VALUE_MAX;
}

static void drop_attribute(rota_call_t *call)
{
    return_value(call, -1);
    rota_paths_release(call);
}

static VALUE finish_attribute(rota_call_t *call)
{
    VALUE value = call->lent.object;
    return_value(call, call->result);
    rota_paths_release(call);
    if (call->result < 0) rota_paths_raise(call);
    return call->kind == ROTA_OP_GETXATTR ? rb_str_resize(value, call->result) : INT2FIX(0);
}

#define ATTRIBUTE_VERB(word)                                                                       \
    static const rota_verb_t word##_verb = {                                                       \
        .name = #word,                                                                             \
        .take = take_##word,                                                                       \
        .begin = begin_attribute,                                                                  \
        .fill = rota_paths_fill,                                                                   \
        .finish = finish_attribute,                                                                \
        .drop = drop_attribute,                                                                    \
    }

ATTRIBUTE_VERB(getxattr);
ATTRIBUTE_VERB(setxattr);

/* call-seq: getxattr(target, name) -> String
 *
 * An extended attribute of a file.
 *
 * @param target [String, #to_path, IO, Rota::Stream, Integer] a path (links are followed), or an io
 * @param name [String] with its namespace, "user.mime_type" for instance
 * @return [String] its value, binary
 * @raise [SystemCallError] +Errno::ENODATA+ when there is none, +Errno::EOPNOTSUPP+ ... */
static VALUE loop_getxattr(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &getxattr_verb, argc, argv);
}

/* call-seq: setxattr(target, name, value, mode = nil) -> 0
 *
 * Sets an extended attribute of a file.
 *
 * @param target [String, #to_path, IO, Rota::Stream, Integer] a path (links are followed), or an io
 * @param name [String] with its namespace, "user.mime_type" for instance
 * @param value [String, IO::Buffer] at most 64 KiB
 * @param mode [:create, :replace, nil] +:create+: it must not be there yet; +:replace+: it must be
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::EEXIST+, +Errno::ENODATA+, +Errno::EOPNOTSUPP+ ... */
static VALUE loop_setxattr(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &setxattr_verb, argc, argv);
}

void rota_init_paths(VALUE module, VALUE loop_class)
{
    cStat = rb_define_class_under(module, "Stat", rb_cObject);
    rb_undef_method(rb_singleton_class(cStat), "new");
    rb_gc_register_mark_object(cStat);
    id_dir = rb_intern("dir");
    id_to_dir = rb_intern("to_dir");
    id_follow = rb_intern("follow");
    id_directory = rb_intern("directory");
    id_replace = rb_intern("replace");
    id_exchange = rb_intern("exchange");
    id_bytes = rb_intern("@bytes");
    rota_call_define(loop_class, &statx_verb, loop_statx);
    rota_call_define(loop_class, &rename_verb, loop_rename);
    rota_call_define(loop_class, &link_verb, loop_link);
    rota_call_define(loop_class, &symlink_verb, loop_symlink);
    rota_call_define(loop_class, &unlink_verb, loop_unlink);
    rota_call_define(loop_class, &mkdir_verb, loop_mkdir);
    rota_call_define(loop_class, &getxattr_verb, loop_getxattr);
    rota_call_define(loop_class, &setxattr_verb, loop_setxattr);
}
