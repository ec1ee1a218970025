/* An intrusive, circular, doubly linked list: the element carries its links, so nothing is
 * allocated, every operation is O(1), and an element can leave from the middle without knowing
 * which list it is on. A link that is on no list points to itself. */
#ifndef ROTA_LIST_H
#define ROTA_LIST_H

#include "base.h"

typedef struct rota_list {
    struct rota_list *next, *prev;
} rota_list_t;

/* Makes an empty list, or a link that is on no list. */
static inline void rota_list_init(rota_list_t *list)
{
    list->next = list->prev = list;
}

static inline bool rota_list_empty(const rota_list_t *list)
{
    return list->next == list;
}

/* The same question asked of a link: is it on a list? */
static inline bool rota_list_linked(const rota_list_t *link)
{
    return link->next != link;
}

static inline void rota_list_insert_between(rota_list_t *link, rota_list_t *prev, rota_list_t *next)
{
    assert(!rota_list_linked(link));
    link->prev = prev;
    link->next = next;
    prev->next = link;
    next->prev = link;
}

static inline void rota_list_push_back(rota_list_t *list, rota_list_t *link)
{
    rota_list_insert_between(link, list->prev, list);
}

static inline void rota_list_push_front(rota_list_t *list, rota_list_t *link)
{
    rota_list_insert_between(link, list, list->next);
}

/* Harmless for a link that is on no list. */
static inline void rota_list_remove(rota_list_t *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    rota_list_init(link);
}

/* The first link, taken off; NULL when the list is empty. */
static inline rota_list_t *rota_list_pop(rota_list_t *list)
{
    rota_list_t *first = list->next;
    if (first == list) return NULL;
    rota_list_remove(first);
    return first;
}

/* Moves all of `from` behind the last of `list`; `from` is empty afterwards. */
static inline void rota_list_splice_back(rota_list_t *list, rota_list_t *from)
{
    if (rota_list_empty(from)) return;
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    rota_list_init(from);
}

/* A ring: links in a circle without a list, named by the first of them; NULL: none. Half the size,
 * for what there are many of. */

static inline void rota_ring_push_all(rota_list_t **ring, rota_list_t *from)
{
    rota_list_t *added = from->next;
    if (added == from) return;
    rota_list_remove(from); /* what stays is the circle */
    rota_list_t *first = *ring;
    if (!first) {
        *ring = added;
        return;
    }
    rota_list_t *last = added->prev;
    first->prev->next = added;
    added->prev = first->prev;
    first->prev = last;
    last->next = first;
}

/* The first link, taken off; NULL when there is none. */
static inline rota_list_t *rota_ring_pop(rota_list_t **ring)
{
    rota_list_t *first = *ring;
    if (!first) return NULL;
    *ring = rota_list_linked(first) ? first->next : NULL;
    rota_list_remove(first);
    return first;
}

#define ROTA_LIST_ENTRY(link, type, member) ROTA_CONTAINER_OF(link, type, member)

/* The current element must not be removed inside; use rota_list_pop for that. */
#define ROTA_LIST_EACH(list, cursor)                                                               \
    for (rota_list_t *cursor = (list)->next; cursor != (list); cursor = cursor->next)

#endif
