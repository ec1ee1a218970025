#include "scheduler/writers.h"

#include <stdlib.h>

enum { PLACES = 1024 };

struct rota_writer {
    VALUE io; /* not kept alive, and only compared: another one in its place is taken for it */
    const rota_task_t *task;
    uint64_t since_switch; /* when it first wrote */
    int fd;
    bool shared;
};

bool rota_writers_note(rota_writers_t *writers, const rota_loop_t *loop, VALUE io, int fd)
{
    if (ROTA_UNLIKELY(!writers->places)) writers->places = calloc(PLACES, sizeof(rota_writer_t));
    if (ROTA_UNLIKELY(!writers->places)) return false;
    rota_writer_t *writer = &writers->places[(unsigned)fd % PLACES];
    if (writer->io != io || writer->fd != fd) {
        *writer = (rota_writer_t){io, loop->current, loop->stats.switches, fd, false};
        return false;
    }
    writer->shared |= writer->task != loop->current;
    return !writer->shared && writer->since_switch != loop->stats.switches;
}

void rota_writers_free(rota_writers_t *writers)
{
    free(writers->places);
    writers->places = NULL;
}

size_t rota_writers_memsize(const rota_writers_t *writers)
{
    return writers->places ? PLACES * sizeof(rota_writer_t) : 0;
}
