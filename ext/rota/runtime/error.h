/* Exceptions: the classes, and the one function that turns the core's -errno into them. */
#ifndef ROTA_ERROR_H
#define ROTA_ERROR_H

#include "runtime/shim.h"

#include <stdbool.h>

extern VALUE rota_eError, rota_eDeadlock, rota_eResourceError, rota_eTimeoutError;
extern VALUE rota_eBaseException, rota_eMoveOn, rota_eCancel, rota_eTerminate, rota_eRestart;

/* The Errno exception for a positive error number, with the verb in its message. */
VALUE rota_error_new(int error, const char *verb);

/* Raises it. `code` is negative, as the core gives it. */
RBIMPL_ATTR_NORETURN()
void rota_error_raise(int code, const char *verb);

/* Goes on with what rb_protect caught. An exception answers `name` with the count from now on,
 * unless that is 0. */
RBIMPL_ATTR_NORETURN()
void rota_error_tell(int state, const char *name, size_t count);

/* Adds an Array of exceptions to what exception.suppressed answers. */
void rota_error_suppress(VALUE exception, VALUE failures);

/* Appends the place of a task's spin to the exception's backtrace, so that a report shows both.
 * Gives the state of a kill. */
int rota_error_add_place(VALUE exception, VALUE block);

/* Is what rb_errinfo gives an exception? Of a kill it is a number, of a throw an object without a
 * class, of which Ruby 3.2 and later must not be asked what kind it is. */
bool rota_error_is_exception(VALUE error);

/* Runs a call under rb_protect, where an exception must not leave. Whoever calls a method may be
 * killed at its return, and a kill that is dropped never comes again: its state is what this gives,
 * to be continued on this fiber (rb_jump_tag) once things are in order. An exception is in
 * *exception, else that is Qfalse. */
int rota_error_catch(VALUE (*call)(VALUE), VALUE arg, VALUE *value, VALUE *exception);

/* An instance of a class of ours that carries `value`, made without calling a method. */
VALUE rota_error_bare(VALUE error_class, VALUE value);

void rota_init_error(VALUE module);

#endif
