# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/transports"
require "tmpdir"

# Closing with requests in flight, numbers that are used again, and peers that misbehave.
class CloseTest < RotaTest
  time_limit 120

  ROWS = Transports::ROWS.slice(:default, :ring_of_two, :two_buffers, :without_multishot_recv,
                                :without_registered_files)

  # A completion for the old file must never reach who has its number now.
  ROWS.each do |row, options|
    define_method("test_numbers_that_are_used_again_#{row}") do
      Rota.run(**options) do
        300.times do |i|
          ours, theirs = UNIXSocket.pair
          number = ours.fileno
          stream = Transports.stream(ours)
          readers = Array.new(i % 3) { Rota.spin { quietly { stream.read(10) } } }
          20.times { stream << "x" } if (i % 4).zero? # it holds a slot
          blocked = Rota.spin { quietly { stream.write("x" * 1_000_000) } } if i.odd?
          Rota.snooze if (i % 5).zero?
          theirs.write("old #{i}") if i.even?
          stream.close
          again_is_clean(number, i)
          [*readers, *blocked].each(&:await)
          theirs.close
        end
      end
    end
  end

  # What the engine asks of a number once more by itself, without multishot requests, or because a duplicate of the
  # file was heard of. Before Ruby 4.0 a plain close tells nobody.
  def test_a_receive_that_goes_on_by_itself_never_meets_another_file
    Engines::ALL.each do |engine|
      Rota.run(engine: engine, without: :multishot_recv) do
        near, far = UNIXSocket.pair
        got = []
        receiving = in_flight { Rota.loop.recv_each(near) { |bytes| got << bytes } }
        kept, others = closed_plainly(near) { Array.new(4) { UNIXSocket.pair }.flatten }
        others.each { |io| io.write("not for it") }
        far.write("for it")
        assert_instance_of IOError, receiving.await
        refute_includes got, "not for it"
        assert_equal ["not for it"] * 8, others.map { |io| io.read_nonblock(20, exception: false) }
        [kept, far, *others].each(&:close)
      end
    end
  end

  # Some kernels refuse to wait for a pipe, and are asked to poll first.
  def test_a_read_of_a_pipe_that_goes_on_by_itself_never_meets_another_file
    Engines::ALL.each do |engine|
      Rota.run(engine: engine) do
        near, far = IO.pipe
        reading = in_flight { Rota.loop.read(near, 20) }
        kept, others = closed_plainly(near) { Array.new(4) { IO.pipe }.flatten }
        others.each_slice(2) { |_, writer| writer.write("not for it") }
        far.write("for it")
        result = reading.await
        assert_equal "for it", result unless result.is_a?(IOError)
        assert_equal ["not for it"] * 4, others.each_slice(2).map { |reader, _|
          reader.read_nonblock(20, exception: false)
        }
        [kept, far, *others].each(&:close)
      end
    end
  end

  def test_an_accept_that_goes_on_by_itself_never_meets_another_file
    Engines::ALL.each do |engine|
      Rota.run(engine: engine, without: :multishot_accept) do
        server = TCPServer.new("127.0.0.1", 0)
        address = server.addr.values_at(3, 1)
        got = []
        accepting = in_flight { Rota.loop.accept_each(server) { |stream| got << stream } }
        kept, others = closed_plainly(server) { Array.new(4) { TCPServer.new("127.0.0.1", 0) } }
        clients = others.map { |other| TCPSocket.new(*other.addr.values_at(3, 1)) }
        clients << TCPSocket.new(*address)
        assert_instance_of IOError, accepting.await
        assert_operator got.size, :<=, 1
        accepted = others.map { |other| other.accept_nonblock(exception: false) }
        refute_includes accepted, :wait_readable
        [kept, *others, *clients, *got, *accepted].each(&:close)
      end
    end
  end

  # Among many, what is queued is handed to the kernel at the end of the turn.
  QUEUED = { write: ->(io) { Rota.loop.write(io, "lost") },
             send: ->(io) { Rota.loop.send_bytes(io, "lost") },
             together: ->(io) { Rota.loop.batch { |b| 2.times { b.write(io, "lost") } } },
             chained: ->(io) { Rota.loop.chain { |c| 2.times { c.write(io, "lost") } } },
             message: ->(io) { Rota.loop.sendmsg(io, "lost") },
             send_io: ->(io) { Rota.loop.send_io(io, $stdin) },
             recv_each: ->(io) { Rota.loop.recv_each(io) { |bytes| flunk(bytes) } },
             ordinary: ->(io) { io.write("lost") } }.freeze

  def test_what_is_queued_in_the_turn_of_a_plain_close_never_meets_another_file
    Engines::ALL.product(QUEUED.to_a).each do |engine, (name, body)|
      Rota.run(engine: engine) do
        pairs = Array.new(12) { UNIXSocket.pair }
        numbers = pairs.map { |near, _| near.fileno }
        tasks = pairs.map { |near, _| Rota.spin { quietly { body.call(near) } } }
        Rota.snooze
        pairs.map(&:first).each(&:close)
        others = Array.new(12) { UNIXSocket.pair }.flatten
        assert_empty numbers - others.map(&:fileno)
        others.each { |io| io.write("not for it") } if name == :recv_each
        name == :recv_each ? Rota.sleep(0.002) && tasks.each(&:stop) : tasks.each(&:await) # some are with the kernel
        expected = name == :recv_each ? "not for it" : :wait_readable
        assert_equal [expected] * 24, others.map { |io| io.read_nonblock(20, exception: false) }, name
        [*pairs.map(&:last), *others].each(&:close)
      end
    end
  end

  # It hands over what is for that number, and nothing else.
  def test_a_number_that_is_closed_in_the_turn_of_a_plain_close
    Engines::ALL.product(%i[write together]).each do |engine, name|
      Rota.run(engine: engine) do
        pairs = Array.new(12) { UNIXSocket.pair }
        tasks = pairs.map { |near, _| Rota.spin { quietly { QUEUED[name].call(near) } } }
        reader, writer = IO.pipe
        reader.autoclose = false
        tasks << Rota.spin { Rota.loop.close(reader.fileno) }
        Rota.snooze
        pairs.map(&:first).each(&:close)
        others = Array.new(12) { UNIXSocket.pair }.flatten
        tasks.each(&:await)
        assert_equal [:wait_readable] * 24, others.map { |io| io.read_nonblock(20, exception: false) }, name
        [writer, *pairs.map(&:last), *others].each(&:close)
      end
    end
  end

  SPLICES = { splice: ->(file, writer) { Rota.loop.splice(file, writer, 100_000) },
              batch: ->(file, writer) { Rota.loop.batch { |b| b.splice(file, writer, 100_000) } },
              chain: ->(file, writer) { Rota.loop.chain { |c| 2.times { c.splice(file, writer, 100_000) } } } }.freeze

  # Of a splice both ends are asked for, before it begins; and a worker looks the source up when it comes to it. In a
  # thread of its own, where the kernel has no worker yet.
  def test_a_plain_close_of_the_source_of_a_splice
    Dir.mktmpdir do |directory|
      right, wrong = %w[right wrong].map { |name| "#{directory}/#{name}".tap { |path| File.write(path, name) } }
      Engines::ALL.product(SPLICES.to_a, [false, true]).each do |engine, (name, splice), begun|
        Thread.new do
          Rota.run(engine: engine) do
            read = with_sources_closed(right, wrong, splice) { IO.pipe.each { |io| Rota.loop.close(io) } if begun }
            assert_empty read - ["right", :wait_readable], name
          end
        end.join
      end
    end
  end

  # More than the page cache takes at once is written by a worker, or by a thread of ours.
  def test_a_plain_close_of_a_file_that_is_written
    Dir.mktmpdir do |directory|
      (Engines::ALL * 5).each do |engine|
        Rota.run(engine: engine) do
          files = Array.new(12) { |i| File.open("#{directory}/#{i}", "w") }
          tasks = files.map { |file| Rota.spin { quietly { Rota.loop.write(file, "x" * 200_000) } } }
          let_the_clock_move_on
          Rota.snooze
          files.each(&:close)
          others = Array.new(12) { |i| File.open("#{directory}/other#{i}", "w") }
          tasks.each(&:await)
          assert_equal [0] * 12, others.map(&:size)
          others.each(&:close)
        end
      end
    end
  end

  # A plain close tells nobody before Ruby 4.0, and nobody can connect to the socket any more.
  def test_who_accepts_finds_a_plain_close_out
    Engines::ALL.each do |engine|
      Rota.run(engine: engine) do
        servers = Array.new(4) { TCPServer.new("127.0.0.1", 0) }
        accepting = servers.each_with_index.map do |server, i|
          in_flight { i.even? ? Rota.loop.accept(server) : Rota.loop.accept_each(server) { raise "a connection" } }
        end
        servers[0, 2].each(&:close)
        Thread.new { servers[2, 2].each(&:close) }.join
        errors = Rota.cancel_after(20) { accepting.map(&:await) }
        assert_equal [IOError], errors.map(&:class).uniq
      end
    end
  end

  # The end to write to has a number of its own.
  def test_a_close_of_a_command_wakes_who_writes_to_it
    Engines::ALL.each do |engine|
      Rota.run(engine: engine) do
        command = IO.popen("sleep 0.1", "r+")
        verbs = [in_flight { Rota.loop.read(command, 1) }, in_flight { Rota.loop.write(command, "x" * 300_000) }]
        Rota.loop.close(command)
        errors = Rota.cancel_after(20) { verbs.map(&:await) }
        assert_equal ["stream closed in another thread"], errors.map(&:message).uniq
      end
    end
  end

  def test_close_in_the_middle_of_everything
    random = Random.new(5)
    Rota.run do
      150.times do
        ours, theirs = UNIXSocket.pair
        stream = Transports.stream(ours)
        tasks = [-> { stream.read }, -> { stream.gets }, -> { stream.write("x" * 800_000) }, -> { stream.close_write },
                 -> { stream.eof? }, -> { stream.read_loop { Rota.snooze } }, -> { Rota.loop.poll(stream, 1) }]
        running = tasks.sample(random.rand(1..5), random: random).map { |step| Rota.spin { quietly(&step) } }
        random.rand(4).times { Rota.snooze }
        theirs.write("some\nlines\n") if random.rand < 0.5
        Rota.loop.read(theirs, 100_000) if random.rand < 0.2 && running.any? && stream_wrote?(theirs)
        stream.close
        running.each(&:await)
        theirs.close
      end
    end
  end

  def test_the_task_that_waits_is_told_once
    Rota.run do
      ours, = socket_pair.each { |io| io.autoclose = false }
      stream = Rota::Stream.for_fd(ours.fileno)
      errors = []
      task = Rota.spin { 3.times { stream.read(1) rescue errors << $!.message } } # rubocop:disable Style/RescueModifier
      Rota.snooze
      stream.close
      task.await
      assert_equal ["stream closed in another thread", "closed stream", "closed stream"], errors
      @sockets.each { |io| io.autoclose = true }
      @sockets.delete(ours).autoclose = false
    end
  end

  # What was asked first wins.
  def test_a_task_that_was_stopped_before_the_close_is_stopped
    Rota.run do
      near, far = Transports.ends_of_streams
      writer = waiting { near.write("x" * 5_000_000) }
      reader = waiting { far.read_exactly(9_000_000) }
      verb = waiting { Rota.loop.read(@idle = socket_pair.first, 1) }
      [writer, reader, verb].each { |task| task.stop(:stopped) }
      [near, far, @idle].each { |io| Rota.loop.close(io) }
      assert_equal %i[stopped stopped stopped], [writer, reader, verb].map(&:await)
    end
  end

  # Rota.run ends with everything open: nothing is left in the kernel or in this process.
  def test_the_end_of_the_loop_closes_streams
    streams = nil
    Rota.run do
      streams = Array.new(20) { Transports.ends_of_streams }
      streams.each { |near, far| (far << "x" * 1000) && near.read(1) }
    end
    streams.flatten.each do |stream|
      assert_predicate stream, :closed?
      assert_nil stream.close
      assert_raises(IOError) { stream.read(1) }
    end
  end

  def test_peers_that_leave_in_every_way
    Rota.run do
      listener = Rota.listen("127.0.0.1:0") do |stream|
        while (line = stream.gets)
          stream << line.b.upcase
        end
      end
      random = Random.new(9)
      100.times do
        client = TCPSocket.new("127.0.0.1", listener.address[/\d+\z/])
        client.write(random.rand < 0.5 ? "half a li" : random.bytes(random.rand(1..20_000)))
        case random.rand(4)
        when 0 then client.setsockopt(Socket::Option.linger(true, 0))
        when 1 then client.shutdown(:WR)
        when 2 then client.shutdown(:RD)
        end
        Rota.snooze if random.rand < 0.5
        Rota.sleep(0.0005) if random.rand < 0.2
        client.close
      end
      500.times { listener.connections.zero? ? break : Rota.sleep(0.002) }
      assert_equal 0, listener.connections
      good = Rota.connect(listener.address)
      good << "still here\n"
      assert_equal "STILL HERE\n", good.gets
      good.close
      listener.stop
    end
  end

  def test_two_thousand_connections
    soft, hard = Process.getrlimit(:NOFILE)
    skip "the limit on open files is #{hard}" if hard < 4200
    Process.setrlimit(:NOFILE, 4200, hard) if soft < 4200
    Rota.run do
      listener = Rota.listen("127.0.0.1:0") { |stream| stream.each_line { |line| stream << line } }
      clients = Array.new(2000) { Rota.spin { Rota.connect(listener.address) } }.map(&:await)
      2.times do |round|
        clients.each_with_index { |client, i| client << "#{round} #{i}\n" }
        answers = clients.map(&:gets)
        assert_equal(Array.new(2000) { |i| "#{round} #{i}\n" }, answers)
      end
      assert_equal 2000, listener.connections
      clients.each(&:close)
      500.times { listener.connections.zero? ? break : Rota.sleep(0.002) }
      listener.stop
    end
  end

  private

  def in_flight(&verb)
    before = Rota.loop.stats[:ops_in_flight]
    task = Rota.spin { caught(IOError, &verb) }
    Rota.sleep(0.001) until Rota.loop.stats[:ops_in_flight] > before
    Rota.sleep(0.02) # and the kernel was entered since
    task
  end

  # => a duplicate, and the files that the block makes, of which one has the number now
  def closed_plainly(io)
    number = io.fileno
    kept = io.dup
    io.close
    others = yield
    assert_includes others.map(&:fileno), number
    [kept, others]
  end

  def quietly
    yield
  rescue IOError, SystemCallError, Rota::ChainError
    nil
  end

  def stream_wrote?(socket) = socket.wait_readable(0)

  # So that there is a look at the kernel amid the tasks that begin next.
  def let_the_clock_move_on
    late = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 0.01
    nil while Process.clock_gettime(Process::CLOCK_MONOTONIC) < late
  end

  # => what twelve splices of `right` moved. The block may enter the kernel before their files are closed, and the
  # numbers used again.
  def with_sources_closed(right, wrong, splice)
    files = Array.new(12) { File.open(right) }
    pipes = Array.new(12) { IO.pipe }
    tasks = files.zip(pipes).map { |file, (_, writer)| Rota.spin { quietly { splice.call(file, writer) } } }
    let_the_clock_move_on
    Rota.snooze
    yield
    files.each(&:close)
    others = Array.new(12) { File.open(wrong) }
    tasks.each(&:await)
    pipes.map { |reader, _| reader.read_nonblock(5, exception: false) }
  ensure
    [*pipes.flatten, *others].each(&:close)
  end

  # Whatever gets the number next reads what is its own, and only that.
  def again_is_clean(number, round)
    Rota.snooze while File.exist?("/proc/self/fd/#{number}")
    pairs = []
    pairs << UNIXSocket.pair until pairs.flatten.map(&:fileno).include?(number) || pairs.size > 20
    ours, theirs = pairs.find { |pair| pair.map(&:fileno).include?(number) }
    ours, theirs = theirs, ours if theirs.fileno == number
    stream = Transports.stream(ours)
    theirs.write("new #{round}")
    theirs.close
    assert_equal "new #{round}", stream.read
    stream.close
    (pairs.flatten - [ours]).each(&:close)
  end
end
