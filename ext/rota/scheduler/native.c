#include "scheduler/native.h"

#include "core/base.h"

#include <poll.h>

void rota_native_sleep(uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) {
        rb_thread_sleep_forever();
        return;
    }
    uint64_t now_ns = rota_now_ns();
    if (deadline_ns <= now_ns) return;
    uint64_t left_ns = deadline_ns - now_ns;
    rb_thread_wait_for((struct timeval){
        .tv_sec = (time_t)(left_ns / (uint64_t)ROTA_NS_PER_S),
        .tv_usec = (suseconds_t)(left_ns % (uint64_t)ROTA_NS_PER_S / 1000 + 1),
    });
}

struct polling {
    struct pollfd descriptor;
    int timeout_ms;
    int result;
};

static void *poll_without_gvl(void *data)
{
    struct polling *polling = data;
    int count = poll(&polling->descriptor, 1, polling->timeout_ms);
    polling->result = count < 0 ? -errno : count;
    return NULL;
}

static int milliseconds_until(uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) return -1;
    uint64_t now_ns = rota_now_ns();
    if (deadline_ns <= now_ns) return 0;
    uint64_t left_ms = (deadline_ns - now_ns + ROTA_NS_PER_MS - 1) / (uint64_t)ROTA_NS_PER_MS;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

int rota_native_poll(int fd, short events, uint64_t deadline_ns)
{
    struct polling polling = {.descriptor = {.fd = fd, .events = events}};
    do {
        polling.timeout_ms = milliseconds_until(deadline_ns);
        polling.result = -EINTR;
        rb_nogvl(poll_without_gvl, &polling, RUBY_UBF_IO, NULL, 0);
        rb_thread_check_ints();
    } while (polling.result == -EINTR);
    return polling.result > 0 ? polling.descriptor.revents : polling.result;
}
