/* Which engine a loop gets: what was asked for, else io_uring where the kernel grants it, else
 * epoll. */
#ifndef ROTA_CHOICE_H
#define ROTA_CHOICE_H

#include "runtime/loop.h"

/* Opens loop->engine, and says in loop->why_not_ring why it is not io_uring's. `name` is what
 * Rota.run was given as engine:, or nil; ROTA_ENGINE in the environment is stronger. Raises
 * ArgumentError for an unknown name, Rota::Error when what was forced is refused. */
void rota_choice_open(rota_loop_t *loop, rota_engine_options_t *options, VALUE name);

/* Adds the sentences of Loop#features. */
VALUE rota_choice_features(const rota_loop_t *loop);

#endif
