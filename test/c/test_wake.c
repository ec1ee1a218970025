#include "check.h"
#include "wake.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

static rota_wake_t wake;

/* What a loop does in its ring's READ. */
static bool read_eventfd(int timeout_ms)
{
    struct pollfd pollfd = {.fd = wake.fd, .events = POLLIN};
    uint64_t count;
    if (poll(&pollfd, 1, timeout_ms) <= 0) return false;
    return read(wake.fd, &count, sizeof count) == sizeof count;
}

static void test_an_awake_loop_is_not_written_to(void)
{
    CHECK(rota_wake_open(&wake) == 0);
    rota_wake_up(&wake);
    rota_wake_up(&wake);
    CHECK(atomic_load(&wake.writes) == 0);
    CHECK(!rota_wake_prepare(&wake)); /* do not sleep */
    CHECK(rota_wake_finish(&wake));
    CHECK(rota_wake_prepare(&wake));
    CHECK(!rota_wake_finish(&wake));
    rota_wake_close(&wake);
    CHECK(wake.fd == -1);
}

static void test_one_write_per_burst(void)
{
    CHECK(rota_wake_open(&wake) == 0);
    CHECK(rota_wake_prepare(&wake));
    for (int i = 0; i < 10; i++) rota_wake_up(&wake);
    CHECK(atomic_load(&wake.writes) == 1);
    CHECK(read_eventfd(0));
    CHECK(rota_wake_finish(&wake));
    CHECK(rota_wake_prepare(&wake));
    CHECK(!rota_wake_finish(&wake));
    rota_wake_close(&wake);
}

static void test_errno_survives(void)
{
    CHECK(rota_wake_open(&wake) == 0);
    CHECK(rota_wake_prepare(&wake));
    close(wake.fd);
    errno = ENOTTY;
    rota_wake_up(&wake);
    CHECK(errno == ENOTTY);
    wake.fd = -1;
}

enum { SENDERS = 4, MESSAGES = 20000 };

static atomic_int mailbox;

static void *send_messages(void *unused)
{
    (void)unused;
    for (int i = 0; i < MESSAGES; i++) {
        atomic_fetch_add(&mailbox, 1);
        rota_wake_up(&wake);
        if (i % 64 == 0) usleep(10);
    }
    return NULL;
}

/* A lost wake-up shows as a sleep that runs into its limit with a message in the box. */
static int receive_messages(int expected)
{
    int received = 0, lost = 0;
    while (received < expected && lost == 0) {
        bool sleeps = rota_wake_prepare(&wake);
        int found = atomic_exchange(&mailbox, 0);
        if (sleeps && found == 0 && !read_eventfd(2000)) lost++;
        rota_wake_finish(&wake);
        received += found + atomic_exchange(&mailbox, 0);
    }
    return lost;
}

static void test_no_wake_up_is_lost(void)
{
    pthread_t threads[SENDERS];
    CHECK(rota_wake_open(&wake) == 0);
    for (int i = 0; i < SENDERS; i++) pthread_create(&threads[i], NULL, send_messages, NULL);
    CHECK(receive_messages(SENDERS * MESSAGES) == 0);
    for (int i = 0; i < SENDERS; i++) pthread_join(threads[i], NULL);
    CHECK(atomic_load(&mailbox) == 0);
    CHECK(atomic_load(&wake.writes) <= SENDERS * MESSAGES);
    rota_wake_close(&wake);
}

int main(void)
{
    RUN(test_an_awake_loop_is_not_written_to);
    RUN(test_one_write_per_burst);
    RUN(test_errno_survives);
    RUN(test_no_wake_up_is_lost);
    return check_end();
}
