/*
 * The least that a sleep is: a heap of deadlines, and a Fiber#transfer to who is due first. No run
 * queue, no tasks, nothing that could end a sleep before its time, and the interpreter lock is kept
 * while nobody is due. A sleep may last a millisecond longer, so that many share a system call.
 */
#include <ruby.h>

#include "floor.h"

#define SLACK_NS 1000000u

struct sleeper {
    uint64_t due_ns;
    VALUE fiber;
};

static struct sleeper *heap; /* 4-ary, earliest first */
static size_t count, capacity;

static void push(struct sleeper sleeper)
{
    if (count == capacity) {
        capacity = capacity ? capacity * 2 : 64;
        heap = realloc(heap, capacity * sizeof *heap);
        if (!heap) rb_memerror();
    }
    size_t at = count++;
    for (; at > 0 && heap[(at - 1) / 4].due_ns > sleeper.due_ns; at = (at - 1) / 4)
        heap[at] = heap[(at - 1) / 4];
    heap[at] = sleeper;
}

static size_t earliest_child(size_t at)
{
    size_t first = at * 4 + 1, end = first + 4 < count ? first + 4 : count, best = first;
    for (size_t child = first + 1; child < end; child++)
        if (heap[child].due_ns < heap[best].due_ns) best = child;
    return best;
}

static VALUE pop(void)
{
    VALUE fiber = heap[0].fiber;
    struct sleeper last = heap[--count];
    size_t at = 0;
    while (at * 4 + 1 < count) {
        size_t child = earliest_child(at);
        if (heap[child].due_ns >= last.due_ns) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return fiber;
}

static void wait_until(uint64_t due_ns)
{
    struct timespec until = {.tv_sec = (time_t)(due_ns / 1000000000u),
                             .tv_nsec = (long)(due_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
}

/* Lets the other fiber begin; whoever sleeps next comes back here. */
static VALUE begin(VALUE self, VALUE fiber)
{
    push((struct sleeper){0, rb_fiber_current()});
    rb_fiber_transfer(fiber, 0, NULL);
    return self;
}

static VALUE bare_sleep(VALUE self, VALUE seconds)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    VALUE me = rb_fiber_current();
    push((struct sleeper){now + (uint64_t)(NUM2DBL(seconds) * 1e9), me});
    if (heap[0].due_ns > now) wait_until(heap[0].due_ns + SLACK_NS);
    VALUE next = pop();
    if (next != me) rb_fiber_transfer(next, 0, NULL);
    return self;
}

RUBY_FUNC_EXPORTED void Init_bare_sleep(void);

void Init_bare_sleep(void)
{
    VALUE module = rb_define_module("BareSleep");
    rb_define_singleton_method(module, "begin", begin, 1);
    rb_define_singleton_method(module, "sleep", bare_sleep, 1);
}
