#include "verbs/call.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/road.h"

#include <string.h>
#include <unistd.h>

void rota_call_take(rota_call_t *call, rota_loop_t *loop, const rota_verb_t *verb, int argc,
                    const VALUE *argv)
{
    rota_call_take_known(call, loop, verb, argc, argv);
}

bool rota_call_begin(rota_call_t *call)
{
    return rota_call_begin_known(call, call->verb);
}

bool rota_call_absorb(rota_call_t *call, int32_t result)
{
    return rota_call_absorb_known(call, call->verb, result);
}

VALUE rota_call_finish(rota_call_t *call)
{
    return rota_call_finish_known(call, call->verb);
}

void rota_call_drop(rota_call_t *call)
{
    if (call->over) return;
    call->over = true;
    if (call->verb->drop) call->verb->drop(call);
}

void rota_call_absorb_unwanted(rota_loop_t *loop, rota_op_t *op, void *call)
{
    (void)loop;
    (void)rota_call_absorb(call, op->result);
}

void rota_call_drop_unwound(void *call)
{
    rota_call_drop(call);
}

static bool is_directory(VALUE io)
{
    return io && RTEST(rb_obj_is_kind_of(io, rb_cDir));
}

/* An interrupt must not be raised here, where it would be taken for the failure. */
static void find_again(const rota_call_t *call, rota_target_t *end)
{
    if (is_directory(end->io)) {
        end->fd = NUM2INT(rb_funcall(end->io, rb_intern("fileno"), 0));
    } else if (ROTA_LIKELY(rota_target_is_open(call->loop, end))) {
        rota_target_look_again(call->loop, end); /* the slot may be another */
    } else {
        rb_raise(rb_eIOError, "closed stream");
    }
}

static VALUE find_ends(VALUE data)
{
    rota_call_t *call = (rota_call_t *)data;
    find_again(call, &call->target);
    find_again(call, &call->source);
    return Qnil;
}

/* Interjections that run in front of an op may have closed its ends. */
static rota_op_t *next_op(rota_call_t *call)
{
    if (ROTA_UNLIKELY(rota_interrupt_check(call->loop))) find_ends((VALUE)call);
    return rota_await_op(call->loop, ROTA_OP_NOP);
}

void rota_call_drive(rota_call_t *call)
{
    while (rota_call_ask(call, call->verb, next_op(call))) continue;
}

static VALUE drive(VALUE data)
{
    rota_call_drive((rota_call_t *)data);
    return Qnil;
}

void rota_call_drive_protected(rota_call_t *call)
{
    int state = 0;
    rb_protect(drive, (VALUE)call, &state);
    if (ROTA_LIKELY(!state)) return;
    rota_call_drop(call);
    rb_jump_tag(state);
}

VALUE rota_call_run(rota_call_t *call)
{
    return rota_call_run_known(call, call->verb);
}

VALUE rota_call_perform(VALUE self, const rota_verb_t *verb, int argc, const VALUE *argv)
{
    return rota_call_perform_known(self, verb, argc, argv);
}

VALUE rota_call_number(rota_call_t *call)
{
    if (call->result < 0) rota_await_raise(call->loop, call->result, call->verb->name);
    return INT2NUM(call->result);
}

void rota_call_close(rota_call_t *call)
{
    if (call->result >= 0) close(call->result);
}

bool rota_call_look_again(rota_call_t *call)
{
    int state = 0;
    rb_protect(find_ends, (VALUE)call, &state);
    if (ROTA_LIKELY(!state)) return true;
    call->failure = rb_errinfo();
    call->result = -EBADF;
    rb_set_errinfo(Qnil);
    return false;
}

void rota_call_raise_failure(const rota_call_t *call)
{
    rota_interrupt_check(call->loop);
    rb_exc_raise(call->failure);
}

void rota_call_mark(const rota_call_t *call)
{
    rb_gc_mark(call->target.io);
    rb_gc_mark(call->source.io);
    rb_gc_mark(call->object);
    rb_gc_mark(call->lent.object);
    rb_gc_mark(call->failure);
}

/* Filled by Init, before anybody else can look. */
enum { OFFERED_MAX = 64 };
static struct offer {
    const char *method;
    const rota_verb_t *verb;
} offered[OFFERED_MAX];

void rota_call_offer(const char *method, const rota_verb_t *verb)
{
    int place = 0;
    while (offered[place].method) place++;
    assert(place < OFFERED_MAX - 1);
    offered[place] = (struct offer){method, verb};
}

void rota_call_define(VALUE loop_class, const rota_verb_t *verb,
                      VALUE (*method)(int argc, VALUE *argv, VALUE self))
{
    rb_define_method(loop_class, verb->name, method, -1);
    rota_call_offer(verb->name, verb);
}

const rota_verb_t *rota_call_find(const char *method)
{
    for (int place = 0; offered[place].method; place++) {
        if (!strcmp(offered[place].method, method)) return offered[place].verb;
    }
    return NULL;
}

void rota_call_each_offer(void (*visit)(const char *method, void *data), void *data)
{
    for (int place = 0; offered[place].method; place++) visit(offered[place].method, data);
}
