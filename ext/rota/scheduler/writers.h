/* Who writes to which IO: is a socket one task's alone?
 *
 * IO#write asks the hook for each of its Strings, and nothing tells the hook that more are to come.
 * While a task waits for one of them another may write to the same socket, and what was to stay
 * together is torn. So only where one task alone has written to an IO, and in more than one turn,
 * may its next write be one that waits. An IO that two have written to is shared for good.
 *
 * A table of fixed size, by number: what it forgets is known again after one more write. */
#ifndef ROTA_WRITERS_H
#define ROTA_WRITERS_H

#include "runtime/loop.h"

typedef struct rota_writer rota_writer_t;

typedef struct rota_writers {
    rota_writer_t *places; /* from malloc; NULL: nothing was written yet */
} rota_writers_t;

/* Notes that the current task is about to write to the IO. Has it alone done so, before this turn,
 * too? Without memory for the table: false. */
bool rota_writers_note(rota_writers_t *writers, const rota_loop_t *loop, VALUE io, int fd);

void rota_writers_free(rota_writers_t *writers);
size_t rota_writers_memsize(const rota_writers_t *writers);

#endif
