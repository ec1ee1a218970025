#include "verbs/buffered.h"

/* call-seq: __buffered?(io) -> Boolean
 *
 * @private */
static VALUE buffered_p(VALUE self, VALUE io)
{
    rb_io_t *file;
    (void)self;
    Check_Type(io, T_FILE);
    GetOpenFile(io, file);
    return RBOOL(rb_io_read_pending(file));
}

void rota_init_buffered(VALUE loop_class)
{
    rb_define_method(loop_class, "__buffered?", buffered_p, 1);
}
