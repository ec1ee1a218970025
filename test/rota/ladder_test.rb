# frozen_string_literal: true

require "test_helper"
require "tempfile"
require_relative "../support/engines"

# Older kernels on a new one: features are taken away one by one, and in the sets that a kernel lacks,
# and the same programs do the same. (C tests try each rung with full queues.)
class LadderTest < RotaTest
  FEATURES = Rota.run { Rota.loop.features.keys }

  SINCE_6_9 = %i[ftruncate].freeze
  SINCE_6_7 = (%i[socket_commands waitid futex] + SINCE_6_9).freeze
  KERNELS = {
    "5.19" => %i[no_iowait incremental_buffers fixed_fd_install multishot_recv zero_copy_send
                 defer_taskrun] + SINCE_6_7,
    "6.1" => %i[no_iowait incremental_buffers fixed_fd_install] + SINCE_6_7,
    "6.8" => %i[no_iowait incremental_buffers] + SINCE_6_9,
    "6.12" => %i[no_iowait]
  }.freeze

  (FEATURES - [:io_uring]).each do |feature|
    define_method("test_without_#{feature}") { work_without([feature]) }
  end

  KERNELS.each do |kernel, features|
    define_method("test_linux_#{kernel.tr('.', '_')}") { work_without(features) }
  end

  def test_the_sets_name_what_the_probe_knows
    assert_empty KERNELS.values.flatten - FEATURES
  end

  def test_without_any_rung_epoll_takes_over
    skip "the engine is forced" if Engines::FORCED
    assert_equal :epoll, Rota.run(without: %i[defer_taskrun coop_taskrun]) { Rota.loop.engine }
  end

  private

  def work_without(features)
    Rota.run(without: features) do
      assert_equal Engines::DEFAULT, Rota.loop.engine
      features.each { |feature| assert_kind_of String, Rota.loop.features[feature] }
      connections_echo
      pieces_arrive
      files_are_read_and_written
      waits_are_given_up
    end
  end

  def connections_echo
    listener = TCPServer.new("127.0.0.1", 0)
    accepting = Rota.spin { accept_three(listener) }
    clients = Array.new(3) { |i| Rota.spin { ask(listener.addr[1], "client #{i} " * 2000) } }
    clients.each_with_index { |client, i| assert_equal "client #{i} " * 2000, client.await }
    accepting.await
    listener.close
  end

  def accept_three(listener)
    echoes = []
    Rota.loop.accept_each(listener) do |stream|
      echoes << Rota.spin { echo(stream) }
      break if echoes.size == 3
    end
    echoes.each(&:await)
  end

  def echo(stream)
    while (bytes = stream.readpartial(4096))
      stream.write(bytes)
    end
  rescue EOFError
    stream.close
  end

  def ask(port, text)
    stream = Rota.connect("127.0.0.1:#{port}")
    writing = Rota.spin { stream.write(text) && stream.close_write }
    answer = stream.read
    writing.await
    answer
  ensure
    stream&.close
  end

  def pieces_arrive
    near, far = UNIXSocket.pair
    writing = Rota.spin { 5.times { |i| Rota.loop.write(far, i.to_s) && Rota.sleep(0.001) } && far.close }
    found = +""
    Rota.loop.recv_each(near) { |bytes| found << bytes }
    assert_equal "01234", found
    writing.await
    near.close
  end

  def files_are_read_and_written
    Tempfile.create("rota") do |file|
      assert_equal 10, Rota.loop.write(file, "0123456789")
      assert_equal "345", Rota.loop.read(file, 3, nil, 0, 3)
    end
  end

  def waits_are_given_up
    near, far = UNIXSocket.pair
    assert_nil Rota.move_on_after(0.002) { Rota.loop.recv(near, 1) }
    assert_equal 1, Rota.loop.write(far, "x")
    assert_equal "x", Rota.loop.recv(near, 1)
    [near, far].each(&:close)
  end
end
