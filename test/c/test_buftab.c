/* Registered memory: found by address, used by READ and WRITE without being asked. */
#include "drive.h"

#include "buftab.h"

#include <liburing.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static uint8_t *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    return memory;
}

static void test_found_by_address(void)
{
    struct io_uring ring;
    rota_buftab_t table = {0};
    uint8_t *memory = map(4 * PAGE);
    REQUIRE(io_uring_queue_init(2, &ring, 0) == 0);
    CHECK(rota_buftab_find(&table, memory, 1) == -1);
    CHECK(rota_buftab_hold(&table, &ring, memory + PAGE, PAGE) == 0);
    CHECK(rota_buftab_hold(&table, &ring, memory + 3 * PAGE, PAGE) == 1);
    CHECK(rota_buftab_find(&table, memory + PAGE, PAGE) == 0);
    CHECK(rota_buftab_find(&table, memory + PAGE + 7, PAGE - 7) == 0);
    CHECK(rota_buftab_find(&table, memory + PAGE, PAGE + 1) == -1);
    CHECK(rota_buftab_find(&table, memory + PAGE - 1, 2) == -1);
    CHECK(rota_buftab_find(&table, memory + 2 * PAGE, 1) == -1);
    CHECK(rota_buftab_find(&table, memory + 3 * PAGE, 1) == 1);
    rota_buftab_drop(&table, 0);
    CHECK(rota_buftab_find(&table, memory + PAGE, 1) == -1);
    CHECK(rota_buftab_find(&table, memory + 3 * PAGE, 1) == 1);
    CHECK(rota_buftab_hold(&table, &ring, memory, PAGE) == 0);
    for (int i = 2; i < ROTA_BUFTAB_SIZE; i++)
        CHECK(rota_buftab_hold(&table, &ring, memory, PAGE) == i);
    CHECK(rota_buftab_hold(&table, &ring, memory, PAGE) == -ENFILE);
    io_uring_queue_exit(&ring);
    munmap(memory, 4 * PAGE);
}

static void test_memory_that_is_not_there(void)
{
    struct io_uring ring;
    rota_buftab_t table = {0};
    uint8_t *memory = map(PAGE);
    REQUIRE(mprotect(memory, PAGE, PROT_NONE) == 0);
    REQUIRE(io_uring_queue_init(2, &ring, 0) == 0);
    CHECK(rota_buftab_hold(&table, &ring, memory, PAGE) == -EFAULT);
    CHECK(rota_buftab_find(&table, memory, 1) == -1);
    io_uring_queue_exit(&ring);
    munmap(memory, PAGE);
}

static void test_ops_in_registered_memory(rota_engine_t *engine)
{
    int ends[2];
    uint8_t *memory = map(PAGE);
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    int place = engine->api->buffer_hold(engine, memory, PAGE);
    CHECK(on_epoll ? place == -EOPNOTSUPP : place == 0);
    memcpy(memory, "abc", 3);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_WRITE, ends[1], memory, 3)) == 3);
    rota_op_t *op = submit_bytes(engine, ROTA_OP_READ, ends[0], memory + 100, 10);
    if (place >= 0) engine->api->buffer_drop(engine, place); /* what is queued still goes there */
    CHECK(result_of(engine, op) == 3 && !memcmp(memory + 100, "abc", 3));
    op = submit_bytes(engine, ROTA_OP_READ, ends[0], memory, 10);
    turn(engine);
    CHECK(write(ends[1], "d", 1) == 1);
    CHECK(result_of(engine, op) == 1 && memory[0] == 'd');
    close(ends[0]);
    close(ends[1]);
    munmap(memory, PAGE);
}

int main(void)
{
    for (int i = 0; i < 2; i++) {
        on_epoll = i == 0;
        rota_engine_t *engine = open_engine((rota_engine_options_t){0});
        test_ops_in_registered_memory(engine);
        close_clean(engine);
    }
    RUN(test_found_by_address);
    RUN(test_memory_that_is_not_there);
    return check_end();
}
