/* One use of a verb, between its arguments and its result, in pieces: so that a verb can be asked
 * for by itself, as one of many entries (Loop#batch), or as a link of a chain (Loop#chain).
 *
 * How a verb becomes one of these: describe it by a `static const rota_verb_t`, let the method be
 * `return rota_call_perform(self, &verb, argc, argv);`, and in its Init function, beside
 * rb_define_method, call rota_call_offer("name", &verb). Any other method of Loop that
 * rota_recorder knows by name (recorder.c, `plain`) can be recorded too, but is then called by
 * itself: in a task beside the entries of a batch, between the links of a chain.
 *
 * Life of a call: take; begin; then fill and absorb in turns; then either finish or drop. */
#ifndef ROTA_CALL_H
#define ROTA_CALL_H

#include "runtime/await.h"
#include "runtime/bytes.h"
#include "runtime/descriptor.h"
#include "runtime/road.h"

#include <errno.h>

typedef struct rota_verb rota_verb_t;

/* In terms that all verbs share; what a field means to a verb is written where that is described.
 * All VALUEs are marked (and pinned) while the call lives. */
typedef struct rota_call {
    const rota_verb_t *verb;
    rota_loop_t *loop;
    rota_target_t target; /* what the op is for */
    rota_target_t source; /* where bytes come from, for verbs with two ends; else unused */
    VALUE object;     /* what is read into or written, an address, a path; Qfalse or nil: none */
    rota_lent_t lent; /* memory of `object`, from begin on */
    size_t length;    /* bytes wanted */
    size_t done;      /* ... and had so far */
    long position;
    uint64_t offset; /* UINT64_MAX: the descriptor's own position */
    uint32_t request_flags;
    int32_t result; /* negative: it failed, or there is none yet (-ECANCELED) */
    VALUE failure;  /* an exception instead of `result`; Qfalse: none */
    void *own;      /* the verb's own, from malloc; finish and drop free it */
    uint8_t step;   /* the verb's own */
    uint8_t kind;   /* rota_op_kind_t of its op */
    bool tries;     /* as in rota_wait_t */
    bool by_itself; /* set by take: this use is no op; who records it calls the method instead */
    bool over;      /* finished or dropped */
} rota_call_t;

struct rota_verb {
    const char *name; /* in messages and reports */

    /* Arguments, as the method gets them. Raises for bad ones; nothing has happened yet. */
    void (*take)(rota_call_t *call, int argc, const VALUE *argv);

    /* Lends memory. May raise, and has then lent nothing. False: it is done without an op. NULL: an
     * op, and nothing is lent. */
    bool (*begin)(rota_call_t *call);

    /* The op: its kind, and the fields that the kind reads. Must not raise. */
    void (*fill)(rota_call_t *call, rota_op_t *op);

    /* The op's result, or -errno. True: it goes on with another op. Must not raise, nor park. NULL:
     * the result is the call's. */
    bool (*absorb)(rota_call_t *call, int32_t result);

    /* Gives back what was lent; the verb's value, or raises. Called once. */
    VALUE (*finish)(rota_call_t *call);

    /* Nobody takes the result: gives back what was lent, keeps bytes for the next reader, closes
     * what was opened. Must not raise. NULL: there is nothing to do. */
    void (*drop)(rota_call_t *call);

    /* Did it bring less than was asked for? That ends a chain that goes on behind it. NULL: never.
     */
    bool (*is_short)(const rota_call_t *call);

    bool finish_waits; /* `finish` may park, and raise an interrupt */
};

/* Makes a call of arguments. Raises as `take`. */
void rota_call_take(rota_call_t *call, rota_loop_t *loop, const rota_verb_t *verb, int argc,
                    const VALUE *argv);

/* The pieces, as the verb describes them. */
bool rota_call_begin(rota_call_t *call);
bool rota_call_absorb(rota_call_t *call, int32_t result);
VALUE rota_call_finish(rota_call_t *call);
/* Harmless for one that is over. */
void rota_call_drop(rota_call_t *call);

/* Asks for op after op until the call is at its end, and parks for each. Raises interrupts. */
void rota_call_drive(rota_call_t *call);

/* All of it but `take`; and all of it, for a method of Loop. */
VALUE rota_call_run(rota_call_t *call);
VALUE rota_call_perform(VALUE self, const rota_verb_t *verb, int argc, const VALUE *argv);

/* For verbs with a single op: raises what the result says, or it is the value. */
VALUE rota_call_number(rota_call_t *call);

/* `drop` for verbs whose result is a new descriptor and nothing else. */
void rota_call_close(rota_call_t *call);

/* The ends may have been closed since the last op, and their numbers may be other files' by now.
 * False: they were, and `failure` says so. */
bool rota_call_look_again(rota_call_t *call);

/* Raises `failure`, or an interrupt, which goes first. */
RBIMPL_ATTR_NORETURN()
void rota_call_raise_failure(const rota_call_t *call);

void rota_call_mark(const rota_call_t *call);

/* For Init: the method of Loop that performs the verb can be recorded. */
void rota_call_offer(const char *method, const rota_verb_t *verb);

/* The same, and defines the method, which bears the verb's name. */
void rota_call_define(VALUE loop_class, const rota_verb_t *verb,
                      VALUE (*method)(int argc, VALUE *argv, VALUE self));

/* The verb offered under that name, or NULL. */
const rota_verb_t *rota_call_find(const char *method);

void rota_call_each_offer(void (*visit)(const char *method, void *data), void *data);

/* -- the same for a verb that the compiler knows -------------------------------------------------
 *
 * Templates: where `verb` is a constant, its functions are called directly, and in a method of Loop
 * that is ROTA_FLAT not at all. Only for the verbs that are asked for most. */

/* Parts of them that are rarely needed, or have no verb. */
void rota_call_absorb_unwanted(rota_loop_t *loop, rota_op_t *op, void *call);
void rota_call_drop_unwound(void *call);
ROTA_APART void rota_call_drive_protected(rota_call_t *call);

ROTA_TEMPLATE void rota_call_take_known(rota_call_t *call, rota_loop_t *loop,
                                        const rota_verb_t *verb, int argc, const VALUE *argv)
{
    *call = (rota_call_t){.verb = verb, .loop = loop, .offset = UINT64_MAX, .result = -ECANCELED};
    call->target.slot = call->source.slot = -1;
    verb->take(call, argc, argv);
}

ROTA_TEMPLATE bool rota_call_begin_known(rota_call_t *call, const rota_verb_t *verb)
{
    return verb->begin ? verb->begin(call) : true;
}

ROTA_TEMPLATE bool rota_call_absorb_known(rota_call_t *call, const rota_verb_t *verb,
                                          int32_t result)
{
    if (verb->absorb) return verb->absorb(call, result);
    call->result = result;
    return false;
}

ROTA_TEMPLATE VALUE rota_call_finish_known(rota_call_t *call, const rota_verb_t *verb)
{
    call->over = true;
    return verb->finish(call);
}

/* True: it goes on with another op. Raises nothing, but a kill or throw may pass. */
ROTA_TEMPLATE bool rota_call_ask(rota_call_t *call, const rota_verb_t *verb, rota_op_t *op)
{
    int32_t result;
    verb->fill(call, op);
    if (!call->tries && rota_road_attempt(call->loop, op, &result))
        return rota_call_absorb_known(call, verb, result);
    rota_wait_t wait = {.what = verb->name,
                        .fd = call->target.fd,
                        .unwanted = rota_call_absorb_unwanted,
                        .settled = rota_call_drop_unwound,
                        .data = call,
                        .tries = call->tries};
    return rota_call_absorb_known(call, verb, rota_await(call->loop, op, &wait));
}

/* What mostly is all of it needs no protection. False: there is more to do, or to raise. */
ROTA_TEMPLATE bool rota_call_drive_quietly(rota_call_t *call, const rota_verb_t *verb)
{
    rota_op_t *op = rota_await_op_quietly(call->loop, ROTA_OP_NOP);
    return op && !rota_call_ask(call, verb, op);
}

ROTA_TEMPLATE VALUE rota_call_run_known(rota_call_t *call, const rota_verb_t *verb)
{
    if (rota_call_begin_known(call, verb) && !rota_call_drive_quietly(call, verb))
        rota_call_drive_protected(call);
    VALUE value = rota_call_finish_known(call, verb);
    RB_GC_GUARD(call->object);
    return value;
}

ROTA_TEMPLATE VALUE rota_call_perform_known(VALUE self, const rota_verb_t *verb, int argc,
                                            const VALUE *argv)
{
    rota_call_t call;
    rota_call_take_known(&call, rota_loop_get(self), verb, argc, argv);
    return rota_call_run_known(&call, verb);
}

#endif
