/* Random ops against an oracle: submit, cancel and abandon over pipes, socket pairs and a listener,
 * on both engines, on rings with tiny queues and few buffers.
 *
 *   fuzz_ops [seconds [seed]]
 *
 * The oracle knows the table of states, what in_flight and buffers_lent must be, and every byte:
 * byte i of a channel has a value of its own, so that what arrives must be what was sent, once and
 * in order, but for what an abandoned op may have swallowed. At the end of a round nothing may be
 * left: no op, no buffer, no descriptor. */
#include "drive.h"

#include <poll.h>
#include <signal.h>
#include <sys/un.h>

enum {
    CHANNELS = 6,
    DEEDS = 64,
    CLIENTS = 64,
    STEPS = 1500,
    MOST_BYTES = 512, /* per op; a pipe always has room for so many when it is writable */
};

static uint64_t seed;

static uint32_t pick(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static bool chance(uint32_t percent)
{
    return pick(100) < percent;
}

/* --- the model ---------------------------------------------------------------------------- */

typedef enum role { READS, WRITES, ACCEPTS, NEITHER } role_t;

typedef struct channel channel_t;

/* An op that a task would own. */
typedef struct deed {
    rota_op_t *op; /* NULL: this place is free */
    channel_t *channel;
    role_t role;
    uint8_t seen; /* the state at the last look */
    bool cancelled;
} deed_t;

/* A stream of bytes in one direction, with at most one reader and one writer in flight. */
struct channel {
    int fds[2]; /* reading and writing end */
    bool is_socket;
    uint32_t salt;
    uint64_t sent, received;
    deed_t *reader, *writer;
    bool closed;                   /* the writing end: zero bytes are the right answer */
    bool retiring;                 /* takes no new deeds */
    bool reader_lost, writer_lost; /* abandoned: took or gave an unknown number of bytes */
    uint64_t lost_handles[2];      /* their ops, until the final completion */
    int slot;                      /* of the reading end, or -1 */
};

typedef struct client {
    int fd; /* -1: this place is free */
    int accepted;
} client_t;

static rota_engine_t *engine;
static deed_t deeds[DEEDS];
static channel_t channels[CHANNELS];
static client_t clients[CLIENTS];
static int listener;
static struct sockaddr_un listener_address;
static socklen_t listener_size;
static uint32_t salts;
static uint64_t steps_done, bytes_checked;

/* What an op's memory points into: its payload, so that abandoned ones keep it. */
typedef struct payload {
    struct iovec iovecs[2];
    struct msghdr message;
    uint8_t bytes[MOST_BYTES];
} payload_t;

static uint8_t value_of(const channel_t *channel, uint64_t position)
{
    uint64_t mixed = (position + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ channel->salt;
    return (uint8_t)(mixed >> 29 ^ mixed >> 50);
}

static void check_bytes(channel_t *channel, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == value_of(channel, channel->received + i)) continue;
        CHECK(!"a byte arrived that was not sent there");
        break;
    }
    channel->received += length;
    bytes_checked += length;
    if (!channel->writer && !channel->writer_lost) CHECK(channel->received <= channel->sent);
}

static void fill_bytes(const channel_t *channel, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) bytes[i] = value_of(channel, channel->sent + i);
}

/* --- deeds -------------------------------------------------------------------------------- */

static deed_t *free_deed(void)
{
    deed_t *deed = &deeds[pick(DEEDS)];
    return deed->op ? NULL : deed;
}

static void begin(deed_t *deed, rota_op_t *op, role_t role, channel_t *channel)
{
    *deed = (deed_t){.op = op, .role = role, .channel = channel, .seen = ROTA_OP_QUEUED};
    if (role == READS) channel->reader = deed;
    if (role == WRITES) channel->writer = deed;
    engine->api->submit(engine, op);
}

static void forget(deed_t *deed)
{
    if (deed->role == READS) deed->channel->reader = NULL;
    if (deed->role == WRITES) deed->channel->writer = NULL;
    deed->op = NULL;
}

/* The same bytes as plain memory, as two pieces, or in a message: whatever the kind reads. */
static void point_at_payload(rota_op_t *op, size_t length)
{
    payload_t *payload = calloc(1, sizeof *payload);
    size_t first = length > 1 ? length / 2 : length;
    payload->iovecs[0] = (struct iovec){payload->bytes, first};
    payload->iovecs[1] = (struct iovec){payload->bytes + first, length - first};
    payload->message = (struct msghdr){.msg_iov = payload->iovecs, .msg_iovlen = 2};
    op->payload = payload;
    switch (op->kind) {
    case ROTA_OP_READV:
    case ROTA_OP_WRITEV:
        op->memory = payload->iovecs;
        op->length = 2;
        break;
    case ROTA_OP_RECVMSG:
    case ROTA_OP_SENDMSG: op->memory = &payload->message; break;
    default:
        op->memory = payload->bytes;
        op->length = (uint32_t)length;
        break;
    }
}

/* Sockets are said to be sockets, and pipes, too. */
static void hint(rota_op_t *op)
{
    if (rota_op_is_plain(op) && chance(50)) op->request_flags = ROTA_HINT_SOCKET;
}

static void begin_reading(deed_t *deed, channel_t *channel)
{
    static const rota_op_kind_t of_pipes[] = {ROTA_OP_READ, ROTA_OP_READV};
    static const rota_op_kind_t of_sockets[] = {ROTA_OP_READ,       ROTA_OP_RECV,
                                                ROTA_OP_RECVMSG,    ROTA_OP_RECV_MULTI,
                                                ROTA_OP_RECV_MULTI, ROTA_OP_RECV_MULTI};
    rota_op_kind_t kind = channel->is_socket ? of_sockets[pick(6)] : of_pipes[pick(2)];
    rota_op_t *op = new_op(engine, kind, channel->fds[0]);
    if (kind != ROTA_OP_RECV_MULTI) point_at_payload(op, 1 + pick(MOST_BYTES));
    hint(op);
    if (channel->slot >= 0 && chance(50)) {
        op->fd = channel->slot;
        op->flags |= ROTA_OPF_SLOT;
    }
    begin(deed, op, READS, channel);
}

static void begin_writing(deed_t *deed, channel_t *channel)
{
    static const rota_op_kind_t of_pipes[] = {ROTA_OP_WRITE, ROTA_OP_WRITEV};
    static const rota_op_kind_t of_sockets[] = {ROTA_OP_WRITE, ROTA_OP_SEND, ROTA_OP_SENDMSG};
    size_t length = 1 + pick(MOST_BYTES);
    rota_op_kind_t kind = channel->is_socket ? of_sockets[pick(3)] : of_pipes[pick(2)];
    rota_op_t *op = new_op(engine, kind, channel->fds[1]);
    point_at_payload(op, length);
    fill_bytes(channel, ((payload_t *)op->payload)->bytes, length);
    if (kind == ROTA_OP_SEND && chance(50)) op->request_flags = MSG_WAITALL;
    hint(op);
    begin(deed, op, WRITES, channel);
}

static void begin_something(void)
{
    deed_t *deed = free_deed();
    channel_t *channel = &channels[pick(CHANNELS)];
    if (!deed) return;
    switch (pick(8)) {
    case 0: begin(deed, new_op(engine, ROTA_OP_NOP, -1), NEITHER, NULL); break;
    case 1:
        begin(deed, new_op(engine, chance(50) ? ROTA_OP_ACCEPT : ROTA_OP_ACCEPT_MULTI, listener),
              ACCEPTS, NULL);
        break;
    case 2: {
        rota_op_t *op = new_op(engine, ROTA_OP_POLL, channel->fds[0]);
        if (channel->retiring) {
            rota_op_release(&engine->ops, op);
            break;
        }
        op->request_flags = POLLIN;
        begin(deed, op, NEITHER, NULL);
        break;
    }
    case 3:
    case 4:
    case 5:
        if (!channel->retiring && !channel->reader) begin_reading(deed, channel);
        break;
    default:
        if (!channel->retiring && !channel->writer && !channel->closed) {
            begin_writing(deed, channel);
        }
        break;
    }
}

/* --- results ------------------------------------------------------------------------------ */

static void welcome(int fd)
{
    uint8_t id = CLIENTS;
    CHECK(fd >= 0);
    if (CHECK(recv(fd, &id, 1, MSG_DONTWAIT) == 1) && CHECK(id < CLIENTS)) {
        CHECK(++clients[id].accepted == 1);
    }
    close(fd);
}

static void take_shots(deed_t *deed, bool all)
{
    for (rota_shot_t *shot; (shot = first_shot(deed->op));) {
        if (deed->role == ACCEPTS) {
            welcome(shot->fd);
        } else {
            check_bytes(deed->channel, shot->data, shot->length);
        }
        engine->api->shot_release(engine, shot);
        if (!all && chance(50)) break;
    }
}

static bool is_multi(const deed_t *deed)
{
    return deed->op->kind == ROTA_OP_RECV_MULTI || deed->op->kind == ROTA_OP_ACCEPT_MULTI;
}

static void check_failure(const deed_t *deed, int32_t result)
{
    switch (result) {
    case -ECANCELED: CHECK(deed->cancelled); break;
    case -ENOBUFS:
        CHECK(deed->op->kind == ROTA_OP_RECV_MULTI);
        if (engine->buffers_back) engine->buffers_back = false;
        break;
    case ROTA_ENDED_EARLY: CHECK(is_multi(deed) && !deed->cancelled); break;
    default:
        printf("kind %d: result %d\n", deed->op->kind, result);
        CHECK(!"an error that nothing explains");
        break;
    }
}

static void check_success(deed_t *deed, int32_t result)
{
    channel_t *channel = deed->channel;
    if (deed->role == READS) {
        check_bytes(channel, ((payload_t *)deed->op->payload)->bytes, (size_t)result);
    } else if (deed->role == WRITES) {
        CHECK(result > 0);
        channel->sent += (uint64_t)result;
    } else if (deed->role == ACCEPTS) {
        welcome(result);
    }
}

static void collect(deed_t *deed)
{
    int32_t result = deed->op->result;
    take_shots(deed, true);
    if (result < 0) {
        check_failure(deed, result);
    } else if (deed->role == READS && result == 0) {
        CHECK(deed->channel->closed && deed->channel->received == deed->channel->sent);
        deed->channel->retiring = true;
    } else {
        CHECK(!is_multi(deed));
        check_success(deed, result);
    }
    rota_op_t *op = deed->op;
    forget(deed);
    rota_engine_release(engine, op);
}

static void collect_something(void)
{
    deed_t *deed = &deeds[pick(DEEDS)];
    if (!deed->op) return;
    if (deed->op->state == ROTA_OP_DONE) {
        collect(deed);
    } else if (is_multi(deed)) {
        take_shots(deed, false);
    }
}

static void cancel(deed_t *deed)
{
    if (deed->op->state != ROTA_OP_DONE) deed->cancelled = true;
    engine->api->cancel(engine, deed->op);
}

/* The channel ends with it: nobody knows how many bytes went with the op. */
static void abandon(deed_t *deed)
{
    rota_op_t *op = deed->op;
    channel_t *channel = deed->channel;
    if (channel) {
        bool reads = deed->role == READS;
        channel->retiring = true;
        if (reads) channel->reader_lost = true;
        if (!reads) channel->writer_lost = true;
        channel->lost_handles[reads ? 0 : 1] = rota_op_handle(op);
    }
    bool wanted = chance(80) || op->kind == ROTA_OP_POLL || op->kind == ROTA_OP_ACCEPT;
    if (wanted && op->state != ROTA_OP_DONE) engine->api->cancel(engine, op);
    forget(deed);
    rota_engine_abandon(engine, op);
}

/* --- channels ----------------------------------------------------------------------------- */

static void open_channel(channel_t *channel)
{
    *channel = (channel_t){.is_socket = chance(60), .salt = ++salts * 2654435761u, .slot = -1};
    if (channel->is_socket) {
        make_pair(channel->fds);
    } else {
        REQUIRE(pipe2(channel->fds, O_CLOEXEC | (chance(50) ? O_NONBLOCK : 0)) == 0);
    }
    if (chance(30)) channel->slot = engine->api->slot_hold(engine, channel->fds[0]);
}

static bool is_gone(uint64_t handle)
{
    if (handle == 0) return true;
    const rota_op_t *op = rota_op_at(&engine->ops, (uint32_t)handle);
    return op->state == ROTA_OP_FREE || rota_op_handle(op) != handle;
}

/* What is left in the channel must be the end of what was sent; where a reader was lost, it may
 * have taken any number before. */
static void check_rest(channel_t *channel)
{
    static uint8_t rest[1 << 20];
    size_t length = 0;
    fcntl(channel->fds[0], F_SETFL, O_NONBLOCK);
    for (ssize_t n; (n = read(channel->fds[0], rest + length, sizeof rest - length)) > 0;) {
        length += (size_t)n;
    }
    if (!channel->reader_lost && !channel->writer_lost) {
        CHECK(channel->received + length == channel->sent);
    }
    if (channel->reader_lost && channel->writer_lost) return;
    if (channel->reader_lost) {
        CHECK(channel->received + length <= channel->sent);
        channel->received = channel->sent - length;
    }
    check_bytes(channel, rest, length);
}

/* A descriptor that is polled has to stay. */
static bool is_polled(const channel_t *channel)
{
    for (uint32_t i = 0; i < rota_ops_capacity(&engine->ops); i++) {
        const rota_op_t *op = rota_op_at(&engine->ops, i);
        if (op->state == ROTA_OP_FREE || op->kind != ROTA_OP_POLL) continue;
        if (op->fd == channel->fds[0]) return true;
    }
    return false;
}

static bool close_channel(channel_t *channel)
{
    if (channel->reader || channel->writer || is_polled(channel)) return false;
    if (!is_gone(channel->lost_handles[0]) || !is_gone(channel->lost_handles[1])) return false;
    check_rest(channel);
    if (channel->slot >= 0) engine->api->slot_drop(engine, channel->slot);
    close(channel->fds[0]);
    if (!channel->closed) close(channel->fds[1]);
    return true;
}

static void change_channel(void)
{
    channel_t *channel = &channels[pick(CHANNELS)];
    if (channel->retiring) {
        if (channel->reader && chance(20)) cancel(channel->reader);
        if (channel->writer && chance(20)) cancel(channel->writer);
        if (close_channel(channel)) open_channel(channel);
    } else if (!channel->writer && !channel->closed && chance(3)) {
        close(channel->fds[1]);
        channel->closed = true;
    }
}

/* The other process's part: bytes that come by themselves. */
static void write_directly(void)
{
    channel_t *channel = &channels[pick(CHANNELS)];
    uint8_t bytes[MOST_BYTES];
    if (channel->retiring || channel->closed || channel->writer) return;
    struct pollfd writable = {.fd = channel->fds[1], .events = POLLOUT};
    if (poll(&writable, 1, 0) != 1 || !(writable.revents & POLLOUT)) return;
    size_t length = 1 + pick(MOST_BYTES);
    fill_bytes(channel, bytes, length);
    ssize_t written = channel->is_socket ? send(channel->fds[1], bytes, length, MSG_DONTWAIT)
                                         : write(channel->fds[1], bytes, length);
    if (written > 0) channel->sent += (uint64_t)written;
}

/* --- clients ------------------------------------------------------------------------------ */

static void open_listener(void)
{
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    listener_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    listener_size = sizeof listener_address;
    REQUIRE(bind(listener, (struct sockaddr *)&listener_address, sizeof(sa_family_t)) == 0);
    REQUIRE(listen(listener, CLIENTS) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&listener_address, &listener_size) == 0);
    for (int i = 0; i < CLIENTS; i++) clients[i] = (client_t){.fd = -1};
}

static void connect_client(void)
{
    uint8_t id = (uint8_t)pick(CLIENTS);
    client_t *client = &clients[id];
    if (client->fd >= 0) return;
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    client->accepted = 0;
    REQUIRE(client->fd >= 0);
    if (connect(client->fd, (struct sockaddr *)&listener_address, listener_size) < 0 ||
        !send_all(client->fd, &id, 1)) {
        close(client->fd);
        client->fd = -1;
    }
}

/* When the listener is closed, every connection has ended: accepted (and closed by us), given up
 * by an abandoned accept, or reset in the backlog. One that has not is a descriptor lost. */
static void close_clients(void)
{
    uint8_t byte;
    close(listener);
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].fd < 0) continue;
        ssize_t received = recv(clients[i].fd, &byte, 1, MSG_DONTWAIT);
        CHECK(received == 0 || (received < 0 && errno == ECONNRESET));
        close(clients[i].fd);
    }
}

/* A place is used again only when its connection is over. */
static void replace_client(void)
{
    client_t *client = &clients[pick(CLIENTS)];
    uint8_t byte;
    if (client->fd < 0 || recv(client->fd, &byte, 1, MSG_DONTWAIT) != 0) return;
    close(client->fd);
    client->fd = -1;
}

/* --- the oracle --------------------------------------------------------------------------- */

static void check_counters(void)
{
    uint32_t in_use = 0, in_flight = 0, queued = 0;
    for (uint32_t i = 0; i < rota_ops_capacity(&engine->ops); i++) {
        const rota_op_t *op = rota_op_at(&engine->ops, i);
        if (op->state != ROTA_OP_FREE) in_use++;
        if (op->state == ROTA_OP_QUEUED) queued++;
        if (op->state == ROTA_OP_IN_FLIGHT || op->state == ROTA_OP_ABANDONED) in_flight++;
    }
    CHECK(in_use == engine->ops.in_use);
    CHECK(in_flight == engine->ops.in_flight);
    CHECK(queued == engine->stats.queued);
    CHECK(engine->ops.stale == 0);
}

/* A buffer is lent exactly when a shot that somebody can still take lies in it. */
static void check_buffers(void)
{
    static uint8_t is_lent[1 << 16];
    uint32_t lent = 0;
    memset(is_lent, 0, sizeof is_lent);
    for (int i = 0; i < DEEDS; i++) {
        if (!deeds[i].op || deeds[i].op->kind != ROTA_OP_RECV_MULTI) continue;
        ROTA_LIST_EACH(&deeds[i].op->shots, link) {
            uint32_t bid = ROTA_LIST_ENTRY(link, rota_shot_t, link)->bid;
            lent += !is_lent[bid];
            is_lent[bid] = 1;
        }
    }
    CHECK(lent == engine->stats.buffers_lent);
}

static void check_states(void)
{
    for (int i = 0; i < DEEDS; i++) {
        deed_t *deed = &deeds[i];
        if (!deed->op) continue;
        uint8_t state = deed->op->state;
        CHECK(state == ROTA_OP_QUEUED || state == ROTA_OP_IN_FLIGHT || state == ROTA_OP_DONE);
        CHECK(!(deed->seen == ROTA_OP_IN_FLIGHT && state == ROTA_OP_QUEUED));
        CHECK(!(deed->seen == ROTA_OP_DONE && state != ROTA_OP_DONE));
        deed->seen = state;
    }
}

static void check_oracle(void)
{
    check_counters();
    check_buffers();
    check_states();
}

/* --- a round ------------------------------------------------------------------------------ */

/* Somebody wakes the loop before or while it sleeps. */
static int sleep_and_be_woken(void)
{
    if (chance(50)) rota_wake_up(&engine->wake);
    bool sleeps = rota_wake_prepare(&engine->wake);
    if (chance(50)) rota_wake_up(&engine->wake);
    int status = engine->api->wait(engine, sleeps ? 1000 : 0);
    rota_wake_finish(&engine->wake);
    return status;
}

static void run_engine(void)
{
    int status = 0;
    switch (pick(4)) {
    case 0: status = engine->api->flush(engine); break;
    case 1: status = engine->api->wait(engine, 0); break;
    default: status = sleep_and_be_woken(); break;
    }
    CHECK(status == 0 || status == -ETIME || status == -EINTR);
    if (chance(80)) engine->api->drain(engine);
    if (chance(80)) hear(engine);
}

static void step(void)
{
    deed_t *deed = &deeds[pick(DEEDS)];
    switch (pick(12)) {
    case 0:
    case 1:
    case 2: begin_something(); break;
    case 3:
    case 4: collect_something(); break;
    case 5: run_engine(); break;
    case 6: run_engine(); break;
    case 7: write_directly(); break;
    case 8: connect_client(); break;
    case 9: change_channel(); break;
    case 10:
        if (deed->op && chance(50)) cancel(deed);
        replace_client();
        break;
    default:
        if (deed->op && chance(20)) abandon(deed);
        break;
    }
    steps_done++;
}

static rota_engine_options_t random_options(void)
{
    static const uint32_t sizes[] = {1, 2, 4, 64, 256};
    static const uint32_t features[] = {
        HIDE(defer_taskrun),    HIDE(incremental_buffers), HIDE(multishot_recv),
        HIDE(multishot_accept), HIDE(registered_ring),     HIDE(registered_files),
    };
    rota_engine_options_t options = {
        .entries = sizes[pick(5)],
        .cq_entries = sizes[pick(5)],
        .buffers = chance(75) ? 1 + pick(3) : 128,
        .buffers_max = 1 + pick(8), /* of them at least the first */
        .buffer_size = chance(50) ? 256 : 4096,
        .files = 4 + pick(8),
    };
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        if (chance(25)) options.hidden |= features[i];
    }
    return options;
}

/* An abandoned read waits for bytes, an abandoned write for a reader: neither comes any more. */
static void cancel_lost(uint64_t handle)
{
    if (!is_gone(handle)) engine->api->cancel(engine, rota_op_at(&engine->ops, (uint32_t)handle));
}

/* Where the writing end is closed, whoever reads is told so, or gets bytes, without being asked. */
static void await_end(const channel_t *channel)
{
    const deed_t *reader = channel->reader;
    for (int i = 0; i < 200 && reader->op->state != ROTA_OP_DONE; i++) {
        int status = engine->api->wait(engine, i < 100 ? 0 : ROTA_NS_PER_MS);
        CHECK(status == 0 || status == -ETIME || status == -EINTR);
        engine->api->drain(engine);
        hear(engine);
    }
    CHECK(reader->op->state == ROTA_OP_DONE);
}

static void settle(void)
{
    for (int i = 0; i < CHANNELS; i++) {
        if (channels[i].closed && channels[i].reader) await_end(&channels[i]);
    }
    for (int i = 0; i < DEEDS; i++) {
        if (deeds[i].op) cancel(&deeds[i]);
    }
    for (int round = 0; round < 2000 && engine->ops.in_use; round++) {
        turn(engine);
        for (int i = 0; i < DEEDS; i++) {
            if (deeds[i].op && deeds[i].op->state == ROTA_OP_DONE) collect(&deeds[i]);
        }
        for (int i = 0; i < CHANNELS; i++) {
            cancel_lost(channels[i].lost_handles[0]);
            cancel_lost(channels[i].lost_handles[1]);
        }
    }
}

static void run_round(void)
{
    int descriptors = count_descriptors();
    memset(deeds, 0, sizeof deeds);
    on_epoll = chance(50);
    engine = open_engine(random_options());
    open_listener();
    for (int i = 0; i < CHANNELS; i++) open_channel(&channels[i]);
    for (int i = 0; i < STEPS && !check_failures; i++) {
        step();
        check_oracle();
    }
    settle();
    check_oracle();
    CHECK(engine->ops.in_use == 0 && engine->ops.in_flight == 0);
    for (int i = 0; i < CHANNELS; i++) CHECK(close_channel(&channels[i]));
    turn(engine);
    CHECK(engine->stats.slots_used == 0);
    CHECK(engine->api->close(engine) == 0);
    close_clients();
    CHECK(count_descriptors() == descriptors);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 5;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : rota_now_ns();
    uint64_t end = rota_now_ns() + (uint64_t)(seconds * (double)ROTA_NS_PER_S);
    uint32_t rounds = 0;
    signal(SIGPIPE, SIG_IGN);
    check_test = "fuzz";
    do {
        seed = first + rounds++;
        run_round();
    } while (rota_now_ns() < end && !check_failures);
    printf("seed %llu: %u rounds, %llu steps, %llu bytes, %d failures\n",
           (unsigned long long)(check_failures ? first + rounds - 1 : first), rounds,
           (unsigned long long)steps_done, (unsigned long long)bytes_checked, check_failures);
    return check_failures ? 1 : 0;
}
