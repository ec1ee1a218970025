/* Which of Ruby's methods called a hook: where core tells the hook too little, nothing else does.
 */
#ifndef ROTA_CALLER_H
#define ROTA_CALLER_H

#include "runtime/shim.h"

#include <stdbool.h>

/* Its name, or "". Some 100 instructions. */
const char *rota_caller_name(void);

/* Does it wait, whatever happens, until there are bytes or the end? */
bool rota_caller_waits_for_bytes(void);

void rota_init_caller(void);

#endif
