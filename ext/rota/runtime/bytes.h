/* Memory that verbs lend to the kernel: Strings and IO::Buffers of the caller.
 *
 * A target (read) is locked: nobody can change it until the kernel is done, and a second read into
 * it raises. A source (write) is locked when it can be; a frozen String needs no lock, and one that
 * is lent already (the same response to two connections) is copied. */
#ifndef ROTA_BYTES_H
#define ROTA_BYTES_H

#include "runtime/shim.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct rota_lent {
    VALUE object; /* what is pinned and perhaps locked; Qfalse: nothing */
    uint8_t *memory;
    size_t length;
    bool locked;
} rota_lent_t;

bool rota_bytes_is_buffer(VALUE object);

/* A verb's maxlen: ArgumentError when it is negative; more than one transfer moves is cut. */
size_t rota_bytes_length(VALUE length);

/* A verb's place in a file: ArgumentError when it is negative. */
uint64_t rota_bytes_offset(VALUE offset);

/* A new String that was given room for `asked` bytes and ended up with much less. */
VALUE rota_bytes_shrink(VALUE string, size_t asked);

/* Makes room for `length` bytes at `position` of a String (-1: its end) or IO::Buffer, and locks
 * it. ArgumentError for a position outside, FrozenError, RuntimeError when it is lent already. */
rota_lent_t rota_bytes_lend_target(VALUE object, size_t length, long position);

/* Gives back a target of which `filled` bytes were written: a String then ends behind them.
 * Negative: the read failed, and a String is as long as before. */
void rota_bytes_return_target(rota_lent_t *lent, long position, long filled);

/* Locks or copies what `object` (a String, an IO::Buffer, or something with to_s) holds. */
rota_lent_t rota_bytes_lend_source(VALUE object);

/* The same for a String that needs no other in its place, as most do not: raises nothing. */
bool rota_bytes_lend_as_it_is(VALUE string, rota_lent_t *lent);

void rota_bytes_return_source(rota_lent_t *lent);

void rota_init_bytes(void);

#endif
