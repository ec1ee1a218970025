#include "runtime/zero_copy.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define WORTH_IT (64 * 1024)

/* What is known of a connection. Notifications may come after its end: each that is awaited counts,
 * and so does the descriptor. */
struct rota_route {
    uint32_t holders;
    bool copies; /* the kernel does, or cannot do without */
    rota_loop_t *loop;
};

static void let_go(rota_route_t *route)
{
    if (--route->holders == 0) free(route);
}

void rota_descriptor_forget_route(rota_descriptor_t *descriptor)
{
    if (descriptor->route) let_go(descriptor->route);
    descriptor->route = NULL;
}

static bool is_loopback(const struct in6_addr *address)
{
    bool mapped = IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127;
    return mapped || IN6_IS_ADDR_LOOPBACK(address);
}

/* To where is it? Only the kernel's TCP can do without a copy, and not on the way to itself. */
static bool may_go_without(int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    int type = 0;
    socklen_t type_size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) || type != SOCK_STREAM) return false;
    if (getpeername(fd, (struct sockaddr *)&peer, &size)) return false;
    if (peer.ss_family == AF_INET)
        return ntohl(((struct sockaddr_in *)&peer)->sin_addr.s_addr) >> 24 != 127;
    return peer.ss_family == AF_INET6 && !is_loopback(&((struct sockaddr_in6 *)&peer)->sin6_addr);
}

static rota_route_t *route_of(rota_descriptor_t *descriptor)
{
    if (descriptor->route) return descriptor->route;
    rota_route_t *route = malloc(sizeof *route);
    if (!route) return NULL;
    *route = (rota_route_t){1, !may_go_without(descriptor->fd), descriptor->loop};
    return descriptor->route = route;
}

/* For room at such a peer one of the kernel's few workers would wait: see ring.c. */
static bool peer_sends_no_more(int fd)
{
    struct pollfd question = {.fd = fd, .events = POLLRDHUP};
    return poll(&question, 1, 0) > 0;
}

bool rota_zero_copy_pays(rota_loop_t *loop, VALUE io, size_t length)
{
    if (ROTA_LIKELY(length < WORTH_IT)) return false;
    if (!rota_feature_granted(&loop->engine->features, ROTA_FEATURE_zero_copy_send)) return false;
    if (!io || !rb_typeddata_is_kind_of(io, &rota_descriptor_type)) return false;
    rota_descriptor_t *descriptor = RTYPEDDATA_DATA(io);
    const rota_route_t *route = route_of(descriptor);
    return route && !route->copies && !peer_sends_no_more(descriptor->fd);
}

static void learn(rota_route_t *route, const rota_op_t *op)
{
    if (op->offset) route->copies = true;
}

/* In the turn: the kernel has let go of the memory. */
static void notified(rota_op_t *op)
{
    rota_route_t *route = op->owner;
    if (op->state != ROTA_OP_DONE) return;
    learn(route, op);
    rota_engine_release(route->loop->engine, op);
    let_go(route);
}

void rota_zero_copy_sent(rota_op_t *op, VALUE io)
{
    rota_descriptor_t *descriptor = RTYPEDDATA_DATA(io);
    rota_route_t *route = descriptor->route;
    op->complete = NULL;
    if (!route) return; /* it was closed meanwhile */
    if (op->state == ROTA_OP_DONE) {
        learn(route, op);
        return;
    }
    route->holders++;
    op->owner = route;
    op->complete = notified;
}

bool rota_zero_copy_refused(VALUE io, int32_t result)
{
    rota_descriptor_t *descriptor = RTYPEDDATA_DATA(io);
    /* the latter two: the pages that may be pinned are used up */
    bool refused =
        result == -EOPNOTSUPP || result == -EINVAL || result == -ENOBUFS || result == -ENOMEM;
    if (refused && descriptor->route) descriptor->route->copies = true;
    return refused;
}
