#include "runtime/await_many.h"

#include "runtime/await.h"
#include "runtime/held.h"
#include "runtime/interrupt.h"
#include "runtime/roots.h"

#include <fcntl.h>
#include <unistd.h>

typedef struct entry {
    rota_list_t done; /* set.done: its op is DONE and not yet looked at */
    rota_op_t *op;    /* NULL: the entry is at its end */
    struct set *set;
    int held[2]; /* own numbers for its end and its source, closed with the set; 0: none */
} entry_t;

struct set {
    rota_loop_t *loop;
    rota_many_t *many;
    entry_t *entries;
    rota_list_t done;
    uint32_t left;
    bool stopping; /* interrupted: everything is cancelled, nothing new begins */
    bool cut;      /* ... and some entry did not come to its own end */
    rota_park_t park;
};

static uint32_t index_of(const entry_t *entry)
{
    return (uint32_t)(entry - entry->set->entries);
}

static void note_done(rota_op_t *op)
{
    entry_t *entry = op->owner;
    if (op->state != ROTA_OP_DONE) return;
    rota_list_push_back(&entry->set->done, &entry->done);
    rota_park_wake(entry->set->loop, &entry->set->park);
}

static bool take_op(entry_t *entry)
{
    entry->op = rota_op_take(&entry->set->loop->engine->ops);
    return entry->op != NULL;
}

static bool hold(int *held, int descriptor)
{
    int number = fcntl(descriptor, F_DUPFD_CLOEXEC, 1);
    *held = number > 0 ? number : 0;
    return *held;
}

/* A worker looks the source up when it comes to it: see splice.c. */
static bool is_for_worker(const rota_op_t *op)
{
    return rota_op_has_source(op) && op->root[ROTA_ROOT_BYTES];
}

static void hold_source(entry_t *entry)
{
    rota_op_t *op = entry->op;
    if (!is_for_worker(op)) return;
    if (entry->held[1] || hold(&entry->held[1], op->source))
        op->request_flags = (uint32_t)entry->held[1];
}

static void fill(entry_t *entry)
{
    rota_op_t *op = entry->op;
    op->descriptor = -1;
    entry->set->many->fill(entry->set->many, index_of(entry), op);
    hold_source(entry);
    op->owner = entry;
    op->complete = note_done;
}

static void submit(entry_t *entry)
{
    rota_held_submit(entry->set->loop, entry->op, false);
}

/* --- an interrupt --- */

static void cancel(entry_t *entry)
{
    rota_engine_t *engine = entry->set->loop->engine;
    if (entry->op && entry->op->state != ROTA_OP_DONE) engine->api->cancel(engine, entry->op);
}

/* Of a chain only the first link that is not done is known to the kernel as something that could be
 * cancelled; the rest ends with it. If it got through all the same, the next one has its turn. */
static void cancel_all(struct set *set)
{
    for (uint32_t i = 0; i < set->many->count; i++) {
        entry_t *entry = &set->entries[i];
        bool running = entry->op && entry->op->state != ROTA_OP_DONE;
        cancel(entry);
        if (set->many->linked && running) return;
    }
}

void rota_many_closing(rota_op_t *op)
{
    if (op->complete != note_done) return;
    struct set *set = ((entry_t *)op->owner)->set;
    if (!set->many->linked) return;
    set->many->cut_by_close = true;
    cancel_all(set);
}

static void stop(struct set *set)
{
    set->stopping = true;
    set->park.shielded = true;
    cancel_all(set);
}

/* --- results --- */

static void go_on(entry_t *entry)
{
    if (take_op(entry)) {
        fill(entry);
        submit(entry);
    } else {
        entry->set->many->absorb(entry->set->many, index_of(entry), -ENOMEM);
        entry->set->left--;
    }
}

static void serve_entry(entry_t *entry)
{
    struct set *set = entry->set;
    int32_t result = rota_await_outcome(entry->op);
    rota_engine_release(set->loop->engine, entry->op);
    entry->op = NULL;
    bool again = set->many->absorb(set->many, index_of(entry), result);
    if (set->stopping && (again || result == -ECANCELED)) set->cut = true;
    if (again && !set->stopping) {
        go_on(entry);
    } else {
        set->left--;
    }
}

static void serve(struct set *set)
{
    for (rota_list_t *link; (link = rota_list_pop(&set->done));)
        serve_entry(ROTA_LIST_ENTRY(link, entry_t, done));
    if (set->stopping && set->many->linked) cancel_all(set);
}

static void release(struct set *set)
{
    for (uint32_t i = 0; i < set->many->count; i++) {
        for (int end = 0; end < 2; end++)
            if (set->entries[i].held[end]) close(set->entries[i].held[end]);
    }
    free(set->entries);
}

/* As in await.c: of several jumps the last one goes on. */
static VALUE settle(VALUE data)
{
    struct set *set = (struct set *)data;
    if (!set->stopping) stop(set);
    set->park.jump = 0;
    serve(set);
    while (set->left) {
        if (rota_park_wait(set->loop, &set->park) == ROTA_PARK_JUMP)
            rota_park_continue_jump(set->park.jump, settle, data);
        serve(set);
    }
    rota_park_end(set->loop, &set->park);
    release(set);
    if (set->many->settled) set->many->settled(set->many);
    return Qnil;
}

static void wait_for_all(struct set *set)
{
    while (set->left) {
        rota_park_result_t result = rota_park_wait(set->loop, &set->park);
        if (ROTA_UNLIKELY(result == ROTA_PARK_JUMP))
            rota_park_continue_jump(set->park.jump, settle, (VALUE)set);
        serve(set);
        if (ROTA_LIKELY(result == ROTA_PARK_WOKEN) || set->stopping || !set->left) continue;
        stop(set);
    }
}

/* --- the beginning --- */

static bool take_ops(struct set *set)
{
    for (uint32_t i = 0; i < set->many->count; i++) {
        entry_t *entry = &set->entries[i];
        rota_list_init(&entry->done);
        entry->set = set;
        if (take_op(entry)) continue;
        while (i-- > 0) rota_op_release(&set->loop->engine->ops, set->entries[i].op);
        return false;
    }
    return true;
}

/* A link looks its number up when the kernel is entered, or when it has its turn, and that may be
 * another file's by then: it gets one that nobody else knows. A cancel would not do, because a
 * worker may be in the middle of what cannot be interrupted. Who gave a number alone answers for
 * it. */
static bool hold_ends(entry_t *entry)
{
    rota_op_t *op = entry->op;
    bool by_number = op->flags & ROTA_OPF_SLOT || op->fd == op->descriptor; /* not by paths.c's */
    if (op->root[ROTA_ROOT_IO] && by_number) {
        if (!hold(&entry->held[0], op->descriptor)) return false;
        op->fd = entry->held[0];
        op->flags &= (uint8_t)~ROTA_OPF_SLOT;
    }
    return !is_for_worker(op) || entry->held[1];
}

static bool hold_links(struct set *set)
{
    for (uint32_t i = 0; i < set->many->count; i++)
        if (!hold_ends(&set->entries[i])) return false;
    return true;
}

/* What others wrote before goes first: it may wait for the enter, while a chain is handed over at
 * once. */
static bool submit_as_chain(struct set *set)
{
    if (!hold_links(set)) return false;
    rota_engine_t *engine = set->loop->engine;
    rota_held_flush(set->loop);
    rota_op_t **ops = malloc(set->many->count * sizeof *ops);
    if (!ops) return false;
    for (uint32_t i = 0; i < set->many->count; i++) ops[i] = set->entries[i].op;
    bool submitted = engine->api->submit_linked(engine, ops, set->many->count);
    free(ops);
    return submitted;
}

/* A chain for which there is no room, or too few numbers, ends behind its first link, as if that
 * had been cut. That is no link then, and waits for the enter as others do. */
static void submit_first(struct set *set)
{
    submit(&set->entries[0]);
    for (uint32_t i = 1; i < set->many->count; i++) {
        entry_t *entry = &set->entries[i];
        rota_op_release(&set->loop->engine->ops, entry->op);
        entry->op = NULL;
        set->left--;
        set->many->absorb(set->many, i, -ECANCELED);
    }
}

static void submit_all(struct set *set)
{
    for (uint32_t i = 0; i < set->many->count; i++) fill(&set->entries[i]);
    if (set->many->linked && set->many->count > 1) {
        if (!submit_as_chain(set)) submit_first(set);
        return;
    }
    for (uint32_t i = 0; i < set->many->count; i++) submit(&set->entries[i]);
}

bool rota_await_many(rota_loop_t *loop, rota_many_t *many)
{
    rota_interrupt_check(loop);
    if (many->count == 0) return true;
    struct set set = {.loop = loop, .many = many, .left = many->count};
    rota_list_init(&set.done);
    set.entries = calloc(many->count, sizeof *set.entries);
    if (!set.entries || !take_ops(&set)) {
        free(set.entries);
        rb_memerror();
    }
    rota_park_begin(loop, &set.park, many->what, -1);
    submit_all(&set);
    wait_for_all(&set);
    rota_park_end(loop, &set.park);
    release(&set);
    return !set.cut;
}
