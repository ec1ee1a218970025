#include "verbs/socket.h"

#include "runtime/error.h"
#include "runtime/held.h"

#include <sys/socket.h>

/* Larger than any option of the kernel's. */
#define OPTION_MAX 256

static VALUE cSocketOption;

VALUE rota_socket_address(VALUE address)
{
    if (RB_TYPE_P(address, T_STRING)) return address;
    VALUE packed = rb_check_funcall(address, rb_intern("to_sockaddr"), 0, NULL);
    if (packed == Qundef)
        rb_raise(rb_eTypeError, "%" PRIsVALUE " is no packed address and no Addrinfo",
                 rb_obj_class(address));
    return StringValue(packed);
}

static bool is_name(VALUE value)
{
    return SYMBOL_P(value) || RB_TYPE_P(value, T_STRING);
}

static bool starts_with(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

int rota_socket_constant(VALUE value, const char *prefix, const char *what)
{
    if (!is_name(value)) return NUM2INT(value);
    VALUE text = rb_obj_as_string(value);
    const char *name = StringValueCStr(text);
    bool complete = starts_with(name, prefix) || starts_with(name, "PF_");
    ID id = rb_intern_str(rb_sprintf("%s%s", complete ? "" : prefix, name));
    VALUE socket = rb_path2class("Socket");
    RB_GC_GUARD(text);
    if (!rb_const_defined_at(socket, id))
        rb_raise(rb_path2class("SocketError"), "unknown socket %s: %" PRIsVALUE, what, value);
    return NUM2INT(rb_const_get_at(socket, id));
}

static int ask(int fd, int option)
{
    int answer;
    socklen_t size = sizeof answer;
    return getsockopt(fd, SOL_SOCKET, option, &answer, &size) ? -1 : answer;
}

int rota_socket_type(int fd)
{
    return ask(fd, SO_TYPE);
}

bool rota_socket_has_end(int fd)
{
    int type = rota_socket_type(fd);
    return type < 0 || type == SOCK_STREAM || type == SOCK_SEQPACKET;
}

bool rota_socket_has_messages(int fd)
{
    int type = rota_socket_type(fd);
    return type >= 0 && type != SOCK_STREAM;
}

int rota_socket_family(int fd)
{
    return ask(fd, SO_DOMAIN);
}

static VALUE succeeded(int result, const char *verb)
{
    if (result) rota_error_raise(-errno, verb);
    return INT2FIX(0);
}

/* call-seq: bind(io, address) -> 0
 *
 * Gives a socket its own address.
 *
 * @param io [Socket, Rota::Stream, Integer]
 * @param address [Addrinfo, String] a String is a packed sockaddr
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::EADDRINUSE+, +Errno::EACCES+ ... */
static VALUE loop_bind(VALUE self, VALUE io, VALUE address)
{
    rota_target_t target = rota_target(rota_loop_get(self), io);
    address = rota_socket_address(address);
    socklen_t length = (socklen_t)RSTRING_LEN(address);
    int result = bind(target.fd, (const struct sockaddr *)RSTRING_PTR(address), length);
    RB_GC_GUARD(address);
    return succeeded(result, "bind");
}

/* call-seq: listen(io, backlog = Socket::SOMAXCONN) -> 0
 *
 * Lets a socket take connections.
 *
 * @param io [Socket, Rota::Stream, Integer]
 * @param backlog [Integer] how many may wait to be accepted
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::EOPNOTSUPP+ for a socket without connections ... */
static VALUE loop_listen(int argc, VALUE *argv, VALUE self)
{
    VALUE io, backlog;
    rb_scan_args(argc, argv, "11", &io, &backlog);
    int most = NIL_P(backlog) ? SOMAXCONN : NUM2INT(backlog);
    rota_target_t target = rota_target(rota_loop_get(self), io); /* to_int may have closed it */
    return succeeded(listen(target.fd, most), "listen");
}

static int direction_of(VALUE how)
{
    static const struct {
        const char *name;
        int how;
    } directions[] = {{"RD", SHUT_RD}, {"WR", SHUT_WR}, {"RDWR", SHUT_RDWR}};

    if (NIL_P(how)) return SHUT_RDWR;
    if (!SYMBOL_P(how) && !RB_TYPE_P(how, T_STRING)) return NUM2INT(how);
    VALUE text = rb_obj_as_string(how);
    const char *name = StringValueCStr(text);
    if (!strncmp(name, "SHUT_", 5)) name += 5;
    for (size_t i = 0; i < sizeof directions / sizeof *directions; i++)
        if (!strcmp(name, directions[i].name)) return directions[i].how;
    rb_raise(rb_eArgError, "%+" PRIsVALUE " is no direction (:RD, :WR or :RDWR)", how);
}

/* call-seq: shutdown(io, how = Socket::SHUT_RDWR) -> 0
 *
 * Ends one direction of a connection, or both; the descriptor stays open. Who waits to receive on
 * it reads the end.
 *
 * @param io [Socket, Rota::Stream, Integer]
 * @param how [Integer, Symbol] +Socket::SHUT_*+, or :RD, :WR, :RDWR
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::ENOTCONN+ ... */
static VALUE loop_shutdown(int argc, VALUE *argv, VALUE self)
{
    VALUE io, how;
    rb_scan_args(argc, argv, "11", &io, &how);
    int direction = direction_of(how);
    rota_loop_t *loop = rota_loop_get(self);
    rota_target_t target = rota_target(loop, io);
    /* What was written before must be on its way. */
    rota_held_flush(loop);
    return succeeded(shutdown(target.fd, direction), "shutdown");
}

/* Names as :SOCKET and :KEEPALIVE stand for numbers that depend on the family; Ruby knows them. */
static void resolve_names(int fd, VALUE *level, VALUE *option)
{
    if (!is_name(*level) && !is_name(*option)) return;
    VALUE family = INT2NUM(rota_socket_family(fd));
    VALUE known = rb_funcall(cSocketOption, rb_intern("new"), 4, family, *level, *option,
                             rb_str_new(NULL, 0));
    *level = rb_funcall(known, rb_intern("level"), 0);
    *option = rb_funcall(known, rb_intern("optname"), 0);
}

/* call-seq: getsockopt(io, level, option) -> Socket::Option
 *
 * @param io [Socket, Rota::Stream, Integer]
 * @param level [Integer, Symbol] +Socket::SOL_SOCKET+, +Socket::IPPROTO_TCP+ ... (:SOCKET, :TCP)
 * @param option [Integer, Symbol] +Socket::SO_*+, +Socket::TCP_*+ ... (:KEEPALIVE, :NODELAY)
 * @return [Socket::Option]
 * @raise [SocketError] an unknown name
 * @raise [SystemCallError] +Errno::ENOPROTOOPT+ ... */
static VALUE loop_getsockopt(VALUE self, VALUE io, VALUE level, VALUE option)
{
    char value[OPTION_MAX];
    socklen_t length = sizeof value;
    resolve_names(rota_target(rota_loop_get(self), io).fd, &level, &option);
    int level_number = NUM2INT(level), option_number = NUM2INT(option);
    rota_target_t target = rota_target(rota_loop_get(self), io); /* to_int may have closed it */
    int result = getsockopt(target.fd, level_number, option_number, value, &length);
    if (result) rota_error_raise(-errno, "getsockopt");
    VALUE data = rb_str_new(value, (long)length);
    VALUE family = INT2NUM(rota_socket_family(target.fd));
    return rb_funcall(cSocketOption, rb_intern("new"), 4, family, level, option, data);
}

/* A number as the kernel wants it, or bytes as they are. */
static VALUE packed_option(VALUE value)
{
    if (RB_TYPE_P(value, T_STRING)) return value;
    int number = value == Qtrue ? 1 : RTEST(value) ? NUM2INT(value) : 0;
    return rb_str_new((const char *)&number, sizeof number);
}

/* call-seq:
 *   setsockopt(io, level, option, value) -> 0
 *   setsockopt(io, socket_option) -> 0
 *
 * @param io [Socket, Rota::Stream, Integer]
 * @param level [Integer, Symbol] +Socket::SOL_SOCKET+, +Socket::IPPROTO_TCP+ ... (:SOCKET, :TCP)
 * @param option [Integer, Symbol] +Socket::SO_*+, +Socket::TCP_*+ ... (:KEEPALIVE, :NODELAY)
 * @param value [Integer, Boolean, String] a String is the packed value
 * @param socket_option [Socket::Option] all three in one
 * @return [Integer] 0
 * @raise [SocketError] an unknown name
 * @raise [SystemCallError] +Errno::ENOPROTOOPT+ ... */
static VALUE loop_setsockopt(int argc, VALUE *argv, VALUE self)
{
    VALUE io, level, option, value;
    rb_scan_args(argc, argv, "22", &io, &level, &option, &value);
    if (argc == 3) rb_error_arity(argc, 4, 4);
    if (argc == 2) {
        VALUE all = level;
        level = rb_funcall(all, rb_intern("level"), 0);
        option = rb_funcall(all, rb_intern("optname"), 0);
        value = rb_funcall(all, rb_intern("data"), 0);
    }
    resolve_names(rota_target(rota_loop_get(self), io).fd, &level, &option);
    int level_number = NUM2INT(level), option_number = NUM2INT(option);
    VALUE packed = packed_option(value);
    /* to_int may have closed it, or changed the bytes. */
    rota_target_t target = rota_target(rota_loop_get(self), io);
    int result = setsockopt(target.fd, level_number, option_number, RSTRING_PTR(packed),
                            (socklen_t)RSTRING_LEN(packed));
    RB_GC_GUARD(packed);
    return succeeded(result, "setsockopt");
}

void rota_init_socket(VALUE loop_class)
{
    cSocketOption = rb_path2class("Socket::Option");
    rb_gc_register_mark_object(cSocketOption);
    rb_define_method(loop_class, "bind", loop_bind, 2);
    rb_define_method(loop_class, "listen", loop_listen, -1);
    rb_define_method(loop_class, "shutdown", loop_shutdown, -1);
    rb_define_method(loop_class, "getsockopt", loop_getsockopt, 3);
    rb_define_method(loop_class, "setsockopt", loop_setsockopt, -1);
}
