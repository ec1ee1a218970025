#include "check.h"
#include "engine.h"

#include <poll.h>
#include <unistd.h>

static void test_smoke(void)
{
    char why[256] = "";
    rota_engine_t *engine = NULL;
    rota_engine_options_t options = {0};
    int status = rota_ring_open(&options, &engine, why, sizeof why);
    if (!CHECK(status == 0)) {
        printf("%s\n", why);
        return;
    }
    int ends[2];
    CHECK(pipe(ends) == 0);
    char byte = 0;
    rota_op_t *op = rota_op_take(&engine->ops);
    op->kind = ROTA_OP_READ;
    op->fd = ends[0];
    op->memory = &byte;
    op->length = 1;
    op->offset = UINT64_MAX;
    engine->api->submit(engine, op);
    CHECK(engine->api->flush(engine) == 0);
    CHECK(write(ends[1], "z", 1) == 1);
    CHECK(engine->api->wait(engine, ROTA_NS_PER_S) == 0);
    CHECK(engine->api->drain(engine) == 1);
    CHECK(op->state == ROTA_OP_DONE && op->result == 1 && byte == 'z');
    rota_engine_release(engine, op);
    CHECK(engine->api->close(engine) == 0);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    RUN(test_smoke);
    return check_end();
}
