#include "op.h"

enum { OPS_PER_CHUNK = 1 << ROTA_OPS_PER_CHUNK_LOG2, CACHE_LINE = 64 };

void rota_ops_init(rota_ops_t *ops)
{
    *ops = (rota_ops_t){0};
    rota_list_init(&ops->free);
}

/* What a freed op's bytes look like in a hostile build: all but the fields that outlive it. */
#ifdef ROTA_HOSTILE
enum { POISON = 0xA5 };

static void keep_survivors(rota_op_t *op, const rota_op_t *from)
{
    op->index = from->index;
    op->generation = from->generation;
    op->state = from->state;
}

static void poison(rota_op_t *op)
{
    assert(!rota_list_linked(&op->link));
    rota_op_t was = *op;
    memset(op, POISON, sizeof *op);
    keep_survivors(op, &was);
    rota_list_init(&op->link);
}

static void check_poison(const rota_op_t *op)
{
    rota_op_t expected, found = *op;
    memset(&expected, POISON, sizeof expected);
    keep_survivors(&expected, op);
    found.link = expected.link;
    assert(!memcmp(&expected, &found, sizeof expected) && "a freed op was written to");
    (void)found;
}
#else
static void poison(rota_op_t *op)
{
    (void)op;
}

static void check_poison(const rota_op_t *op)
{
    (void)op;
}
#endif

/* The array of chunks doubles, so its room is the next power of two: no field for it. */
static int make_room_for_chunk(rota_ops_t *ops)
{
    uint32_t count = ops->chunk_count;
    if (count & (count - 1)) return 0;
    rota_op_t **chunks = realloc(ops->chunks, (count ? count * 2 : 1) * sizeof *chunks);
    if (!chunks) return -ENOMEM;
    ops->chunks = chunks;
    return 0;
}

static int add_chunk(rota_ops_t *ops)
{
    if (make_room_for_chunk(ops) < 0) return -ENOMEM;
    rota_op_t *chunk = aligned_alloc(CACHE_LINE, OPS_PER_CHUNK * sizeof *chunk);
    if (!chunk) return -ENOMEM;

    memset(chunk, 0, OPS_PER_CHUNK * sizeof *chunk);
    uint32_t first = rota_ops_capacity(ops);
    ops->chunks[ops->chunk_count++] = chunk;
    for (uint32_t i = 0; i < OPS_PER_CHUNK; i++) {
        rota_op_t *op = &chunk[i];
        op->index = first + i;
        rota_list_init(&op->link);
        poison(op);
        rota_list_push_back(&ops->free, &op->link);
    }
    return 0;
}

static bool kernel_owns(rota_op_state_t state)
{
    return state == ROTA_OP_IN_FLIGHT || state == ROTA_OP_ABANDONED || state == ROTA_OP_SENT;
}

#define STATE(name) (1u << ROTA_OP_##name)

/* The table of states above struct rota_op: to which states each may change. QUEUED also goes
 * straight back (never submitted), and to DONE when the engine refuses it. */
static const uint8_t successors[] = {
    [ROTA_OP_FREE] = STATE(QUEUED),
    [ROTA_OP_QUEUED] = STATE(IN_FLIGHT) | STATE(DONE) | STATE(FREE),
    [ROTA_OP_IN_FLIGHT] = STATE(ABANDONED) | STATE(SENT) | STATE(DONE),
    [ROTA_OP_ABANDONED] = STATE(FREE),
    [ROTA_OP_SENT] = STATE(DONE) | STATE(ABANDONED),
    [ROTA_OP_DONE] = STATE(FREE),
};

void rota_op_enter(rota_ops_t *ops, rota_op_t *op, rota_op_state_t state)
{
    rota_op_state_t from = (rota_op_state_t)op->state;
    bool allowed = successors[from] & 1u << state;
    assert(allowed);
    (void)allowed;
    if (from == ROTA_OP_FREE) ops->in_use++;
    if (state == ROTA_OP_FREE) ops->in_use--;
    if (kernel_owns(from)) ops->in_flight--;
    if (kernel_owns(state)) ops->in_flight++;
    op->state = (uint8_t)state;
}

/* Generation 0 names the engine's own requests; no op ever has it. */
static uint32_t next_generation(uint32_t generation)
{
    return generation == UINT32_MAX ? 1 : generation + 1;
}

rota_op_t *rota_op_take(rota_ops_t *ops)
{
    if (rota_list_empty(&ops->free) && add_chunk(ops) < 0) return NULL;
    rota_op_t *op = ROTA_LIST_ENTRY(rota_list_pop(&ops->free), rota_op_t, link);
    assert(op->state == ROTA_OP_FREE);
    check_poison(op);

    *op = (rota_op_t){.index = op->index, .generation = next_generation(op->generation)};
    rota_list_init(&op->link);
    rota_list_init(&op->shots);
    rota_op_enter(ops, op, ROTA_OP_QUEUED);
    return op;
}

void rota_op_release(rota_ops_t *ops, rota_op_t *op)
{
    assert(!rota_list_linked(&op->link));
    assert(rota_list_empty(&op->shots));
    free(op->payload);
    op->payload = NULL;
    rota_op_enter(ops, op, ROTA_OP_FREE);
    poison(op);
    rota_list_push_front(&ops->free, &op->link);
}

rota_op_t *rota_op_find(rota_ops_t *ops, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    if (index < rota_ops_capacity(ops)) {
        rota_op_t *op = rota_op_at(ops, index);
        if (op->state != ROTA_OP_FREE && op->generation == handle >> 32) return op;
    }
    ops->stale++;
    return NULL;
}

uint32_t rota_ops_destroy(rota_ops_t *ops)
{
    uint32_t lost = ops->in_flight;
    if (lost) return lost;
    for (uint32_t i = 0; i < rota_ops_capacity(ops); i++) {
        rota_op_t *op = rota_op_at(ops, i);
        if (op->state != ROTA_OP_FREE) free(op->payload);
    }
    for (uint32_t i = 0; i < ops->chunk_count; i++) free(ops->chunks[i]);
    free(ops->chunks);
    rota_ops_init(ops);
    return 0;
}
