#include "scheduler/process_hooks.h"

#include "runtime/await.h"
#include "runtime/roots.h"
#include "scheduler/scheduler.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static VALUE cStatus;
static ID id_wait, id_wait_in_thread;

/* A Process::Status, of a failure too; nil while the child runs. */
static VALUE ask(VALUE pid, int flags)
{
    return rb_funcall(cStatus, id_wait, 2, pid, INT2NUM(flags | WNOHANG));
}

static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

struct exit_wait {
    rota_loop_t *loop;
    int pidfd;
};

static VALUE await_exit(VALUE data)
{
    const struct exit_wait *waiting = (const struct exit_wait *)data;
    rota_op_t *op = rota_await_op(waiting->loop, ROTA_OP_POLL);
    op->fd = op->descriptor = waiting->pidfd;
    op->request_flags = POLLIN;
    rota_roots_set(op, Qfalse, Qfalse);
    rota_wait_t wait = {.what = "a process", .fd = -1};
    int32_t result = rota_await(waiting->loop, op, &wait);
    if (result < 0) rota_await_raise(waiting->loop, result, "process_wait");
    return Qnil;
}

static VALUE close_pidfd(VALUE data)
{
    close(((struct exit_wait *)data)->pidfd);
    return Qnil;
}

/* Only the end of one child can be polled for; a stopped or continued one, a group, or any child is
 * waited for in a native thread. */
static VALUE wait_in_thread(VALUE self, VALUE pid, VALUE flags)
{
    return rb_funcall(rb_obj_class(self), id_wait_in_thread, 2, pid, flags);
}

/* call-seq: process_wait(pid, flags) -> Process::Status
 *
 * Called by Process.wait, system, backticks, IO#close of a process' pipe and the like.
 *
 * @param pid [Integer] as waitpid(2)'s
 * @param flags [Integer] Process::WUNTRACED ...
 * @return [Process::Status] of the child; of the failure when there is none */
static VALUE hook_process_wait(VALUE self, VALUE pid, VALUE flags)
{
    int options = NUM2INT(flags);
    rota_loop_t *loop = rota_scheduler_enter(self);
    VALUE status = ask(pid, options);
    if (!NIL_P(status)) return status;
    if (!loop || options != 0 || NUM2LONG(pid) <= 0) return wait_in_thread(self, pid, flags);
    struct exit_wait waiting = {.loop = loop, .pidfd = open_pidfd(NUM2PIDT(pid))};
    if (waiting.pidfd < 0) return wait_in_thread(self, pid, flags);
    rb_ensure(await_exit, (VALUE)&waiting, close_pidfd, (VALUE)&waiting);
    status = ask(pid, options);
    return NIL_P(status) ? wait_in_thread(self, pid, flags) : status;
}

void rota_init_process_hooks(VALUE scheduler_class)
{
    cStatus = rb_path2class("Process::Status");
    rb_gc_register_mark_object(cStatus);
    id_wait = rb_intern("wait");
    id_wait_in_thread = rb_intern("__wait_in_thread");
    rb_define_method(scheduler_class, "process_wait", hook_process_wait, 2);
}
