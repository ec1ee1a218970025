#include "stream/receive.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/sleep.h"
#include "runtime/task.h"
#include "runtime/turn.h"
#include "stream/position.h"

/* A stream with so much unread stops receiving until it was read: the peer feels it. */
#define HIGH_WATER (128 * 1024)
/* One read of what is no socket. */
#define READ_SIZE (16 * 1024)

static rota_engine_t *engine_of(const rota_stream_t *stream)
{
    return stream->descriptor.loop->engine;
}

static rota_shot_t *first_shot(const rota_stream_t *stream)
{
    return ROTA_LIST_ENTRY(stream->shots, rota_shot_t, link);
}

/* -- provided buffers ---------------------------------------------------------------------------
 */

static void release_first_shot(rota_stream_t *stream)
{
    rota_shot_t *shot = ROTA_LIST_ENTRY(rota_ring_pop(&stream->shots), rota_shot_t, link);
    engine_of(stream)->api->shot_release(engine_of(stream), shot);
    if (!stream->shots) rota_list_remove(&stream->receiver.holding);
}

/* Moves what lies in provided buffers to the stream's own. False when memory is out. */
static bool copy_out(rota_stream_t *stream)
{
    if (!rota_fifo_reserve(&stream->kept, stream->shot_bytes)) return false;
    while (stream->shots) {
        rota_shot_t *shot = first_shot(stream);
        rota_fifo_append(&stream->kept, shot->data, shot->length);
        release_first_shot(stream);
    }
    stream->shot_bytes = 0;
    return true;
}

static bool relieve(rota_receiver_t *receiver)
{
    return copy_out(ROTA_CONTAINER_OF(receiver, rota_stream_t, receiver));
}

/* -- receiving ----------------------------------------------------------------------------------
 */

static void wake_reader(rota_stream_t *stream)
{
    if (stream->reader) rota_park_wake(stream->descriptor.loop, stream->reader);
}

/* Where the kernel has no provided buffers, or no memory for them, sockets are read like files. */
static bool receives_many(const rota_stream_t *stream)
{
    return stream->descriptor.socket && engine_of(stream)->receives_many;
}

/* A multishot receive: nothing but bookkeeping, for this runs in the turn. */
static void hold_shots(rota_stream_t *stream, rota_op_t *op)
{
    ROTA_LIST_EACH(&op->shots, link)
        stream->shot_bytes += ROTA_LIST_ENTRY(link, rota_shot_t, link)->length;
    rota_ring_push_all(&stream->shots, &op->shots);
    if (stream->shots && !rota_list_linked(&stream->receiver.holding))
        rota_list_push_back(&stream->descriptor.loop->holding, &stream->receiver.holding);
}

static void hold_piece(rota_stream_t *stream, const rota_op_t *op)
{
    if (op->kind == ROTA_OP_RECV_MULTI || op->result <= 0) return;
    if (!rota_fifo_append(&stream->kept, op->payload, (size_t)op->result)) stream->ended = -ENOMEM;
}

/* What the end of a receive means for the stream. */
static void note_end(rota_stream_t *stream, const rota_op_t *op)
{
    int32_t result = op->result;
    if (op->kind == ROTA_OP_RECV_MULTI && result < 0 && !receives_many(stream))
        return; /* refused before it began: the next one is of the other kind */
    if (result == 0)
        stream->ended = ROTA_STREAM_EOF;
    else if (result == -ENOBUFS)
        rota_list_push_back(&stream->descriptor.loop->starved, &stream->receiver.starved);
    else if (result < 0 && result != ROTA_ENDED_EARLY && result != -ECANCELED)
        stream->ended = result;
}

static void receive_done(rota_stream_t *stream, rota_op_t *op)
{
    stream->op = NULL;
    hold_piece(stream, op);
    note_end(stream, op);
    rota_engine_release(engine_of(stream), op);
}

static bool arm(rota_stream_t *stream);

/* The reader asks again, and is told what is wrong. */
static void arm_or_wake(rota_stream_t *stream)
{
    if (!arm(stream)) wake_reader(stream);
}

static void received(rota_op_t *op)
{
    rota_stream_t *stream = op->owner;
    hold_shots(stream, op);
    if (op->state == ROTA_OP_DONE) {
        receive_done(stream, op);
        /* Somebody waits, nothing came, and it was not the end: the kernel only stopped early. */
        bool waiting =
            stream->reader && !stream->stopping && !rota_stream_available(stream) && !stream->ended;
        if (waiting && !rota_list_linked(&stream->receiver.starved)) arm_or_wake(stream);
    } else if (rota_stream_available(stream) >= HIGH_WATER && !stream->held_back) {
        stream->held_back = true;
        engine_of(stream)->api->cancel(engine_of(stream), op);
    }
    bool stopped = stream->stopping && !stream->op;
    if (rota_stream_available(stream) || stream->ended || stopped) wake_reader(stream);
}

/* False when memory is out; nothing is lost then. */
static bool arm(rota_stream_t *stream)
{
    rota_engine_t *engine = engine_of(stream);
    rota_op_t *op = rota_op_take(&engine->ops);
    bool many = receives_many(stream);
    void *piece = op && !many ? malloc(READ_SIZE) : NULL;
    if (!op || (!many && !piece)) {
        if (op) rota_engine_release(engine, op);
        return false;
    }
    op->kind = many ? ROTA_OP_RECV_MULTI : stream->descriptor.socket ? ROTA_OP_RECV : ROTA_OP_READ;
    op->fd = stream->descriptor.fd;
    op->descriptor = -1; /* the stream ends it itself */
    op->offset = UINT64_MAX;
    op->memory = op->payload = piece;
    op->length = piece ? READ_SIZE : 0;
    op->owner = stream;
    op->complete = received;
    stream->op = op;
    stream->held_back = false;
    engine->api->submit(engine, op);
    return true;
}

static void rearm(rota_receiver_t *receiver)
{
    rota_stream_t *stream = ROTA_CONTAINER_OF(receiver, rota_stream_t, receiver);
    if (stream->reader && !stream->op) arm_or_wake(stream);
}

static bool needs_op(const rota_stream_t *stream)
{
    return !stream->op && !stream->ended && !rota_list_linked(&stream->receiver.starved);
}

/* A terminal goes on behind a Ctrl-D, a FIFO with its next writer: as IO does, who reads again asks
 * again. */
static bool ends_for_ever(const rota_stream_t *stream)
{
    return stream->descriptor.socket;
}

RBIMPL_ATTR_NORETURN()
static void raise_end(rota_stream_t *stream)
{
    int32_t code = stream->ended;
    if (code == ROTA_CLOSED) rota_interrupt_raise_closed(ROTA_CLOSED_MEANWHILE);
    stream->ended = ends_for_ever(stream) ? ROTA_STREAM_EOF : 0;
    rota_error_raise(code, "read");
}

/* The end of a file is not for ever: it may have grown. */
static void forget_end_of_file(rota_stream_t *stream)
{
    if (stream->descriptor.file && stream->ended == ROTA_STREAM_EOF) stream->ended = 0;
}

bool rota_stream_poll(rota_loop_t *loop, rota_stream_t *stream)
{
    forget_end_of_file(stream);
    if (rota_stream_available(stream) || stream->ended) return true;
    if (stream->descriptor.file && rota_position_fill(loop, stream) >= 0) return true;
    if (needs_op(stream) && !arm(stream)) rb_memerror();
    rota_turn_poll(loop);
    return rota_stream_available(stream) || stream->ended;
}

static rota_fill_t outcome(rota_stream_t *stream, size_t had, rota_park_result_t result, bool armed)
{
    if (rota_stream_available(stream) > had) return ROTA_FILL_MORE;
    if (stream->ended) return ROTA_FILL_END;
    if (!armed) return ROTA_FILL_NO_MEMORY;
    return result == ROTA_PARK_INTERRUPTED ? ROTA_FILL_INTERRUPTED : ROTA_FILL_LATE;
}

rota_fill_t rota_stream_try_fill(rota_loop_t *loop, rota_stream_t *stream, uint64_t deadline_ns,
                                 int *jump)
{
    rota_park_t park;
    rota_alarm_t alarm;
    rota_park_result_t result = ROTA_PARK_WOKEN;
    size_t had = rota_stream_available(stream);
    bool armed = true;

    if (stream->ended == ROTA_STREAM_EOF) return ROTA_FILL_END;
    if (!rota_alarm_try(loop, &alarm, &park, deadline_ns)) return ROTA_FILL_NO_MEMORY;
    rota_park_begin(loop, &park, "read", stream->descriptor.fd);
    stream->reader = &park;
    for (;;) {
        if (rota_stream_available(stream) > had || stream->ended || alarm.rang) break;
        if (result != ROTA_PARK_WOKEN) break;
        if (needs_op(stream) && !(armed = arm(stream))) break;
        result = rota_park_wait(loop, &park);
    }
    stream->reader = NULL;
    rota_alarm_clear(loop, &alarm);
    rota_park_end(loop, &park);
    *jump = park.jump;
    return ROTA_UNLIKELY(park.jump) ? ROTA_FILL_JUMP : outcome(stream, had, result, armed);
}

/* True: there is more. False: the end, or the deadline came. Raises everything else. */
static bool settled(rota_loop_t *loop, rota_fill_t fill, int jump)
{
    if (ROTA_UNLIKELY(fill == ROTA_FILL_JUMP)) rb_jump_tag(jump);
    if (ROTA_UNLIKELY(fill == ROTA_FILL_NO_MEMORY)) rb_memerror();
    if (ROTA_UNLIKELY(fill == ROTA_FILL_INTERRUPTED)) rota_interrupt_raise(loop);
    return fill == ROTA_FILL_MORE;
}

bool rota_stream_settle(rota_loop_t *loop, rota_stream_t *stream, rota_fill_t fill, int jump)
{
    if (settled(loop, fill, jump)) return true;
    if (fill == ROTA_FILL_LATE) rb_raise(rota_eTimeoutError, "nothing came to read in time");
    if (stream->ended != ROTA_STREAM_EOF) raise_end(stream);
    if (!ends_for_ever(stream)) stream->ended = 0; /* it was told */
    return false;
}

static rota_fill_t fill_until(rota_loop_t *loop, rota_stream_t *stream, uint64_t deadline_ns,
                              int *jump)
{
    rota_interrupt_check(loop);
    forget_end_of_file(stream);
    bool tries =
        stream->descriptor.file && stream->ended != ROTA_CLOSED; /* an interjection may close it */
    int now = tries ? rota_position_fill(loop, stream) : -1;
    if (now >= 0) return now ? ROTA_FILL_MORE : ROTA_FILL_END;
    return rota_stream_try_fill(loop, stream, deadline_ns, jump);
}

bool rota_stream_fill(rota_loop_t *loop, rota_stream_t *stream)
{
    int jump = 0;
    rota_fill_t fill = fill_until(loop, stream, rota_stream_deadline_ns(stream), &jump);
    return rota_stream_settle(loop, stream, fill, jump);
}

bool rota_stream_await(rota_loop_t *loop, rota_stream_t *stream, uint64_t deadline_ns)
{
    int jump = 0;
    forget_end_of_file(stream);
    if (rota_stream_available(stream) || stream->ended) return true;
    rota_fill_t fill = fill_until(loop, stream, deadline_ns, &jump);
    settled(loop, fill, jump);
    if (stream->ended == ROTA_CLOSED) raise_end(stream);
    return fill != ROTA_FILL_LATE;
}

void rota_stream_stop_receiving(rota_loop_t *loop, rota_stream_t *stream)
{
    rota_park_t park;
    rota_park_result_t result = ROTA_PARK_WOKEN;
    rota_interrupt_check(loop);
    rota_park_begin(loop, &park, "the end of a receive", stream->descriptor.fd);
    stream->reader = &park;
    stream->stopping = true;
    if (stream->op) engine_of(stream)->api->cancel(engine_of(stream), stream->op);
    while (stream->op && result == ROTA_PARK_WOKEN) result = rota_park_wait(loop, &park);
    stream->stopping = false;
    stream->reader = NULL;
    rota_park_end(loop, &park);
    if (ROTA_UNLIKELY(park.jump)) rb_jump_tag(park.jump);
    if (result == ROTA_PARK_INTERRUPTED && stream->op) rota_interrupt_raise(loop);
}

/* -- taking -------------------------------------------------------------------------------------
 */

const uint8_t *rota_stream_view(rota_stream_t *stream, size_t *length)
{
    *length = rota_stream_available(stream);
    if (stream->shot_bytes && first_shot(stream)->length == *length)
        return first_shot(stream)->data; /* all there is lies in one piece */
    if (stream->shot_bytes && !copy_out(stream)) rb_memerror();
    return rota_fifo_bytes(stream->kept);
}

static void take_from_shots(rota_stream_t *stream, uint8_t *memory, size_t length)
{
    stream->shot_bytes -= (uint32_t)length;
    while (length) {
        rota_shot_t *shot = first_shot(stream);
        size_t part = shot->length < length ? shot->length : length;
        if (memory) memcpy(memory, shot->data, part), memory += part;
        shot->data += part;
        shot->length -= (uint32_t)part;
        length -= part;
        if (shot->length == 0) release_first_shot(stream);
    }
}

void rota_stream_take(rota_stream_t *stream, uint8_t *memory, size_t length)
{
    assert(length <= rota_stream_available(stream));
    size_t taken = rota_fifo_take(&stream->kept, memory, length);
    if (taken < length) take_from_shots(stream, memory ? memory + taken : NULL, length - taken);
}

void rota_stream_skip(rota_stream_t *stream, size_t length)
{
    rota_stream_take(stream, NULL, length);
}

VALUE rota_stream_take_string(rota_stream_t *stream, size_t length)
{
    VALUE string = rb_str_buf_new((long)length);
    rota_stream_take(stream, (uint8_t *)RSTRING_PTR(string), length);
    rb_str_set_len(string, (long)length);
    return string;
}

void rota_stream_push_back(rota_stream_t *stream, const uint8_t *bytes, size_t length)
{
    if (!rota_fifo_push_back(&stream->kept, bytes, length)) rb_memerror();
}

/* -- the end ------------------------------------------------------------------------------------
 */

static void release_shots(rota_stream_t *stream)
{
    while (stream->shots) release_first_shot(stream);
    stream->shot_bytes = 0;
}

void rota_stream_end_receiving(rota_stream_t *stream)
{
    rota_engine_t *engine = engine_of(stream);
    if (stream->op) {
        engine->api->cancel(engine, stream->op);
        rota_engine_abandon(engine, stream->op);
        stream->op = NULL;
    }
    release_shots(stream);
    rota_fifo_clear(&stream->kept);
    rota_list_remove(&stream->receiver.starved);
    stream->ended = ROTA_CLOSED;
    wake_reader(stream);
}

void rota_stream_free_received(rota_stream_t *stream)
{
    release_shots(stream);
    rota_list_remove(&stream->receiver.starved);
    rota_fifo_clear(&stream->kept);
}

static const rota_receiver_kind_t receiver_kind = {.relieve = relieve, .rearm = rearm};

void rota_stream_init_receiver(rota_stream_t *stream)
{
    rota_receiver_init(&stream->receiver, &receiver_kind);
}
