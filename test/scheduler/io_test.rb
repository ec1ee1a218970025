# frozen_string_literal: true

require "test_helper"
require "io/console"
require "io/wait"
require "pty"
require "tmpdir"
require_relative "../support/cooperation"

# Core IO on pipes, sockets and terminals.
class SchedulerIOTest < RotaTest
  include Cooperation

  # The block gets both ends of a TCP connection.
  def connected
    server = TCPServer.new("127.0.0.1", 0)
    near = TCPSocket.new("127.0.0.1", server.local_address.ip_port)
    yield near, far = server.accept
  ensure
    [server, near, far].compact.each(&:close)
  end

  # The block gets the read end; the parts are written one by one, by a thread.
  def fed(*parts)
    IO.pipe do |r, w|
      writer = Thread.new do
        parts.each { |part| sleep(0.01) and w.write(part) }
        w.close
      end
      yield(r).tap { writer.join }
    end
  end

  as_ruby(:read) { fed("he", "llo", &:read) }
  as_ruby(:read_of_a_length) { fed("he", "llo") { |r| [r.read(4), r.read(4), r.read(4)] } }
  as_ruby(:readpartial) { fed("he", "llo") { |r| [r.readpartial(2), r.readpartial(10)] } }
  as_ruby(:readpartial_at_the_end) { fed("he") { |r| r.readpartial(10).then { |first| [first, r.readpartial(10)] } } }
  as_ruby(:sysread) { fed("he") { |r| r.sysread(10) } }
  as_ruby(:gets) { fed("one\ntw", "o\nlast") { |r| [r.gets, r.gets, r.gets, r.gets] } }
  as_ruby(:each_line) { fed("one\ntw", "o\nlast") { |r| r.each_line(chomp: true).to_a } }
  as_ruby(:getc_and_getbyte) { fed("ü", "x") { |r| [r.getc, r.getbyte, r.getc] } }
  as_ruby(:eof) { fed("x") { |r| [r.eof?, r.read, r.eof?] } }
  as_ruby(:a_transcoding_read) { fed("gr\xFC", "n") { |r| r.set_encoding("ISO-8859-1:UTF-8") && r.read } }

  as_ruby(:more_than_a_pipe_holds) do
    IO.pipe do |r, w|
      reader = Thread.new { sleep(0.01) and r.read.size }
      sent = w.write("x" * 1_000_000)
      w.close
      [sent, reader.value]
    end
  end
  as_ruby(:syswrite, waits: false) { IO.pipe { |r, w| [w.syswrite("abc"), r.readpartial(10)] } }
  if RUBY_VERSION >= "3.2" # before, it raised EAGAIN, also without a scheduler
    as_ruby(:syswrite_to_a_full_pipe) do
      IO.pipe do |r, w|
        w.write_nonblock("x" * 65_536)
        Thread.new { sleep(0.02) and r.readpartial(65_536) }.then { |reader| [w.syswrite("abc"), reader.value.size] }
      end
    end
  end

  # The block gets the write end of a pipe that has room for a part of what Ruby has buffered for it.
  def with_room_for_a_part
    IO.pipe do |r, w|
      w.sync = false
      w.write_nonblock("x" * 61_440)
      w.write("a" * 4096, "b" * 2904)
      reader = Thread.new { sleep(0.02) and r.read.squeeze }
      yield w
      w.close
      reader.value
    end
  end

  as_ruby(:a_close_flushes_all) { with_room_for_a_part { nil } }
  as_ruby(:a_flush_flushes_all) { with_room_for_a_part(&:flush) }
  as_ruby(:a_flush_goes_before_a_copy) { with_room_for_a_part { |w| IO.copy_stream(__FILE__, w, 1) } }
  as_ruby(:a_flush_goes_before_syswrite) { with_room_for_a_part { |w| w.flush && w.syswrite("c") } }

  as_ruby(:puts, waits: false) { IO.pipe { |r, w| w.puts("a", ["b", nil]) and w.puts or w.close or r.read } }
  as_ruby(:puts_of_nothing, waits: false) { IO.pipe { |r, w| w.sync = true and w.puts("") or w.close or r.read } }
  as_ruby(:a_closed_io, waits: false) { IO.pipe { |r, _| r.close or r.read } }
  as_ruby(:the_wrong_end, waits: false) { IO.pipe { |r, _| r.write("x") } }

  as_ruby(:read_nonblock, waits: false) do
    IO.pipe do |r, w|
      empty = r.read_nonblock(5, exception: false)
      w << "abc"
      [empty, r.read_nonblock(5), class_of_error { r.read_nonblock(5) }]
    end
  end
  as_ruby(:read_nonblock_at_the_end, waits: false) {
    IO.pipe { |r, w|
      w.close or r.read_nonblock(5, exception: false)
    }
  }
  as_ruby(:write_nonblock, waits: false) do
    IO.pipe do |r, w|
      first = w.write_nonblock("x" * 65_536)
      [first, w.write_nonblock("x", exception: false), r.readpartial(10)]
    end
  end
  as_ruby(:sockets_nonblock, waits: false) do
    UNIXSocket.pair.then do |a, b|
      [a.read_nonblock(1, exception: false), b.write_nonblock("hi"), a.read_nonblock(9)].tap { [a, b].each(&:close) }
    end
  end

  as_ruby(:wait_readable) { fed("x") { |r| r.wait_readable.equal?(r) } }
  as_ruby(:wait_readable_in_vain) { IO.pipe { |r, _| r.wait_readable(0.02) } }
  as_ruby(:wait_readable_in_time) { fed("x") { |r| r.wait_readable(5).equal?(r) } }
  as_ruby(:wait_for_less_than_no_time, waits: false) { IO.pipe { |r, _| r.wait_readable(-0.1) } }
  as_ruby(:wait_readable_at_once, waits: false) { IO.pipe { |r, _| r.wait_readable(0) } }
  as_ruby(:wait_writable, waits: false) { IO.pipe { |_, w| w.wait_writable(1).equal?(w) } }
  as_ruby(:wait_for_urgent_data) do
    connected do |near, far|
      sender = Thread.new { sleep(0.01) and far.send("!", Socket::MSG_OOB) }
      [near.wait(IO::PRIORITY, 5) ? :urgent : :nothing, sender.join && near.recv(1, Socket::MSG_OOB)]
    end
  end
  as_ruby(:wait_for_data_that_are_not_urgent) do
    connected do |near, far|
      sender = Thread.new { sleep(0.01) and far.write("!") }
      either = near.wait(IO::READABLE | IO::PRIORITY, 5) ? :something : :nothing
      [either, near.wait(IO::PRIORITY, 0.02) ? :urgent : :nothing, sender.join && near.recv(1)]
    end
  end
  as_ruby(:data_in_vain_for_who_waits_for_urgent_data) do
    connected do |near, far|
      sender = Thread.new do
        sleep(0.01) and far.write("!")
        sleep(0.01) and far.send("!", Socket::MSG_OOB)
      end
      [near.wait(IO::PRIORITY, 5) ? :urgent : :nothing, sender.join && near.recv(1, Socket::MSG_OOB)]
    end
  end
  as_ruby(:wait_for_either) do
    UNIXSocket.pair.then { |a, b| a.wait(IO::READABLE | IO::WRITABLE, 1).equal?(a).tap { sleep(0.01) and [a, b].each(&:close) } }
  end

  if RUBY_VERSION >= "3.2"
    as_ruby(:the_timeout_of_an_io) { IO.pipe { |r, _| (r.timeout = 0.02) and r.read(1) } }
    as_ruby(:the_timeout_of_an_io_in_wait_readable) { IO.pipe { |r, _| (r.timeout = 0.02) and r.wait_readable } }
    as_ruby(:the_timeout_of_an_io_that_writes) { IO.pipe { |_, w| (w.timeout = 0.02) and w.write("x" * 1_000_000) } }
    as_ruby(:within_the_timeout_of_an_io) { fed("abc") { |r| (r.timeout = 5) and r.read } }
  end

  as_ruby(:copy_stream_between_pipes) do
    fed("x" * 1000, "y" * 1000) { |r| IO.pipe { |inner, w| [IO.copy_stream(r, w), inner.readpartial(9000).size] } }
  end
  as_ruby(:copy_stream_of_a_file, waits: false) do
    File.open(__FILE__) { |file| IO.pipe { |r, w| [IO.copy_stream(file, w, 100), r.readpartial(200)] } }
  end
  as_ruby(:copy_stream_into_a_string) { fed("a", "b") { |r| StringIO.new.tap { |s| IO.copy_stream(r, s) }.string } }

  as_ruby(:a_terminal) do
    PTY.open do |controller, terminal|
      typing = Thread.new { sleep(0.01) and controller.puts("typed") }
      [terminal.gets, terminal.winsize.size].tap { typing.join }
    end
  end
  as_ruby(:a_process_on_a_terminal) do
    r, w, pid = PTY.spawn("sleep 0.02; echo said; exit 4")
    line = r.gets
    Process.wait(pid)
    [line, $?.exitstatus]
  ensure
    [r, w].each(&:close)
  end

  # Two tasks that wait for the same descriptor are both told.
  def test_two_readers_of_one_io
    Rota.run do
      r, w = keep(IO.pipe)
      tasks = Array.new(2) { Rota.spin { r.sysread(1) } }
      sleep(0.002)
      w << "ab"
      assert_equal %w[a b], tasks.map(&:await).sort
    end
  end

  # Where it is certain that core would wait, the wait is part of the read.
  class CountsWaits < Rota::Scheduler
    attr_reader :waits

    def io_wait(...)
      @waits = @waits.to_i + 1
      super
    end
  end

  # Does not know who called it, so core has to wait.
  class ReadsThroughRuby < CountsWaits
    def io_read(*) = super.itself
  end

  def waits_under(scheduler, &block)
    Thread.new do
      Fiber.set_scheduler(scheduler)
      Fiber.schedule(&block)
      Fiber.scheduler.run
      scheduler.waits.to_i
    end.value
  end

  READS = [[:readpartial, 4], [:sysread, 4], [:gets], [:readline], [:read, 4], [:read], [:getc], [:readbyte],
           [:readlines], [:eof?]].freeze

  def test_a_read_waits_inside_its_hook
    READS.each do |read|
      results = []
      waits = waits_under(CountsWaits.new) do
        r, w = IO.pipe
        Fiber.schedule { sleep(0.001) and w.write("abc\n") and w.close }
        results << r.public_send(*read)
        r.close
      end
      assert_includes ["abc\n", ["abc\n"], "a", 97, false], results.first
      assert_equal 0, waits
    end
  end

  def test_a_subclass_that_reads_through_ruby
    results = []
    waits = waits_under(ReadsThroughRuby.new) do
      r, w = IO.pipe
      results << r.read_nonblock(4, exception: false)
      Fiber.schedule { sleep(0.001) and w.write("abc\n") and w.close }
      results << r.gets << r.gets
      r.close
    end
    assert_equal [:wait_readable, "abc\n", nil], results
    assert_operator waits, :>=, 1
  end

  def on_a_fresh_loop(&block) = Thread.new { Rota.run(&block) }.value

  def test_an_io_that_is_closed_while_its_read_is_held_back
    [[:readpartial, 10], [:gets]].each do |read|
      on_a_fresh_loop do
        r, w = IO.pipe
        task = Rota.spin { assert_raises(IOError) { r.public_send(*read) } }
        Rota.snooze
        r.close
        task.await
        w.close
      end
    end
  end

  if RUBY_VERSION < "4.0"
    def test_an_io_that_an_interjection_closes_before_it_is_waited_for
      %i[wait_readable gets].each do |wait|
        on_a_fresh_loop do
          r, = keep(IO.pipe)
          number = r.fileno
          other = nil
          Rota.current.interject { r.close || other = file_with_number(number) }
          assert_raises(IOError) { Rota.cancel_after(1) { r.public_send(wait) } }
          assert other
        end
      end
    end
  else
    # IO#close waits for whoever waits on the io. Where that is itself, as in a trap handler, core raises an
    # IOError in the close and a ThreadError in the wait, and leaves the descriptor open.
    def test_an_io_that_an_interjection_closes_before_it_is_waited_for
      %i[wait_readable gets].each do |wait|
        on_a_fresh_loop do
          r, = keep(IO.pipe)
          number = r.fileno
          error = nil
          Rota.current.interject { error = assert_raises(IOError) { r.close } }
          assert_raises(ThreadError) { Rota.cancel_after(1) { r.public_send(wait) } }
          assert_match(/closed/, error.message)
          keep([IO.for_fd(number)])
        end
      end
    end
  end

  def busy(seconds)
    now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
    start = now.call
    nil while now.call - start < seconds
    true
  end

  # What never waits lets the others run every so many times: inside of a read or write, where one of
  # them may close the io. Its number is another file's then.
  def test_an_io_that_is_closed_while_its_write_gives_way
    on_a_fresh_loop do
      file = file_with_number(nil)
      number = file.fileno
      writing = Rota.spin { assert_raises(IOError) { loop { file.syswrite("WW") } } }
      Rota.snooze
      file.close
      other = file_with_number(number)
      writing.await
      assert_equal 0, other.size
    end
  end

  def test_an_io_that_is_closed_while_its_read_gives_way
    [->(file) { file.sysread(1000) }, ->(file) { file.getc and file.seek(10_000, IO::SEEK_CUR) }].each do |read|
      on_a_fresh_loop do
        file = file_with_number(nil, "b" * 3_000_000)
        number = file.fileno
        reading = Rota.spin { assert_raises(IOError) { loop { read.call(file) } } }
        Rota.snooze
        file.close
        other = file_with_number(number, "secret" * 2000)
        reading.await
        assert_equal 0, other.sysseek(0, IO::SEEK_CUR)
      end
    end
  end

  as_ruby(:a_file_without_a_name, waits: false) do
    File.open(__FILE__) do |file|
      io = IO.for_fd(file.fileno, autoclose: false)
      [io.gets, io.readpartial(20), io.read.size, io.read(1)]
    end
  end

  # A line goes out whole, also when it is written in parts.
  def test_lines_of_many_tasks_stay_whole
    lines = Rota.run do
      r, w = keep(IO.pipe)
      w.sync = true
      writers = Array.new(20) { |i| Rota.spin { 50.times { w.puts("line #{i}") } } }
      reader = Rota.spin { r.each_line.to_a }
      writers.each(&:await)
      w.close
      reader.await
    end
    assert_equal 1000, lines.grep(/\Aline \d+\n\z/).size
  end

  # It knows no attempt without waiting, and has room for a part only.
  def test_a_large_write_to_a_fifo_keeps_nobody_from_running
    Dir.mktmpdir do |dir|
      File.mkfifo(path = File.join(dir, "fifo"))
      File.open(path, "r+") do |writer|
        File.open(path) do |reader|
          Rota.run do
            writing = Rota.spin { writer.write("x" * 200_000) }
            left = 200_000
            left -= reader.readpartial(left).bytesize while left.positive?
            assert_equal 200_000, writing.await
          end
        end
      end
    end
  end

  # A task that always finds bytes leaves the others their turns.
  def test_a_busy_reader_starves_nobody
    Rota.run do
      ticks = 0
      ticker = Rota.spin { ticks += 1 while sleep(0) }
      File.open("/dev/zero") { |zero| 200.times { zero.sysread(10) } }
      assert_operator ticks, :>, 2
      ticker.stop
    end
  end

  # Calls are counted, but who takes long between them leaves the others their turns after fewer.
  def test_a_slow_writer_gives_way_after_a_few_writes
    Rota.run do
      ticks = 0
      ticker = Rota.spin { ticks += 1 while sleep(0) }
      File.open(File::NULL, "w") { |null| 30.times { busy(0.0001) and null.syswrite("x") } }
      assert_operator ticks, :>, 0 # none, with 32 writes a turn
      ticker.stop
    end
  end

  if RUBY_VERSION >= "4.0"
    cooperates(:close_wakes_a_reader) do
      r, w = IO.pipe
      Fiber.schedule { sleep(0.01) and r.close }
      assert_raises(IOError) { r.read }
      w.close
    end

    def test_close_wakes_a_verb
      Rota.run do
        r, = keep(IO.pipe)
        task = Rota.spin { Rota.loop.read(r, 1) }
        sleep(0.002)
        r.close
        assert_raises(IOError) { task.await }
      end
    end
  end

  def test_an_interrupted_read_loses_nothing
    Rota.run do
      r, w = keep(IO.pipe)
      task = Rota.spin { r.readpartial(10) }
      sleep(0.002)
      w << "kept"
      task.terminate
      task.await
      assert_equal "kept", r.readpartial(10)
    end
  end
end
