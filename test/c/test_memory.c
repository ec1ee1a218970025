/* When memory runs out in the middle of a walk: nothing is dropped in silence. The engine is
 * compiled into this program once more, with an allocator that fails when told. */
#include "drive.h"

static bool memory_is_out;

static void *scarce_malloc(size_t size)
{
    return memory_is_out ? NULL : malloc(size);
}

#define malloc         scarce_malloc
#define rota_ring_open open_scarce_ring
int open_scarce_ring(const rota_engine_options_t *options, rota_engine_t **engine, char *why,
                     size_t why_size);
#include "ring.c"
#undef malloc
#undef rota_ring_open

static rota_engine_t *engine;

static void open_scarce(uint32_t hidden)
{
    char why[256];
    rota_engine_options_t options = {.hidden = hidden};
    memory_is_out = false;
    int status = open_scarce_ring(&options, &engine, why, sizeof why);
    if (status == -EPERM || status == -ENOSYS) check_skip(why);
    REQUIRE(status == 0);
}

/* One shot each way: the spare one is used by the first, so the second needs memory. */
static void lose_a_receive(uint32_t hidden)
{
    int pair[2];
    char got[8];
    make_pair(pair);
    open_scarce(hidden | HIDE(incremental_buffers)); /* no merging: each receive needs a shot */
    rota_op_t *op = submit_plain(engine, ROTA_OP_RECV_MULTI, pair[0]);
    turn(engine);
    CHECK(send_all(pair[1], "first", 5));
    turn(engine);
    memory_is_out = true;
    CHECK(send_all(pair[1], "lost", 4));
    turn(engine);
    memory_is_out = false;
    CHECK(send_all(pair[1], "later", 5)); /* must not follow the hole */
    CHECK(until_done(engine, op));
    CHECK(op->result == -ENOMEM);
    CHECK(take_bytes(engine, op, got) == 5 && !memcmp(got, "first", 5));
    CHECK(engine->stats.buffers_lent == 0);
    rota_engine_release(engine, op);
    close_clean(engine);
    close_pair(pair);
}

static void test_a_receive_that_cannot_be_kept_ends_the_op(void)
{
    lose_a_receive(0);
    lose_a_receive(HIDE(multishot_recv));
}

static void lose_an_accept(uint32_t hidden)
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address);
    char byte;
    open_scarce(hidden);
    rota_op_t *op = submit_plain(engine, ROTA_OP_ACCEPT_MULTI, listener);
    turn(engine);
    memory_is_out = true;
    int client = connect_tcp(&address);
    turn_waiting(engine);
    memory_is_out = false;
    CHECK(result_of(engine, op) == -ENOMEM);
    CHECK(recv(client, &byte, 1, 0) == 0); /* closed, not leaked */
    close(client);
    close_clean(engine);
    close(listener);
}

static void test_an_accept_that_cannot_be_kept_is_closed(void)
{
    lose_an_accept(0);
    lose_an_accept(HIDE(multishot_accept));
}

int main(void)
{
    int descriptors = count_descriptors();
    RUN(test_a_receive_that_cannot_be_kept_ends_the_op);
    RUN(test_an_accept_that_cannot_be_kept_is_closed);
    CHECK(count_descriptors() == descriptors);
    return check_end();
}
