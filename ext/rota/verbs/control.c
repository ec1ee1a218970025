#include "verbs/control.h"

#include "runtime/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static VALUE cAncillaryData;

static void pack(VALUE packed, int level, int type, const void *data, size_t length)
{
    struct cmsghdr header = {.cmsg_len = CMSG_LEN(length), .cmsg_level = level, .cmsg_type = type};
    static const char padding[CMSG_ALIGN(1)];
    rb_str_cat(packed, (const char *)&header, sizeof header);
    rb_str_cat(packed, data, (long)length);
    rb_str_cat(packed, padding, (long)(CMSG_SPACE(length) - CMSG_LEN(length)));
}

static void pack_control(VALUE packed, VALUE control)
{
    VALUE level, type, data;
    if (RB_TYPE_P(control, T_ARRAY)) {
        if (RARRAY_LEN(control) != 3)
            rb_raise(rb_eArgError, "a control is [level, type, data], not %+" PRIsVALUE, control);
        level = rb_ary_entry(control, 0);
        type = rb_ary_entry(control, 1);
        data = rb_ary_entry(control, 2);
    } else {
        level = rb_funcall(control, rb_intern("level"), 0);
        type = rb_funcall(control, rb_intern("type"), 0);
        data = rb_funcall(control, rb_intern("data"), 0);
    }
    StringValue(data);
    pack(packed, NUM2INT(level), NUM2INT(type), RSTRING_PTR(data), (size_t)RSTRING_LEN(data));
    RB_GC_GUARD(data);
}

VALUE rota_control_pack(VALUE controls)
{
    if (RARRAY_LEN(controls) == 0) return Qnil;
    VALUE packed = rb_str_buf_new(0);
    for (long i = 0; i < RARRAY_LEN(controls); i++) pack_control(packed, RARRAY_AREF(controls, i));
    return packed;
}

VALUE rota_control_pack_descriptor(int fd)
{
    VALUE packed = rb_str_buf_new(CMSG_SPACE(sizeof fd));
    pack(packed, SOL_SOCKET, SCM_RIGHTS, &fd, sizeof fd);
    return packed;
}

static size_t data_length(const struct cmsghdr *control)
{
    return control->cmsg_len - CMSG_LEN(0);
}

/* The descriptors of a control, which may be closed or taken: -1 then. NULL for other data. */
static int *descriptors_of(struct cmsghdr *control, size_t *count)
{
    bool rights = control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS;
    *count = rights ? data_length(control) / sizeof(int) : 0;
    return rights ? (int *)(void *)CMSG_DATA(control) : NULL;
}

static struct cmsghdr *next(const struct msghdr *header, struct cmsghdr *control)
{
    return CMSG_NXTHDR((struct msghdr *)(uintptr_t)header, control);
}

void rota_control_close(const struct msghdr *header)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control;
         control = next(header, control)) {
        size_t count;
        int *descriptors = descriptors_of(control, &count);
        for (size_t i = 0; i < count; i++) {
            if (descriptors[i] >= 0) close(descriptors[i]);
            descriptors[i] = -1;
        }
    }
}

int rota_control_duplicate(const struct msghdr *header)
{
    int status = 0;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control;
         control = next(header, control)) {
        size_t count;
        int *descriptors = descriptors_of(control, &count);
        for (size_t i = 0; i < count; i++) {
            descriptors[i] = status < 0 ? -1 : fcntl(descriptors[i], F_DUPFD_CLOEXEC, 0);
            if (descriptors[i] < 0 && status == 0) status = -errno;
        }
    }
    if (status < 0) rota_control_close(header);
    return status;
}

int rota_control_take_descriptor(const struct msghdr *header)
{
    int taken = -1;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control;
         control = next(header, control)) {
        size_t count;
        int *descriptors = descriptors_of(control, &count);
        if (taken >= 0 || count == 0) continue;
        taken = descriptors[0];
        descriptors[0] = -1;
    }
    rota_control_close(header);
    return taken;
}

static VALUE wrap(VALUE number)
{
    struct stat stat;
    bool socket = fstat(NUM2INT(number), &stat) == 0 && S_ISSOCK(stat.st_mode);
    return rb_funcall(socket ? rota_cBasicSocket : rb_cIO, rb_intern("for_fd"), 1, number);
}

VALUE rota_control_wrap(int fd)
{
    int state = 0;
    VALUE io = rb_protect(wrap, INT2NUM(fd), &state);
    if (!state) return io;
    close(fd);
    rb_jump_tag(state);
}

struct unpacking {
    const struct msghdr *header;
    int family;
};

static VALUE wrap_all(int *descriptors, size_t count)
{
    VALUE ios = rb_ary_new_capa((long)count);
    for (size_t i = 0; i < count; i++) {
        int fd = descriptors[i];
        descriptors[i] = -1;
        rb_ary_push(ios, rota_control_wrap(fd));
    }
    return ios;
}

static VALUE unpack_control(struct cmsghdr *control, int family)
{
    size_t count;
    VALUE data = rb_str_new((const char *)CMSG_DATA(control), (long)data_length(control));
    int *descriptors = descriptors_of(control, &count);
    VALUE unpacked = rb_funcall(cAncillaryData, rb_intern("new"), 4, INT2NUM(family),
                                INT2NUM(control->cmsg_level), INT2NUM(control->cmsg_type), data);
    /* where Ruby's own recvmsg puts them, and unix_rights finds them */
    if (descriptors) rb_ivar_set(unpacked, rb_intern("unix_rights"), wrap_all(descriptors, count));
    return unpacked;
}

static VALUE unpack_all(VALUE data)
{
    const struct unpacking *unpacking = (const struct unpacking *)data;
    const struct msghdr *header = unpacking->header;
    VALUE unpacked = rb_ary_new();
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = next(header, control))
        rb_ary_push(unpacked, unpack_control(control, unpacking->family));
    return unpacked;
}

VALUE rota_control_unpack(const struct msghdr *header, int family)
{
    struct unpacking unpacking = {header, family};
    int state = 0;
    VALUE unpacked = rb_protect(unpack_all, (VALUE)&unpacking, &state);
    if (!state) return unpacked;
    rota_control_close(header);
    rb_jump_tag(state);
}

void rota_init_control(void)
{
    cAncillaryData = rb_path2class("Socket::AncillaryData");
    rb_gc_register_mark_object(cAncillaryData);
}
