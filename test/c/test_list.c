#include "check.h"
#include "list.h"

typedef struct item {
    int value;
    rota_list_t link;
} item_t;

static item_t items[4];

static void reset(void)
{
    for (int i = 0; i < 4; i++) {
        items[i].value = i;
        rota_list_init(&items[i].link);
    }
}

static int pop_value(rota_list_t *list)
{
    rota_list_t *link = rota_list_pop(list);
    return link ? ROTA_LIST_ENTRY(link, item_t, link)->value : -1;
}

static void test_leaves_in_the_order_of_arrival(void)
{
    rota_list_t list;
    reset();
    rota_list_init(&list);
    CHECK(rota_list_empty(&list));
    for (int i = 0; i < 3; i++) rota_list_push_back(&list, &items[i].link);
    rota_list_push_front(&list, &items[3].link);
    CHECK(!rota_list_empty(&list));
    CHECK(pop_value(&list) == 3);
    for (int i = 0; i < 3; i++) CHECK(pop_value(&list) == i);
    CHECK(pop_value(&list) == -1);
}

static void test_leaves_from_the_middle_without_knowing_the_list(void)
{
    rota_list_t list;
    reset();
    rota_list_init(&list);
    for (int i = 0; i < 3; i++) rota_list_push_back(&list, &items[i].link);
    CHECK(rota_list_linked(&items[1].link));
    rota_list_remove(&items[1].link);
    CHECK(!rota_list_linked(&items[1].link));
    rota_list_remove(&items[1].link); /* harmless */
    CHECK(pop_value(&list) == 0);
    CHECK(pop_value(&list) == 2);
    CHECK(rota_list_empty(&list));
}

static void test_splice_keeps_the_order_and_empties_the_other(void)
{
    rota_list_t list, other;
    reset();
    rota_list_init(&list);
    rota_list_init(&other);
    rota_list_splice_back(&list, &other);
    CHECK(rota_list_empty(&list));
    rota_list_push_back(&list, &items[0].link);
    rota_list_push_back(&other, &items[1].link);
    rota_list_push_back(&other, &items[2].link);
    rota_list_splice_back(&list, &other);
    CHECK(rota_list_empty(&other));
    int expected = 0;
    ROTA_LIST_EACH(&list, link) {
        CHECK(ROTA_LIST_ENTRY(link, item_t, link)->value == expected++);
    }
    CHECK(expected == 3);
    while (rota_list_pop(&list)) continue;
    rota_list_push_back(&other, &items[0].link);
    rota_list_splice_back(&list, &other); /* onto an empty list */
    CHECK(pop_value(&list) == 0);
    CHECK(rota_list_empty(&list));
}

static void test_a_ring_is_a_list_without_a_head(void)
{
    rota_list_t list, *ring = NULL;
    reset();
    rota_list_init(&list);
    rota_ring_push_all(&ring, &list);
    CHECK(!ring && !rota_ring_pop(&ring));
    for (int i = 0; i < 4; i++) {
        rota_list_push_back(&list, &items[i].link);
        if (i != 2) rota_ring_push_all(&ring, &list); /* one, one, two */
        CHECK(i == 2 || rota_list_empty(&list));
    }
    for (int i = 0; i < 4; i++) {
        rota_list_t *link = rota_ring_pop(&ring);
        CHECK(link && ROTA_LIST_ENTRY(link, item_t, link)->value == i);
        CHECK(!rota_list_linked(link));
    }
    CHECK(!ring);
}

int main(void)
{
    RUN(test_leaves_in_the_order_of_arrival);
    RUN(test_leaves_from_the_middle_without_knowing_the_list);
    RUN(test_a_ring_is_a_list_without_a_head);
    RUN(test_splice_keeps_the_order_and_empties_the_other);
    return check_end();
}
