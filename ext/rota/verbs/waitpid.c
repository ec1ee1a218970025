#include "verbs/waitpid.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/roots.h"
#include "runtime/sleep.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static ID id_in_thread;

/* What waitpid(2) is asked for, in the words of waitid(2). */
typedef struct children {
    idtype_t type;
    id_t id;
    int options;
} children_t;

/* They are told of, and left to whoever asks with WNOHANG: a wait that is cancelled when its child
 * has ended eats no status. */
static children_t children_of(pid_t pid, int flags)
{
    children_t children = {.options = (flags & ~WNOHANG) | WEXITED | WNOWAIT};
    if (pid > 0) {
        children.type = P_PID;
        children.id = (id_t)pid;
    } else if (pid == -1) {
        children.type = P_ALL;
    } else {
        children.type = P_PGID; /* 0: our own */
        children.id = pid == 0 ? (id_t)getpgrp() : (id_t)-pid;
    }
    return children;
}

/* --- in the ring -------------------------------------------------------------------------- */

static int32_t await_in_ring(rota_loop_t *loop, const children_t *children)
{
    rota_op_t *op = rota_await_op(loop, ROTA_OP_WAITID);
    op->fd = (int32_t)children->id;
    op->length = children->type;
    op->request_flags = (uint32_t)children->options;
    rota_roots_set(op, Qfalse, Qfalse);
    rota_wait_t wait = {.what = "a process", .fd = -1};
    return rota_await(loop, op, &wait);
}

/* --- through a descriptor ----------------------------------------------------------------- */

struct polling {
    rota_loop_t *loop;
    int pidfd;
    int32_t result;
};

static VALUE poll_pidfd(VALUE data)
{
    struct polling *polling = (struct polling *)data;
    rota_op_t *op = rota_await_op(polling->loop, ROTA_OP_POLL);
    op->fd = op->descriptor = polling->pidfd;
    op->request_flags = POLLIN;
    rota_roots_set(op, Qfalse, Qfalse);
    rota_wait_t wait = {.what = "a process", .fd = -1};
    polling->result = rota_await(polling->loop, op, &wait);
    return Qnil;
}

static VALUE close_pidfd(VALUE data)
{
    close(((struct polling *)data)->pidfd);
    return Qnil;
}

/* Only the end of one child can be polled for. -EOPNOTSUPP for anything else, and where the system
 * gives no such descriptor. */
static int32_t await_by_pidfd(rota_loop_t *loop, const children_t *children)
{
    struct polling polling = {.loop = loop};
    if (children->type != P_PID || children->options != (WEXITED | WNOWAIT)) return -EOPNOTSUPP;
    polling.pidfd = (int)syscall(SYS_pidfd_open, children->id, 0);
    if (polling.pidfd < 0) return -EOPNOTSUPP;
    rb_ensure(poll_pidfd, (VALUE)&polling, close_pidfd, (VALUE)&polling);
    return polling.result;
}

/* --- in a native thread ------------------------------------------------------------------- */

struct blocking {
    const children_t *children;
    int32_t result;
};

static void *wait_without_gvl(void *data)
{
    struct blocking *blocking = data;
    const children_t *children = blocking->children;
    siginfo_t info;
    int status = waitid(children->type, children->id, &info, children->options);
    blocking->result = status < 0 ? -errno : 0;
    return NULL;
}

static void block(const children_t *children)
{
    struct blocking blocking = {.children = children};
    do {
        blocking.result = -EINTR;
        rb_nogvl(wait_without_gvl, &blocking, RUBY_UBF_PROCESS, NULL, 0);
        rb_thread_check_ints();
    } while (blocking.result == -EINTR);
}

/* What a thread of the class method below does.
 *
 * @private */
static VALUE loop_block_for_child(VALUE klass, VALUE pid, VALUE flags)
{
    children_t children = children_of(NUM2PIDT(pid), NUM2INT(flags));
    (void)klass;
    block(&children);
    return Qnil;
}

/* --- the verb ----------------------------------------------------------------------------- */

static int32_t await_in_loop(rota_loop_t *loop, const children_t *children)
{
    if (rota_feature_granted(&loop->engine->features, ROTA_FEATURE_waitid))
        return await_in_ring(loop, children);
    return await_by_pidfd(loop, children);
}

void rota_waitpid_await(rota_loop_t *loop, pid_t pid, int flags, const char *verb)
{
    children_t children = children_of(pid, flags);
    if (!loop) {
        block(&children);
        return;
    }
    int32_t result = await_in_loop(loop, &children);
    if (result == -EOPNOTSUPP) {
        rb_funcall(rota_cLoop, id_in_thread, 2, PIDT2NUM(pid), INT2NUM(flags));
    } else if (result < 0 && result != -ECHILD) {
        rota_await_raise(loop, result, verb);
    }
}

/* call-seq: waitpid(pid, flags = 0) -> Process::Status or nil
 *
 * Waits for a child process, and sets <tt>$?</tt>. A wait that is cancelled takes no status: the
 * next one gets it.
 *
 * In the ring where the kernel can (6.7); else through a descriptor of the process, and what no
 * descriptor tells (any child, a group, a stop) in a native thread.
 *
 * @param pid [Integer] as waitpid(2)'s: a process, -1 for any child, 0 or negative for a group
 * @param flags [Integer] +Process::WUNTRACED+, +Process::WNOHANG+
 * @return [Process::Status] nil only with +Process::WNOHANG+
 * @raise [SystemCallError] +Errno::ECHILD+: no such child, or somebody else waited for it */
static VALUE loop_waitpid(int argc, VALUE *argv, VALUE self)
{
    rb_check_arity(argc, 1, 2);
    rota_loop_t *loop = rota_loop_get(self);
    pid_t pid = NUM2PIDT(argv[0]);
    int flags = argc > 1 ? NUM2INT(argv[1]) : 0, status;
    for (;;) {
        pid_t waited = rb_waitpid(pid, &status, flags | WNOHANG);
        if (waited > 0) return rb_last_status_get();
        if (waited < 0) rota_error_raise(-errno, "waitpid");
        if (flags & WNOHANG) {
            rota_give_way(loop); /* it will be asked again, and again */
            return Qnil;
        }
        rota_waitpid_await(loop, pid, flags, "waitpid");
    }
}

/* Makes <tt>$?</tt> what another wait has found.
 *
 * @private */
static VALUE loop_set_last_status(VALUE klass, VALUE pid, VALUE status)
{
    (void)klass;
    rb_last_status_set(NUM2INT(status), NUM2PIDT(pid));
    return rb_last_status_get();
}

void rota_init_waitpid(VALUE loop_class)
{
    id_in_thread = rb_intern("__await_child_in_thread");
    rb_define_method(loop_class, "waitpid", loop_waitpid, -1);
    rb_define_singleton_method(loop_class, "__set_last_status", loop_set_last_status, 2);
    rb_define_singleton_method(loop_class, "__block_for_child", loop_block_for_child, 2);
}
