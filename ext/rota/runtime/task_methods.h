/* The methods of Rota::Task. */
#ifndef ROTA_TASK_METHODS_H
#define ROTA_TASK_METHODS_H

void rota_init_task_methods(void);

#endif
