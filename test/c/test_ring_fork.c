/* A forked child keeps nothing of its parent's engine, and may go on asking the dead one. */
#include "drive.h"

#include <sys/wait.h>

static rota_engine_t *engine;

static int run_child(int (*body)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        exit(body()); /* not _exit: the leak checker looks, too */
    }
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

static rota_op_t *receiving, *reading, *accepting, *queued;

static int use_the_dead_engine(void)
{
    CHECK(engine->dead && engine->wake.fd == -1);
    CHECK(engine->api->flush(engine) == -EBADF);
    CHECK(engine->api->wait(engine, 0) == -EBADF);
    CHECK(engine->api->drain(engine) == 0);
    CHECK(!engine->api->ready(engine) && engine->api->unsubmitted(engine) == 0);
    CHECK(engine->api->slot_hold(engine, 0) < 0);
    engine->api->cancel(engine, reading);
    CHECK(reading->state == ROTA_OP_IN_FLIGHT);
    rota_engine_abandon(engine, receiving); /* with shots, whose bytes are the parent's */
    rota_engine_abandon(engine, queued);
    rota_op_t *refused = submit_plain(engine, ROTA_OP_NOP, -1);
    CHECK(refused->state == ROTA_OP_DONE && refused->result == -ECANCELED);
    rota_engine_release(engine, refused);
    rota_wake_up(&engine->wake);
    CHECK(engine->api->close(engine) == 0);

    rota_engine_t *own = open_engine((rota_engine_options_t){0});
    CHECK(result_of(own, submit_plain(own, ROTA_OP_NOP, -1)) == 0);
    close_clean(own);
    return check_failures ? 1 : 0;
}

static void prepare_ops(int pair[2], int listener, int client)
{
    static char byte;
    receiving = submit_plain(engine, ROTA_OP_RECV_MULTI, pair[0]);
    accepting = submit_plain(engine, ROTA_OP_ACCEPT_MULTI, listener);
    turn(engine);
    CHECK(send_all(pair[1], "shot", 4) && client >= 0);
    turn(engine);
    reading = submit_bytes(engine, ROTA_OP_RECV, client, &byte, 1);
    turn(engine);
    while (engine->stats.queued == 0) queued = submit_plain(engine, ROTA_OP_NOP, -1);
}

static void settle_in_parent(void)
{
    char bytes[8];
    CHECK(take_bytes(engine, receiving, bytes) == 4 && !memcmp(bytes, "shot", 4));
    rota_engine_abandon(engine, receiving);
    rota_engine_abandon(engine, accepting);
    engine->api->cancel(engine, reading);
    CHECK(result_of(engine, reading) == -ECANCELED);
    while (engine->api->unsubmitted(engine) > 0) turn(engine);
    for (uint32_t i = 0; i < rota_ops_capacity(&engine->ops); i++) {
        rota_op_t *op = rota_op_at(&engine->ops, i);
        if (op->state == ROTA_OP_DONE) rota_engine_release(engine, op);
    }
    close_clean(engine);
}

static void test_the_child_may_use_the_dead_engine(void)
{
    struct sockaddr_in address;
    int pair[2], listener = listen_tcp(&address), client = connect_tcp(&address);
    make_pair(pair);
    engine = open_engine((rota_engine_options_t){.entries = 2});
    prepare_ops(pair, listener, client);
    CHECK(run_child(use_the_dead_engine) == 0);
    CHECK(!engine->dead);
    settle_in_parent();
    close(client);
    close(listener);
    close_pair(pair);
}

/* Does the peer's end come within two seconds? The teardown of an earlier ring of this thread may
 * interrupt a limited recv. */
static bool sees_the_end(int fd)
{
    struct timeval limit = {.tv_sec = 2};
    ssize_t received;
    char byte;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    do received = recv(fd, &byte, 1, 0);
    while (received < 0 && errno == EINTR);
    return received == 0;
}

static int ready_pipe[2], go_pipe[2];

static int outlive_the_parents_engine(void)
{
    char byte = 0;
    if (write(ready_pipe[1], "r", 1) != 1) return 1;
    return read(go_pipe[0], &byte, 1) == 1 ? 0 : 1;
}

/* The parent closes a connection that its ring was receiving from and had in its file table, while
 * the child lives. The peer sees the end at once. */
static void test_the_child_does_not_delay_the_end_of_connections(void)
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address), client = connect_tcp(&address), status = 0;
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char byte;
    engine = open_engine((rota_engine_options_t){0});
    int slot = engine->api->slot_hold(engine, server);
    rota_op_t *op = submit_plain(engine, ROTA_OP_RECV_MULTI, server);
    turn(engine);
    REQUIRE(pipe2(ready_pipe, O_CLOEXEC) == 0 && pipe2(go_pipe, O_CLOEXEC) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(server); /* the child's own copy is not in question */
        _exit(outlive_the_parents_engine());
    }
    CHECK(read(ready_pipe[0], &byte, 1) == 1);
    close(server);
    if (slot >= 0) engine->api->slot_drop(engine, slot);
    rota_engine_abandon(engine, op);
    close_clean(engine);
    CHECK(sees_the_end(client));
    CHECK(write(go_pipe[1], "g", 1) == 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close_pair(ready_pipe);
    close_pair(go_pipe);
    close(client);
    close(listener);
}

/* The parent does not even close its ring: it dies, and the child lives on. */
static void test_the_parents_death_ends_its_connections(void)
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address), client = connect_tcp(&address);
    char byte;
    REQUIRE(pipe2(ready_pipe, O_CLOEXEC) == 0 && pipe2(go_pipe, O_CLOEXEC) == 0);
    fflush(stdout);
    pid_t parent = fork();
    if (parent == 0) {
        int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        engine = open_engine((rota_engine_options_t){0});
        submit_plain(engine, ROTA_OP_RECV_MULTI, server);
        turn(engine);
        pid_t child = fork();
        if (child == 0) {
            close(server);
            _exit(outlive_the_parents_engine());
        }
        _exit(child > 0 ? 0 : 1);
    }
    int status = 0;
    CHECK(waitpid(parent, &status, 0) == parent && status == 0);
    CHECK(read(ready_pipe[0], &byte, 1) == 1);
    CHECK(sees_the_end(client));
    CHECK(write(go_pipe[1], "g", 1) == 1);
    close_pair(ready_pipe);
    close_pair(go_pipe);
    close(client);
    close(listener);
}

static void run_all(void)
{
    RUN(test_the_child_may_use_the_dead_engine);
    RUN(test_the_child_does_not_delay_the_end_of_connections);
    RUN(test_the_parents_death_ends_its_connections);
}

int main(void)
{
    on_epoll = true;
    run_all();
    on_epoll = false;
    run_all();
    return check_end();
}
