/* The kinds that only files know, through both engines, and what is had of a file at once. */
#include "attempt.h"
#include "disk.h"
#include "drive.h"
#include "names.h"

#include <stdio.h>

static rota_engine_t *engine;
static char folder[] = "/tmp/rota-disk-XXXXXX";

static char *path_to(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void make(const char *name, size_t size)
{
    static char zeroes[8192];
    int fd = open(path_to(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    REQUIRE(fd >= 0 && size <= sizeof zeroes);
    CHECK(write(fd, zeroes, size) == (ssize_t)size && fsync(fd) == 0);
    close(fd);
}

static rota_op_t *named(rota_op_kind_t kind, const char *path, const char *other)
{
    size_t length = strlen(path) + 1, more = other ? strlen(other) + 1 : 0;
    rota_op_t *op = new_op(engine, kind, AT_FDCWD);
    rota_names_t *names = calloc(1, sizeof *names + length + more);
    REQUIRE(names != NULL);
    char *text = (char *)(names + 1);
    names->path = memcpy(text, path, length);
    if (other) names->other = memcpy(text + length, other, more);
    names->other_directory = AT_FDCWD;
    op->memory = op->payload = names;
    op->offset = 0;
    return op;
}

static int32_t result_named(rota_op_kind_t kind, const char *path, const char *other)
{
    return result_of(engine, submit(engine, named(kind, path, other)));
}

static rota_op_t *opening(const char *name, uint32_t flags)
{
    rota_op_t *op = named(ROTA_OP_OPENAT, path_to(name), NULL);
    op->request_flags = flags | O_CLOEXEC | O_NONBLOCK;
    op->length = 0666;
    return op;
}

static void test_names(void)
{
    rota_op_t *op = named(ROTA_OP_MKDIRAT, path_to("dir"), NULL);
    op->length = 0777;
    CHECK(result_of(engine, submit(engine, op)) == 0);
    CHECK(result_named(ROTA_OP_MKDIRAT, path_to("dir"), NULL) == -EEXIST);
    make("a", 10);
    CHECK(result_named(ROTA_OP_LINKAT, path_to("a"), path_to("b")) == 0);
    CHECK(result_named(ROTA_OP_SYMLINKAT, path_to("soft"), "b") == 0);
    CHECK(result_named(ROTA_OP_RENAMEAT, path_to("a"), path_to("dir/c")) == 0);
    CHECK(result_named(ROTA_OP_UNLINKAT, path_to("a"), NULL) == -ENOENT);
    CHECK(result_named(ROTA_OP_UNLINKAT, path_to("dir/c"), NULL) == 0);
    CHECK(result_named(ROTA_OP_UNLINKAT, path_to("b"), NULL) == 0);
    CHECK(result_named(ROTA_OP_UNLINKAT, path_to("soft"), NULL) == 0);
    op = named(ROTA_OP_UNLINKAT, path_to("dir"), NULL);
    op->request_flags = AT_REMOVEDIR;
    CHECK(result_of(engine, submit(engine, op)) == 0);
}

static void test_a_descriptor(void)
{
    rota_op_t *op = opening("a", O_RDWR | O_CREAT);
    int fd = result_of(engine, submit(engine, op));
    REQUIRE(fd >= 0);
    op = new_op(engine, ROTA_OP_FALLOCATE, fd);
    op->offset = UINT64_C(5) << 30;
    op->extent = 4096;
    CHECK(result_of(engine, submit(engine, op)) == 0);
    op = named(ROTA_OP_STATX, path_to("a"), NULL);
    op->length = STATX_SIZE;
    submit(engine, op);
    CHECK(until_done(engine, op));
    const rota_names_t *names = op->payload;
    CHECK(names->stat.stx_size == (UINT64_C(5) << 30) + 4096);
    rota_engine_release(engine, op);
    op = new_op(engine, ROTA_OP_FTRUNCATE, fd);
    op->offset = 3;
    CHECK(result_of(engine, submit(engine, op)) == 0);
    CHECK(lseek(fd, 0, SEEK_END) == 3);
    op = new_op(engine, ROTA_OP_FADVISE, fd);
    op->offset = 0;
    op->extent = UINT64_C(1) << 40;
    op->request_flags = POSIX_FADV_WILLNEED;
    CHECK(result_of(engine, submit(engine, op)) == 0);
    CHECK(result_of(engine, submit_plain(engine, ROTA_OP_FSYNC, fd)) == 0);
    close(fd);
}

static void test_places_of_what_has_none(void)
{
    char byte;
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *op = new_op(engine, ROTA_OP_READ, ends[0]);
    op->memory = &byte;
    op->length = 1;
    op->offset = 0;
    CHECK(result_of(engine, submit(engine, op)) == -ESPIPE);
    close_pair(ends);
}

/* What an open gives that nobody waits for any more is closed, whenever that was. */
static void test_nobody_takes_a_descriptor(void)
{
    int before = count_descriptors();
    make("a", 10);
    for (int i = 0; i < 60; i++) {
        rota_op_t *op = submit(engine, opening("a", O_RDONLY));
        if (i % 3 == 1) turn(engine);
        if (i % 3 == 2) until_done(engine, op);
        if (i % 2) engine->api->cancel(engine, op);
        rota_engine_abandon(engine, op);
        turn(engine);
    }
    uint64_t limit = rota_now_ns() + 5 * (uint64_t)ROTA_NS_PER_S;
    while (engine->ops.in_use && rota_now_ns() < limit) turn_waiting(engine);
    CHECK(engine->ops.in_use == 0);
    CHECK(count_descriptors() <= before + 1); /* the helpers' eventfd */
}

/* --- at once ------------------------------------------------------------------------------ */

static int32_t attempted(rota_op_t *op)
{
    int32_t result = rota_disk_attempt(op);
    rota_engine_release(engine, op);
    return result;
}

static void test_what_is_had_at_once(void)
{
    make("full", 8192);
    make("empty", 0);
    int fd = attempted(opening("full", O_RDONLY));
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK(access(path_to("none"), F_OK) < 0); /* now that is known */
    CHECK(attempted(opening("none", O_RDONLY)) == -ENOENT);
    fd = attempted(opening("new", O_WRONLY | O_CREAT | O_TRUNC));
    CHECK(fd >= 0 && close(fd) == 0);
    fd = attempted(opening("empty", O_WRONLY | O_CREAT | O_TRUNC));
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK(attempted(named(ROTA_OP_UNLINKAT, path_to("empty"), NULL)) == 0);
    CHECK(attempted(named(ROTA_OP_RENAMEAT, path_to("full"), path_to("new"))) == 0);
}

/* A little goes into the page cache; what has to reach a disk, and more, is somebody else's. */
static void test_writes_at_its_own_position(void)
{
    static char bytes[2 * ROTA_DISK_LITTLE];
    make("own", 0);
    int fd = open(path_to("own"), O_RDWR | O_CLOEXEC);
    int synchronous = open(path_to("own"), O_WRONLY | O_DSYNC | O_CLOEXEC);
    int appending = open(path_to("own"), O_WRONLY | O_APPEND | O_CLOEXEC);
    CHECK(rota_disk_write(fd, "abc", 3) == 3);
    CHECK(rota_disk_write(fd, bytes, ROTA_DISK_LITTLE) == ROTA_DISK_LITTLE);
    CHECK(lseek(fd, 0, SEEK_CUR) == 3 + ROTA_DISK_LITTLE);
    int32_t much = rota_disk_write(fd, bytes, sizeof bytes);
    CHECK(much == ROTA_ATTEMPT_BLOCKS ||
          much > 0); /* not every file system copies it by a worker */
    CHECK(rota_disk_write(synchronous, "abc", 3) == ROTA_ATTEMPT_BLOCKS);
    off_t end = lseek(fd, 0, SEEK_END);
    CHECK(rota_disk_write(appending, "end", 3) == 3);
    CHECK(pread(fd, bytes, 3, end) == 3 && memcmp(bytes, "end", 3) == 0);
    CHECK(rota_disk_write(-1, "abc", 3) == -EBADF);
    int reading = open(path_to("own"), O_RDONLY | O_CLOEXEC);
    CHECK(rota_disk_write(reading, "abc", 3) == -EBADF);
    CHECK(close(fd) == 0 && close(synchronous) == 0 && close(appending) == 0 &&
          close(reading) == 0);
}

/* Blocks of a disk are freed by somebody else. */
static void test_what_is_not(void)
{
    make("full", 8192);
    make("other", 10);
    CHECK(attempted(opening("full", O_WRONLY | O_CREAT | O_TRUNC)) == ROTA_ATTEMPT_BLOCKS);
    CHECK(attempted(named(ROTA_OP_UNLINKAT, path_to("full"), NULL)) == ROTA_ATTEMPT_BLOCKS);
    CHECK(attempted(named(ROTA_OP_RENAMEAT, path_to("other"), path_to("full"))) ==
          ROTA_ATTEMPT_BLOCKS);
    CHECK(attempted(new_op(engine, ROTA_OP_FSYNC, 0)) == ROTA_ATTEMPT_BLOCKS);
    CHECK(attempted(new_op(engine, ROTA_OP_FTRUNCATE, 0)) == ROTA_ATTEMPT_BLOCKS);
    CHECK(link(path_to("full"), path_to("twin")) == 0);
    CHECK(attempted(named(ROTA_OP_UNLINKAT, path_to("full"), NULL)) == 0);
    CHECK(attempted(named(ROTA_OP_UNLINKAT, path_to("twin"), NULL)) == ROTA_ATTEMPT_BLOCKS);
}

static void test_all(rota_engine_options_t options)
{
    engine = open_engine(options);
    RUN(test_names);
    RUN(test_a_descriptor);
    RUN(test_places_of_what_has_none);
    RUN(test_nobody_takes_a_descriptor);
    close_clean(engine);
}

static void remove_folder(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
}

int main(void)
{
    REQUIRE(mkdtemp(folder) != NULL);
    on_epoll = true;
    test_all((rota_engine_options_t){0});
    test_all((rota_engine_options_t){.slow_files = true});
    engine = open_engine((rota_engine_options_t){0});
    RUN(test_what_is_had_at_once);
    RUN(test_what_is_not);
    RUN(test_writes_at_its_own_position);
    close_clean(engine);
    remove_folder();
    on_epoll = false;
    REQUIRE(mkdir(folder, 0700) == 0);
    atexit(remove_folder);
    test_all((rota_engine_options_t){0});
    test_all((rota_engine_options_t){.entries = 2, .hidden = HIDE(ftruncate)});
    return check_end();
}
