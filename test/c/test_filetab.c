#include "check.h"
#include "filetab.h"

#include <liburing.h>
#include <unistd.h>

enum { SIZE = 8 };

static struct io_uring ring;
static rota_filetab_t table;
static uint64_t calls;

static void open_all(void)
{
    if (io_uring_queue_init(4, &ring, 0) < 0) check_skip("no io_uring");
    REQUIRE(rota_filetab_open(&table, &ring, SIZE) == 0);
    calls = 0;
}

static void close_all(void)
{
    rota_filetab_close(&table);
    io_uring_queue_exit(&ring);
}

/* A byte through the pipe whose reading end is in the slot, by the slot alone. */
static int read_slot(int slot, char *byte)
{
    struct io_uring_cqe *cqe;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_read(sqe, slot, byte, 1, 0);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_submit(&ring);
    if (io_uring_wait_cqe(&ring, &cqe) < 0) return -EIO;
    int result = cqe->res;
    io_uring_cqe_seen(&ring, cqe);
    return result;
}

static bool slot_reads(int slot, int writing_end)
{
    char byte = 0;
    if (write(writing_end, "x", 1) != 1) return false;
    return read_slot(slot, &byte) == 1 && byte == 'x';
}

static void test_a_held_slot_works_after_the_flush(void)
{
    int ends[2];
    open_all();
    REQUIRE(pipe(ends) == 0);
    int slot = rota_filetab_hold(&table, ends[0]);
    CHECK(slot >= 0 && rota_filetab_dirty(&table) && rota_filetab_used(&table) == 1);
    CHECK(rota_filetab_flush(&table, &calls) == 0 && calls == 1);
    CHECK(!rota_filetab_dirty(&table));
    CHECK(slot_reads(slot, ends[1]));
    rota_filetab_drop(&table, slot);
    CHECK(rota_filetab_used(&table) == 1); /* free only after the flush */
    CHECK(rota_filetab_flush(&table, &calls) == 0 && rota_filetab_used(&table) == 0);
    char byte;
    CHECK(read_slot(slot, &byte) == -EBADF);
    close(ends[0]);
    close(ends[1]);
    close_all();
}

static void test_neighbours_go_in_one_call(void)
{
    open_all();
    int slots[SIZE];
    for (int i = 0; i < SIZE; i++) slots[i] = rota_filetab_hold(&table, 0);
    CHECK(rota_filetab_hold(&table, 0) == -ENFILE);
    CHECK(rota_filetab_flush(&table, &calls) == 0 && calls == 1);
    for (int i = SIZE - 1; i >= 0; i--) rota_filetab_drop(&table, slots[i]);
    CHECK(rota_filetab_flush(&table, &calls) == 0 && calls == 2);
    CHECK(rota_filetab_used(&table) == 0);
    close_all();
}

static void test_a_dropped_slot_is_not_given_again_before_the_flush(void)
{
    open_all();
    int slot = rota_filetab_hold(&table, 0);
    rota_filetab_drop(&table, slot); /* the kernel never knew */
    int other = rota_filetab_hold(&table, 1);
    CHECK(other >= 0 && other != slot);
    CHECK(rota_filetab_flush(&table, &calls) == 0);
    CHECK(rota_filetab_used(&table) == 1);
    CHECK(rota_filetab_hold(&table, 0) == slot);
    close_all();
}

static void test_a_refused_descriptor_empties_only_its_own_entry(void)
{
    int ends[2];
    open_all();
    REQUIRE(pipe(ends) == 0);
    int before = rota_filetab_hold(&table, ends[0]);
    int bad = rota_filetab_hold(&table, 9999);
    int after = rota_filetab_hold(&table, ends[0]);
    CHECK(rota_filetab_flush(&table, &calls) == -EBADF && calls == 2);
    CHECK(slot_reads(before, ends[1]) && slot_reads(after, ends[1]));
    char byte;
    CHECK(read_slot(bad, &byte) == -EBADF);
    CHECK(rota_filetab_used(&table) == 3); /* its holder drops it */
    rota_filetab_drop(&table, bad);
    rota_filetab_drop(&table, before);
    rota_filetab_drop(&table, after);
    CHECK(rota_filetab_flush(&table, &calls) == 0);
    CHECK(rota_filetab_used(&table) == 0);
    close(ends[0]);
    close(ends[1]);
    close_all();
}

static void test_a_dropped_slot_lets_the_peer_see_the_end(void)
{
    int ends[2];
    char byte;
    open_all();
    REQUIRE(pipe(ends) == 0);
    int slot = rota_filetab_hold(&table, ends[1]);
    CHECK(rota_filetab_flush(&table, &calls) == 0);
    close(ends[1]);
    rota_filetab_drop(&table, slot);
    CHECK(rota_filetab_flush(&table, &calls) == 0);
    CHECK(read(ends[0], &byte, 1) == 0);
    close(ends[0]);
    close_all();
}

static void test_random_holds_and_drops(void)
{
    bool held[SIZE] = {false};
    int count = 0;
    open_all();
    srand(2);
    for (int round = 0; round < 5000; round++) {
        int slot = rand() % SIZE;
        if (rand() % 3 == 0) CHECK(rota_filetab_flush(&table, &calls) == 0);
        if (held[slot]) {
            rota_filetab_drop(&table, slot);
            held[slot] = false;
            count--;
        } else if ((slot = rota_filetab_hold(&table, 0)) >= 0) {
            CHECK(!held[slot]);
            held[slot] = true;
            count++;
        }
    }
    CHECK(rota_filetab_flush(&table, &calls) == 0);
    CHECK(rota_filetab_used(&table) == (uint32_t)count);
    close_all();
}

int main(void)
{
    RUN(test_a_held_slot_works_after_the_flush);
    RUN(test_neighbours_go_in_one_call);
    RUN(test_a_dropped_slot_is_not_given_again_before_the_flush);
    RUN(test_a_refused_descriptor_empties_only_its_own_entry);
    RUN(test_a_dropped_slot_lets_the_peer_see_the_end);
    RUN(test_random_holds_and_drops);
    return check_end();
}
