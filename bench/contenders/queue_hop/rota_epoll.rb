# frozen_string_literal: true

require_relative "rota"

# The same program where io_uring is refused.
class RotaHopOnEpoll < RotaHop
  label "rota, epoll"
  about "the same with ROTA_ENGINE=epoll"
  needs Bench::Need.rota

  def run(stint)
    ENV["ROTA_ENGINE"] = "epoll"
    super
  end
end
