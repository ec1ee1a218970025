#include "watch.h"

#include <unistd.h>

/* The upper half of an event's data is a generation, the lower half a number; generation 0 is for
 * descriptors of the engine's own. */
static uint64_t data_of(const rota_watch_t *watch)
{
    return (uint64_t)watch->generation << 32 | (uint32_t)watch->fd;
}

static uint32_t next_generation(rota_watches_t *watches)
{
    if (++watches->generations == 0) watches->generations = 1;
    return watches->generations;
}

int rota_watches_open(rota_watches_t *watches)
{
    *watches = (rota_watches_t){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .own = {-1, -1}};
    return watches->epoll_fd < 0 ? -errno : 0;
}

void rota_watches_close(rota_watches_t *watches)
{
    for (uint32_t fd = 0; fd < watches->capacity; fd++) {
        rota_watch_t *watch = watches->watches[fd];
        if (watch && watch->moved && watches->epoll_fd >= 0) close(watch->fd);
        free(watch);
    }
    free(watches->watches);
    if (watches->epoll_fd >= 0) close(watches->epoll_fd);
    *watches = (rota_watches_t){.epoll_fd = -1};
}

void rota_watches_drop_in_child(rota_watches_t *watches)
{
    for (uint32_t fd = 0; fd < watches->capacity; fd++) {
        const rota_watch_t *watch = watches->watches[fd];
        if (watch && watch->moved) close(watch->fd);
    }
    close(watches->epoll_fd);
    watches->epoll_fd = -1;
}

static int add_own(int epoll_fd, int fd, uint32_t tag)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = tag};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int rota_watches_add_own(rota_watches_t *watches, int fd, uint32_t tag)
{
    assert(tag > 0 && tag <= ROTA_WATCHES_OWN_MAX);
    int status = add_own(watches->epoll_fd, fd, tag);
    if (status == 0) watches->own[tag - 1] = fd;
    return status;
}

uint32_t rota_watches_own_tag(const struct epoll_event *event)
{
    return event->data.u64 <= UINT32_MAX ? (uint32_t)event->data.u64 : 0;
}

rota_watch_t *rota_watches_find(const rota_watches_t *watches, int fd)
{
    bool known = fd >= 0 && (uint32_t)fd < watches->capacity;
    return known ? watches->watches[fd] : NULL;
}

static bool grow(rota_watches_t *watches, uint32_t count)
{
    uint32_t capacity = watches->capacity ? watches->capacity : 64;
    while (capacity < count) capacity *= 2;
    if (capacity == watches->capacity) return true;
    rota_watch_t **table = realloc(watches->watches, capacity * sizeof *table);
    if (!table) return false;
    memset(table + watches->capacity, 0, (capacity - watches->capacity) * sizeof *table);
    watches->watches = table;
    watches->capacity = capacity;
    return true;
}

rota_watch_t *rota_watches_get(rota_watches_t *watches, int fd)
{
    assert(fd >= 0);
    if (!grow(watches, (uint32_t)fd + 1)) return NULL;
    rota_watch_t *watch = watches->watches[fd];
    if (watch) return watch;
    watch = calloc(1, sizeof *watch);
    if (!watch) return NULL;
    watch->fd = fd;
    watch->generation = next_generation(watches);
    watches->watches[fd] = watch;
    return watch;
}

rota_watch_t *rota_watches_of_event(const rota_watches_t *watches, const struct epoll_event *event)
{
    rota_watch_t *watch = rota_watches_find(watches, (int)(uint32_t)event->data.u64);
    return watch && data_of(watch) == event->data.u64 ? watch : NULL;
}

static uint32_t events_for(const rota_watch_t *watch)
{
    if (watch->edges) return watch->wanted | EPOLLET;
    return watch->multishots ? watch->wanted : watch->wanted | EPOLLONESHOT;
}

static int control(const rota_watches_t *watches, int operation, const rota_watch_t *watch)
{
    struct epoll_event event = {.events = events_for(watch), .data.u64 = data_of(watch)};
    return epoll_ctl(watches->epoll_fd, operation, watch->fd, &event) < 0 ? -errno : 0;
}

int rota_watch_arm(rota_watches_t *watches, rota_watch_t *watch, bool *replaced)
{
    int status = -ENOENT;
    *replaced = false;
    if (watch->registered) {
        status = control(watches, EPOLL_CTL_MOD, watch);
        *replaced = status == -ENOENT;
        if (*replaced) rota_watch_forget(watches, watch);
    }
    if (status == -ENOENT) {
        status = control(watches, EPOLL_CTL_ADD, watch);
        if (status == -EEXIST) status = control(watches, EPOLL_CTL_MOD, watch);
    }
    watch->registered = status == 0;
    watch->armed = status == 0 ? events_for(watch) : 0;
    return status;
}

bool rota_watch_is_armed(const rota_watch_t *watch)
{
    return watch->armed == events_for(watch);
}

void rota_watch_fired(rota_watch_t *watch)
{
    if (watch->armed & EPOLLONESHOT) watch->armed = 0;
}

void rota_watch_disarm(rota_watches_t *watches, rota_watch_t *watch)
{
    watch->wanted = 0;
    if (!watch->armed) return;
    watch->armed = 0;
    watch->registered = false;
    /* It was closed, or is another file's: then the registration lives by a duplicate. */
    if (epoll_ctl(watches->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL) < 0) watches->stale = true;
}

void rota_watch_forget(rota_watches_t *watches, rota_watch_t *watch)
{
    watch->generation = next_generation(watches);
    watch->registered = false;
    watch->armed = 0;
    watch->allowed = 0;
}

int rota_watch_move(rota_watches_t *watches, rota_watch_t *watch, int fd)
{
    rota_watch_t *other = rota_watches_get(watches, fd);
    if (!other) return -ENOMEM;
    assert(rota_chain_empty(&other->waiting));
    watches->watches[watch->fd] = other;
    watches->watches[fd] = watch;
    other->fd = watch->fd;
    rota_watch_forget(watches, other);
    watch->fd = fd;
    rota_watch_forget(watches, watch);
    return 0;
}

/* What somebody waits for is registered again, which reports once more what is ready now. */
static int copy_to(const rota_watches_t *watches, int epoll_fd)
{
    rota_watches_t copy = {.epoll_fd = epoll_fd};
    for (uint32_t tag = 1; tag <= ROTA_WATCHES_OWN_MAX; tag++) {
        int fd = watches->own[tag - 1];
        int status = fd >= 0 ? add_own(epoll_fd, fd, tag) : 0;
        if (status < 0) return status;
    }
    for (uint32_t fd = 0; fd < watches->capacity; fd++) {
        rota_watch_t *watch = watches->watches[fd];
        if (!watch) continue;
        if (rota_chain_empty(&watch->waiting)) watch->armed = 0;
        int status = watch->armed ? control(&copy, EPOLL_CTL_ADD, watch) : -ENOENT;
        if (status == -ENOMEM || status == -ENOSPC) return status;
        watch->registered = status == 0;
    }
    return 0;
}

int rota_watches_renew(rota_watches_t *watches)
{
    if (ROTA_LIKELY(!watches->stale)) return 0;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) return -errno;
    int status = copy_to(watches, epoll_fd);
    if (status < 0) {
        close(epoll_fd);
        return status;
    }
    close(watches->epoll_fd);
    watches->epoll_fd = epoll_fd;
    watches->stale = false;
    return 0;
}
