# frozen_string_literal: true

require "socket"

# An event-loop runtime: tasks on fibers over one io_uring per thread. Start with {Rota.run}.
module Rota
end

require "rota/version"
require "rota/rota"

require "rota/signals"
require "rota/trap"
require "rota/scheduler"
require "rota/run"
require "rota/scope"
require "rota/task"
require "rota/mailbox"
require "rota/timing"
require "rota/supervisor"
require "rota/child_process"
require "rota/processes"
require "rota/fork"
require "rota/process_watcher"
require "rota/functions"
require "rota/tree"
require "rota/address"
require "rota/resolver"
require "rota/loop"
require "rota/waitpid"
require "rota/stat"
require "rota/stream"
require "rota/open"
require "rota/pipe"
require "rota/files"
require "rota/listener"
require "rota/connector"
require "rota/monitor"
require "rota/barrier"
require "rota/resource_pool"
require "rota/throttler"
require "rota/timer"
require "rota/thread_pool"
require "rota/added"
