# frozen_string_literal: true

require_relative "../test_helper"

# Names that only core can look up: in a thread, beside which other tasks run.
class ResolverTest < RotaTest
  # Whatever ends the thread is told to who asked.
  def test_a_look_up_that_ends_by_no_standard_error
    with_look_up(-> { raise NotImplementedError, "no names here" }) do
      error = caught(NotImplementedError) { Rota.run { Rota::Resolver.resolve("a.test", 1) } }
      assert_equal "no names here", error.message
    end
  end

  def test_addresses_need_no_thread
    with_look_up(-> { flunk }) do
      { "127.0.0.1" => "127.0.0.1", "::1" => "::1", "127.1" => "127.0.0.1" }.each do |host, ip|
        assert_equal [ip, 80], Rota::Resolver.resolve(host, 80).map { |info| [info.ip_address, info.ip_port] }.first
      end
    end
  end

  def test_a_name_that_looks_like_an_address
    with_look_up(-> { [:found] }) do
      %w[1.2.3.4.5 300.1.1.1 a:b 1.2.3.4x].each do |host|
        assert_equal [:found], Rota.run { Rota::Resolver.resolve(host, 80) }, host
      end
    end
  end

  # A schedule is for whoever sleeps; the answer needs none.
  def test_other_schedules_of_the_task_while_it_waits
    with_look_up(-> { sleep(0.01) && [:found] }) do
      Rota.run do
        task = Rota.spin { Rota::Resolver.resolve("a.test", 1) }
        3.times { Rota.snooze || task.schedule(:stray) }
        assert_equal [:found], task.await
      end
    end
  end

  private

  def with_look_up(answer)
    original = Rota::Resolver.method(:look_up)
    put(->(_host, _port) { answer.call })
    yield
  ensure
    put(original)
  end

  def put(look_up)
    Rota::Resolver.singleton_class.remove_method(:look_up)
    Rota::Resolver.define_singleton_method(:look_up, look_up)
  end
end
