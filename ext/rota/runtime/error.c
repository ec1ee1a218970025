#include "runtime/error.h"

VALUE rota_eError, rota_eDeadlock, rota_eResourceError, rota_eTimeoutError;
VALUE rota_eBaseException, rota_eMoveOn, rota_eCancel, rota_eTerminate, rota_eRestart;

static ID id_suppressed;

bool rota_error_is_exception(VALUE error)
{
    if (RB_SPECIAL_CONST_P(error) || RB_TYPE_P(error, T_IMEMO)) return false;
    return RTEST(rb_obj_is_kind_of(error, rb_eException));
}

VALUE rota_error_new(int error, const char *verb)
{
    return rb_syserr_new(error, verb);
}

void rota_error_raise(int code, const char *verb)
{
    rb_exc_raise(rota_error_new(-code, verb));
}

void rota_error_tell(int state, const char *name, size_t count)
{
    VALUE error = rb_errinfo();
    if (count && rota_error_is_exception(error) && !OBJ_FROZEN(error)) {
        ID variable = rb_intern_str(rb_sprintf("@%s", name));
        if (NIL_P(rb_attr_get(error, variable)))
            rb_define_attr(rb_singleton_class(error), name, 1, 0);
        rb_ivar_set(error, variable, SIZET2NUM(count));
    }
    rb_jump_tag(state);
}

/* @return [Array<Exception>] failures that happened besides this one and could not be raised: of
 *   sibling tasks, or during the clean-up */
static VALUE suppressed(VALUE self)
{
    VALUE failures = rb_attr_get(self, id_suppressed);
    return NIL_P(failures) ? rb_ary_new() : failures;
}

void rota_error_suppress(VALUE exception, VALUE failures)
{
    VALUE known = rb_attr_get(exception, id_suppressed);
    if (NIL_P(known)) {
        rb_ivar_set(exception, id_suppressed, failures);
        rb_define_singleton_method(exception, "suppressed", suppressed, 0);
    } else {
        rb_ary_concat(known, failures);
    }
}

static VALUE append_place(VALUE data)
{
    VALUE *both = (VALUE *)data;
    VALUE backtrace = rb_funcall(both[0], rb_intern("backtrace"), 0);
    VALUE place = rb_funcall(both[1], rb_intern("source_location"), 0);
    if (NIL_P(backtrace) || NIL_P(place)) return Qnil;
    VALUE line = rb_sprintf("%" PRIsVALUE ":%" PRIsVALUE ":in `spin'", rb_ary_entry(place, 0),
                            rb_ary_entry(place, 1));
    VALUE last = rb_ary_entry(backtrace, -1);
    if (!NIL_P(last) && RTEST(rb_str_equal(last, line))) return Qnil;
    backtrace = rb_ary_dup(backtrace);
    rb_ary_push(backtrace, line);
    return rb_funcall(both[0], rb_intern("set_backtrace"), 1, backtrace);
}

int rota_error_add_place(VALUE exception, VALUE block)
{
    VALUE both[] = {exception, block}, unused, ignored;
    if (NIL_P(block) || OBJ_FROZEN(exception)) return 0;
    return rota_error_catch(append_place, (VALUE)both, &unused, &ignored);
}

int rota_error_catch(VALUE (*call)(VALUE), VALUE arg, VALUE *value, VALUE *exception)
{
    int state = 0;
    *exception = Qfalse;
    *value = rb_protect(call, arg, &state);
    if (!state) return 0;
    VALUE error = rb_errinfo();
    if (!rota_error_is_exception(error)) return state;
    rb_set_errinfo(Qnil);
    *exception = error;
    return 0;
}

VALUE rota_error_bare(VALUE error_class, VALUE value)
{
    VALUE exception = rb_obj_alloc(error_class);
    rb_ivar_set(exception, rb_intern("@value"), value);
    return exception;
}

/* call-seq: new(value = nil)
 *
 * @param value [Object] what a task or block that this exception ends shall return */
static VALUE base_initialize(int argc, VALUE *argv, VALUE self)
{
    VALUE value;
    rb_scan_args(argc, argv, "01", &value);
    rb_ivar_set(self, rb_intern("@value"), value);
    return rb_call_super(0, NULL);
}

/* Adds failures to what an exception's +suppressed+ answers.
 *
 * @private */
static VALUE suppress(VALUE module, VALUE exception, VALUE failures)
{
    (void)module;
    rota_error_suppress(exception, failures);
    return exception;
}

void rota_init_error(VALUE module)
{
    rb_define_singleton_method(module, "__suppress", suppress, 2);
    id_suppressed = rb_intern("__rota_suppressed");
    rota_eError = rb_define_class_under(module, "Error", rb_eStandardError);
    rb_define_method(rota_eError, "suppressed", suppressed, 0);
    rota_eDeadlock = rb_define_class_under(module, "Deadlock", rota_eError);
    rota_eResourceError = rb_define_class_under(module, "ResourceError", rota_eError);

    /* IO::TimeoutError is Ruby 3.2's. */
    ID id_timeout_error = rb_intern("TimeoutError");
    if (rb_const_defined(rb_cIO, id_timeout_error)) {
        rota_eTimeoutError = rb_const_get(rb_cIO, id_timeout_error);
        rb_const_set(module, id_timeout_error, rota_eTimeoutError);
    } else {
        rota_eTimeoutError = rb_define_class_under(module, "TimeoutError", rb_eIOError);
    }

    rota_eBaseException = rb_define_class_under(module, "BaseException", rb_eException);
    rb_define_method(rota_eBaseException, "initialize", base_initialize, -1);
    rb_define_attr(rota_eBaseException, "value", 1, 0);
    rb_define_method(rota_eBaseException, "suppressed", suppressed, 0);
    rota_eMoveOn = rb_define_class_under(module, "MoveOn", rota_eBaseException);
    rota_eCancel = rb_define_class_under(module, "Cancel", rota_eBaseException);
    rota_eTerminate = rb_define_class_under(module, "Terminate", rota_eBaseException);
    rota_eRestart = rb_define_class_under(module, "Restart", rota_eBaseException);
    rb_gc_register_mark_object(rota_eTimeoutError);
}
