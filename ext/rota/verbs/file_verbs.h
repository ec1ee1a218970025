/* Loop#fsync, #fallocate, #ftruncate, #fadvise. */
#ifndef ROTA_FILE_VERBS_H
#define ROTA_FILE_VERBS_H

#include "runtime/shim.h"

void rota_init_file_verbs(VALUE loop_class);

#endif
