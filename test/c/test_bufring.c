#include "bufring.h"
#include "check.h"

#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GROUP = 3, SIZE = 4096 };

static struct io_uring ring;
static rota_bufring_t pool;
static int pair[2];

static int open_all(uint32_t initial, uint32_t maximum, bool incremental)
{
    if (io_uring_queue_init(8, &ring, 0) < 0) check_skip("no io_uring");
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    return rota_bufring_open(&pool, &ring, GROUP, initial, maximum, SIZE, incremental);
}

static void close_all(void)
{
    if (pool.ring) rota_bufring_close(&pool);
    io_uring_queue_exit(&ring);
    close(pair[0]);
    close(pair[1]);
}

typedef struct received {
    int result;
    uint32_t bid;
    uint8_t *bytes;
} received_t;

/* Sends the text through the pair and receives it into a provided buffer. */
static received_t receive(const char *text)
{
    size_t length = strlen(text);
    struct io_uring_cqe *cqe;
    if (write(pair[1], text, length) != (ssize_t)length) return (received_t){.result = -EIO};
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_recv(sqe, pair[0], NULL, SIZE, MSG_DONTWAIT);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    io_uring_submit(&ring);
    if (io_uring_wait_cqe(&ring, &cqe) < 0) return (received_t){.result = -EIO};
    received_t received = {.result = cqe->res, .bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT};
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        received.bytes = rota_bufring_take(&pool, received.bid, (uint32_t)cqe->res,
                                           cqe->flags & (1u << 4) /* BUF_MORE */);
    } else {
        char rest[SIZE];
        (void)!read(pair[0], rest, sizeof rest);
    }
    io_uring_cqe_seen(&ring, cqe);
    return received;
}

static bool holds(const received_t *received, const char *text)
{
    return received->bytes && received->result == (int)strlen(text) &&
           !memcmp(received->bytes, text, strlen(text));
}

static void test_whole_buffers_circulate(void)
{
    CHECK(open_all(2, 2, false) == 0);
    CHECK(pool.capacity == 2 && pool.count == 2 && pool.provided == 2 && pool.lent == 0);
    for (int i = 0; i < 10; i++) {
        received_t received = receive("hello");
        CHECK(holds(&received, "hello"));
        CHECK(pool.provided == 1 && pool.lent == 1);
        rota_bufring_give_back(&pool, received.bid);
        CHECK(pool.provided == 2 && pool.lent == 0);
    }
    close_all();
}

static void test_starved_then_given_back(void)
{
    CHECK(open_all(2, 2, false) == 0);
    received_t first = receive("one"), second = receive("two");
    CHECK(holds(&first, "one") && holds(&second, "two") && first.bid != second.bid);
    CHECK(rota_bufring_low(&pool));
    CHECK(receive("three").result == -ENOBUFS);
    CHECK(!rota_bufring_grow(&pool)); /* at the maximum */
    rota_bufring_give_back(&pool, first.bid);
    CHECK(!rota_bufring_low(&pool));
    received_t fourth = receive("four");
    CHECK(holds(&fourth, "four") && holds(&second, "two"));
    rota_bufring_give_back(&pool, second.bid);
    rota_bufring_give_back(&pool, fourth.bid);
    CHECK(pool.lent == 0 && pool.provided == 2);
    close_all();
}

static void test_incremental_buffers_are_consumed_piece_by_piece(void)
{
    int status = open_all(2, 2, true);
    if (status == -EINVAL) {
        close_all();
        return; /* before 6.12 */
    }
    CHECK(status == 0);
    received_t first = receive("abc"), second = receive("defg");
    CHECK(holds(&first, "abc") && holds(&second, "defg"));
    CHECK(first.bid == second.bid && second.bytes == first.bytes + 3);
    CHECK(pool.lent == 1 && pool.provided == 2 && pool.buffers[first.bid].segments == 2);
    rota_bufring_give_back(&pool, first.bid);
    rota_bufring_give_back(&pool, first.bid);
    CHECK(pool.lent == 0 && pool.provided == 2);
    /* the buffer goes on where it was, although nothing of it is lent */
    received_t third = receive("h");
    CHECK(third.bid == first.bid && third.bytes == first.bytes + 7);
    rota_bufring_give_back(&pool, third.bid);
    close_all();
}

static void test_an_incremental_buffer_comes_back_after_kernel_and_last_segment(void)
{
    static char half[SIZE / 2 + 1];
    memset(half, 'x', SIZE / 2);
    int status = open_all(2, 2, true);
    if (status == 0) {
        received_t first = receive(half), second = receive(half);
        CHECK(holds(&first, half) && holds(&second, half) && first.bid == second.bid);
        CHECK(!pool.buffers[first.bid].provided && pool.provided == 1);
        rota_bufring_give_back(&pool, first.bid);
        CHECK(!pool.buffers[first.bid].provided); /* a segment is still out */
        rota_bufring_give_back(&pool, first.bid);
        CHECK(pool.buffers[first.bid].provided && pool.provided == 2);
        for (int i = 0; i < 9; i++) {
            received_t next = receive(half);
            CHECK(holds(&next, half));
            rota_bufring_give_back(&pool, next.bid);
        }
        CHECK(pool.lent == 0);
    }
    close_all();
}

static void test_grows_by_doubling_and_sinks_again(void)
{
    CHECK(open_all(2, 8, false) == 0);
    CHECK(rota_bufring_grow(&pool) && pool.count == 4 && pool.provided == 4);
    CHECK(rota_bufring_grow(&pool) && pool.count == 8);
    CHECK(!rota_bufring_grow(&pool) && pool.target == 8);
    for (int i = 0; i < 50; i++) rota_bufring_decay(&pool);
    CHECK(pool.target == 2 && pool.count == 8); /* the kernel still has them */
    for (int i = 0; i < 20; i++) {
        received_t received = receive("x");
        CHECK(holds(&received, "x"));
        rota_bufring_give_back(&pool, received.bid);
    }
    CHECK(pool.count == 2 && pool.provided == 2);
    CHECK(rota_bufring_grow(&pool) && pool.count == 4); /* spare bids first */
    received_t last = receive("again");
    CHECK(holds(&last, "again") && pool.fresh == 8);
    rota_bufring_give_back(&pool, last.bid);
    close_all();
}

static void test_a_pool_in_use_does_not_decay(void)
{
    CHECK(open_all(2, 4, false) == 0);
    CHECK(rota_bufring_grow(&pool));
    received_t held[3];
    for (int i = 0; i < 3; i++) held[i] = receive("x");
    rota_bufring_decay(&pool);
    CHECK(pool.target == 4);
    for (int i = 0; i < 3; i++) rota_bufring_give_back(&pool, held[i].bid);
    close_all();
}

/* Buffers smaller than a page share one: what is given back to the system must not be theirs. */
static void test_retiring_leaves_the_neighbours_alone(void)
{
    enum { SMALL = 64 };
    if (io_uring_queue_init(8, &ring, 0) < 0) check_skip("no io_uring");
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(rota_bufring_open(&pool, &ring, GROUP, 1, 4, SMALL, false) == 0);
    CHECK(rota_bufring_grow(&pool) && rota_bufring_grow(&pool));
    received_t held[4];
    for (int i = 0; i < 4; i++) held[i] = receive("precious");
    pool.target = 1; /* as decay would, were they not in use */
    for (int i = 0; i < 3; i++) {
        rota_bufring_give_back(&pool, held[i].bid);
        for (int j = i + 1; j < 4; j++) CHECK(holds(&held[j], "precious"));
    }
    CHECK(pool.count == 1);
    rota_bufring_give_back(&pool, held[3].bid);
    close_all();
}

static void test_refusal_leaves_nothing(void)
{
    CHECK(open_all(2, 2, false) == 0);
    rota_bufring_t other;
    CHECK(rota_bufring_open(&other, &ring, GROUP, 1, 1, SIZE, false) == -EEXIST);
    CHECK(!other.ring && !other.buffers);
    close_all();
}

/* Takes `length` bytes from the front, as an engine without a kernel behind it does. */
static uint8_t *take_front(uint32_t length, uint32_t *bid)
{
    uint32_t room = 0;
    uint8_t *bytes = rota_bufring_front(&pool, bid, &room);
    if (!bytes || !CHECK(length <= room)) return NULL;
    return rota_bufring_take(&pool, *bid, length, length < room) == bytes ? bytes : NULL;
}

static void test_without_a_ring_the_engine_takes_from_the_front(void)
{
    uint32_t first, bid, room;
    REQUIRE(rota_bufring_open(&pool, NULL, 0, 2, 4, SIZE, true) == 0);
    uint8_t *bytes = take_front(100, &first);
    CHECK(take_front(SIZE - 100, &bid) == bytes + 100 && bid == first);
    CHECK(pool.provided == 1 && pool.lent == 1);
    CHECK(take_front(SIZE, &bid) && bid != first);
    CHECK(!rota_bufring_front(&pool, &bid, &room)); /* none is left */
    rota_bufring_give_back(&pool, first);
    CHECK(!rota_bufring_front(&pool, &bid, &room));
    rota_bufring_give_back(&pool, first);
    CHECK(rota_bufring_front(&pool, &bid, &room) == bytes && bid == first && room == SIZE);
    CHECK(rota_bufring_grow(&pool) && pool.provided == 3);
    for (int i = 0; i < 3; i++) CHECK(take_front(SIZE, &bid));
    CHECK(!rota_bufring_front(&pool, &bid, &room));
    rota_bufring_close(&pool);

    REQUIRE(rota_bufring_open(&pool, NULL, 0, 2, 2, SIZE, false) == 0);
    uint32_t second = 0;
    CHECK(take_front(1, &first) && take_front(1, &second) && first != second); /* whole ones */
    rota_bufring_close(&pool);
}

int main(void)
{
    RUN(test_without_a_ring_the_engine_takes_from_the_front);
    RUN(test_whole_buffers_circulate);
    RUN(test_starved_then_given_back);
    RUN(test_incremental_buffers_are_consumed_piece_by_piece);
    RUN(test_an_incremental_buffer_comes_back_after_kernel_and_last_segment);
    RUN(test_grows_by_doubling_and_sinks_again);
    RUN(test_a_pool_in_use_does_not_decay);
    RUN(test_retiring_leaves_the_neighbours_alone);
    RUN(test_refusal_leaves_nothing);
    return check_end();
}
