#include "check.h"
#include "heap.h"

enum { TIMERS = 500, ROUNDS = 20000 };

static rota_timer_t timers[TIMERS];
static rota_heap_t heap;

static void reset(void)
{
    rota_heap_init(&heap);
    memset(timers, 0, sizeof timers);
}

/* The oracle: the smallest deadline of the armed timers, by looking at all of them. */
static uint64_t earliest(void)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < TIMERS; i++) {
        if (rota_timer_armed(&timers[i]) && timers[i].deadline_ns < best) {
            best = timers[i].deadline_ns;
        }
    }
    return best;
}

static bool consistent(void)
{
    for (uint32_t i = 0; i < heap.count; i++) {
        const rota_heap_entry_t *entry = &heap.entries[i];
        const rota_heap_seat_t *seat = &heap.seats[entry->seat];
        if (entry->seat >= heap.used_seats || seat->position != i) return false;
        if (seat->timer->seat != entry->seat + 1) return false;
        if (seat->timer->deadline_ns != entry->deadline_ns) return false;
        if (i > 0 && heap.entries[(i - 1) / 4].deadline_ns > entry->deadline_ns) return false;
    }
    uint32_t free_seats = 0;
    for (uint32_t seat = heap.free_seat; seat; seat = heap.seats[seat - 1].position) free_seats++;
    if (heap.count + free_seats != heap.used_seats) return false;
    return heap.used_seats <= heap.capacity && rota_heap_next_ns(&heap) == earliest();
}

static rota_timer_t *pop_due(uint64_t now_ns)
{
    rota_timer_t *timer = NULL;
    return rota_heap_take_due(&heap, now_ns, &timer, 1) ? timer : NULL;
}

static void test_empty(void)
{
    reset();
    CHECK(rota_heap_next_ns(&heap) == UINT64_MAX);
    CHECK(!pop_due(UINT64_MAX));
    rota_heap_remove(&heap, &timers[0]); /* harmless */
    rota_heap_free(&heap);
}

static void test_pops_only_what_is_due(void)
{
    reset();
    CHECK(rota_heap_insert(&heap, &timers[0], 20) == 0);
    CHECK(rota_heap_insert(&heap, &timers[1], 10) == 0);
    CHECK(rota_heap_next_ns(&heap) == 10);
    CHECK(!pop_due(9));
    CHECK(pop_due(10) == &timers[1]);
    CHECK(!rota_timer_armed(&timers[1]) && rota_timer_armed(&timers[0]));
    CHECK(!pop_due(19));
    CHECK(pop_due(100) == &timers[0]);
    CHECK(heap.count == 0);
    rota_heap_free(&heap);
}

static void test_a_deadline_that_never_comes(void)
{
    reset();
    CHECK(rota_heap_insert(&heap, &timers[0], UINT64_MAX) == 0);
    CHECK(!pop_due(UINT64_MAX - 1));
    CHECK(pop_due(UINT64_MAX) == &timers[0]);
    rota_heap_free(&heap);
}

static void test_takes_many_in_order(void)
{
    rota_timer_t *due[4];
    reset();
    for (uint32_t i = 0; i < 6; i++) CHECK(rota_heap_insert(&heap, &timers[i], 10 * (6 - i)) == 0);
    CHECK(rota_heap_take_due(&heap, 9, due, 4) == 0);
    CHECK(rota_heap_take_due(&heap, 55, due, 4) == 4);
    for (uint32_t i = 0; i < 4; i++) CHECK(due[i] == &timers[5 - i] && !rota_timer_armed(due[i]));
    CHECK(consistent());
    CHECK(rota_heap_take_due(&heap, 55, due, 4) == 1 && due[0] == &timers[1]);
    CHECK(heap.count == 1 && rota_timer_armed(&timers[0]));
    rota_heap_free(&heap);
}

static void toggle(rota_timer_t *timer)
{
    if (rota_timer_armed(timer)) {
        rota_heap_remove(&heap, timer);
    } else {
        CHECK(rota_heap_insert(&heap, timer, (uint64_t)(rand() % 1000)) == 0);
    }
}

static void test_against_the_oracle(void)
{
    reset();
    srand(1);
    bool good = true;
    for (int round = 0; round < ROUNDS; round++) {
        toggle(&timers[rand() % TIMERS]);
        if (rand() % 8 == 0) {
            uint64_t now = (uint64_t)(rand() % 1000), first = earliest();
            rota_timer_t *timer = pop_due(now);
            good = good && (timer ? timer->deadline_ns == first && first <= now : first > now);
        }
        if (round % 16 == 0) good = good && consistent();
    }
    CHECK(good);
    uint64_t last = 0;
    for (rota_timer_t *timer; (timer = pop_due(UINT64_MAX));) {
        good = good && timer->deadline_ns >= last;
        last = timer->deadline_ns;
    }
    CHECK(good && heap.count == 0);
    rota_heap_free(&heap);
}

static void test_shrinks_when_mostly_empty(void)
{
    reset();
    for (int i = 0; i < TIMERS; i++) rota_heap_insert(&heap, &timers[i], (uint64_t)i);
    uint32_t full = heap.capacity;
    for (int i = 0; i < TIMERS - 3; i++) rota_heap_remove(&heap, &timers[i]);
    CHECK(heap.capacity < full / 4);
    CHECK(heap.count == 3 && consistent());
    for (int i = 0; i < TIMERS - 3; i++) rota_heap_insert(&heap, &timers[i], (uint64_t)i);
    CHECK(heap.count == TIMERS && consistent());
    rota_heap_free(&heap);
}

int main(void)
{
    RUN(test_empty);
    RUN(test_pops_only_what_is_due);
    RUN(test_a_deadline_that_never_comes);
    RUN(test_takes_many_in_order);
    RUN(test_against_the_oracle);
    RUN(test_shrinks_when_mostly_empty);
    return check_end();
}
