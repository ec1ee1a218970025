/* Streams over files: what the page cache holds is read at once, the end is not for ever, and there
 * is a position. It is the descriptor's own, less what the stream has read ahead, so that programs
 * that inherit the descriptor, and who asks Stream#to_io, go on where it should be. */
#ifndef ROTA_POSITION_H
#define ROTA_POSITION_H

#include "stream/stream.h"

#include <sys/stat.h>

/* Looks at a new stream's file: has it positions? `flags` are O_*. */
void rota_position_open(rota_stream_t *stream, const struct stat *found, int flags);

/* 1: more was read at once, 0: it is the end now, -1: that has to be waited for. */
int rota_position_fill(rota_loop_t *loop, rota_stream_t *stream);

/* Before a write: it goes where reading has come to, not to where the stream has read ahead. */
void rota_position_settle(VALUE self, rota_loop_t *loop, rota_stream_t *stream);

void rota_init_stream_position(VALUE klass);

#endif
