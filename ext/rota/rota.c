/* Init only: what the layers offer, in their order. */
#include "runtime/buffer.h"
#include "runtime/bytes.h"
#include "runtime/deadline.h"
#include "runtime/error.h"
#include "runtime/fiber.h"
#include "runtime/loop.h"
#include "runtime/registered.h"
#include "runtime/select.h"
#include "runtime/task.h"
#include "runtime/task_methods.h"
#include "runtime/thread_raise.h"
#include "runtime/worker.h"
#include "scheduler/scheduler.h"
#include "stream/notices.h"
#include "stream/opening.h"
#include "stream/stream.h"
#include "sync/condition.h"
#include "sync/event.h"
#include "sync/monitor.h"
#include "sync/mutex.h"
#include "sync/queue.h"
#include "sync/semaphore.h"
#include "verbs/accept.h"
#include "verbs/buffered.h"
#include "verbs/close.h"
#include "verbs/connect.h"
#include "verbs/control.h"
#include "verbs/copy.h"
#include "verbs/file_verbs.h"
#include "verbs/passing.h"
#include "verbs/paths.h"
#include "verbs/poll.h"
#include "verbs/read.h"
#include "verbs/readv.h"
#include "verbs/receive_each.h"
#include "verbs/recorder.h"
#include "verbs/recvmsg.h"
#include "verbs/sendmsg.h"
#include "verbs/socket.h"
#include "verbs/splice.h"
#include "verbs/waitpid.h"
#include "verbs/write.h"

RUBY_FUNC_EXPORTED void Init_rota(void);

void Init_rota(void)
{
    rb_ext_ractor_safe(true);
    VALUE module = rb_define_module("Rota");
    rota_init_error(module);
    rota_init_loop(module);
    rota_init_bytes();
    rota_init_descriptor();
    rota_init_buffer(module, rota_cLoop);
    rota_init_registered(rota_cLoop);
    rota_init_fiber();
    rota_init_worker();
    rota_init_task(module);
    rota_init_task_methods();
    rota_init_thread_raise(module);
    rota_init_deadline(module);
    rota_init_select(module);
    rota_init_queue(module);
    rota_init_mutex(module);
    rota_init_monitor(module);
    rota_init_condition(module);
    rota_init_event(module);
    rota_init_semaphore(module);
    rota_init_read(rota_cLoop);
    rota_init_receive_each(rota_cLoop);
    rota_init_write(rota_cLoop);
    rota_init_accept(rota_cLoop);
    rota_init_connect(rota_cLoop);
    rota_init_socket(rota_cLoop);
    rota_init_control();
    rota_init_sendmsg(rota_cLoop);
    rota_init_recvmsg(rota_cLoop);
    rota_init_passing(rota_cLoop);
    rota_init_poll(rota_cLoop);
    rota_init_waitpid(rota_cLoop);
    rota_init_close(rota_cLoop);
    rota_init_paths(module, rota_cLoop);
    rota_init_file_verbs(rota_cLoop);
    rota_init_readv(rota_cLoop);
    rota_init_buffered(rota_cLoop);
    rota_init_splice(rota_cLoop);
    rota_init_copy(rota_cLoop);
    rota_init_stream(module);
    rota_init_opening(module, rota_cLoop);
    rota_init_notices(module);
    rota_init_recorder(module, rota_cLoop); /* of all that is offered before */
    rota_init_scheduler(module);
}
