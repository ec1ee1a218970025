#include "scheduler/process_hooks.h"

#include "scheduler/scheduler.h"
#include "verbs/waitpid.h"

#include <sys/wait.h>

static VALUE cStatus;
static ID id_wait;

/* A Process::Status, of a failure too; nil while the child runs. */
static VALUE ask(VALUE pid, int flags)
{
    return rb_funcall(cStatus, id_wait, 2, pid, INT2NUM(flags | WNOHANG));
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
    for (;;) {
        VALUE status = ask(pid, options);
        if (!NIL_P(status) || options & WNOHANG) return status;
        rota_waitpid_await(loop, NUM2PIDT(pid), options, "process_wait");
    }
}

void rota_init_process_hooks(VALUE scheduler_class)
{
    cStatus = rb_path2class("Process::Status");
    rb_gc_register_mark_object(cStatus);
    id_wait = rb_intern("wait");
    rb_define_method(scheduler_class, "process_wait", hook_process_wait, 2);
}
