#include "stream/notices.h"

#include "runtime/error.h"
#include "stream/stream.h"

#include <sys/inotify.h>

/* A stream of inotify's events.
 *
 * @private */
static VALUE files_notices(VALUE module)
{
    (void)module;
    rota_loop_t *loop = rota_loop_demand();
    int fd = inotify_init1(IN_CLOEXEC);
    if (fd < 0) rota_error_raise(-errno, "watch");
    return rota_stream_new(loop, fd);
}

/* Watches one more path; the number by which its events name it.
 *
 * @private */
static VALUE files_add_notice(VALUE module, VALUE notices, VALUE path, VALUE mask)
{
    (void)module;
    rota_loop_t *loop;
    rota_stream_t *stream = rota_stream_get(notices, &loop);
    path = rb_get_path(path);
    int watch = inotify_add_watch(stream->descriptor.fd, RSTRING_PTR(path), NUM2UINT(mask));
    int error = errno;
    if (watch < 0) {
        VALUE words = rb_sprintf("watch %" PRIsVALUE, path);
        rota_error_raise(-error, StringValueCStr(words));
    }
    RB_GC_GUARD(path);
    return INT2NUM(watch);
}

void rota_init_notices(VALUE module)
{
    VALUE files = rb_define_module_under(module, "Files");
    rb_define_singleton_method(files, "__notices", files_notices, 0);
    rb_define_singleton_method(files, "__add_notice", files_add_notice, 3);
}
