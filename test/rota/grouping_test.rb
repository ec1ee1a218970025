# frozen_string_literal: true

require "test_helper"
require "support/engines"
require "tmpdir"

# Loop#batch and Loop#chain. A class that includes this has `options` for Rota.run.
module GroupingTests
  def in_loop = Rota.run(**options) { yield Rota.loop }

  def with_pipes(count = 2)
    pipes = Array.new(count) { IO.pipe }
    in_loop { |loop| yield loop, *pipes.flatten }
  ensure
    pipes&.flatten&.each(&:close)
  end

  def with_sockets
    sockets = Array.new(2) { UNIXSocket.pair }.flatten
    in_loop { |loop| yield loop, *sockets }
  ensure
    sockets&.each(&:close)
  end

  def interrupted(&block)
    Rota.move_on_after(0.005, with_value: :interrupted, &block)
  end

  # --- batch ---

  def test_a_batch_gives_results_in_its_order
    with_pipes do |loop, reader, writer, other_reader, other_writer|
      found = loop.batch do |b|
        assert_equal 0, b.read(reader, 10)
        assert_equal 1, b.write(writer, "abc")
        assert_equal 2, b.write(other_writer, "x", :y, IO::Buffer.for(+"z"))
        assert_equal 3, b.read(other_reader, 10)
        assert_equal 4, b.poll(writer, IO::WRITABLE)
      end
      assert_equal ["abc", 3, 3, "xyz", IO::WRITABLE], found
    end
  end

  def test_a_batch_of_nothing
    in_loop { |loop| assert_empty(loop.batch { nil }) }
  end

  def test_failures_of_a_batch_stand_in_their_places
    with_pipes do |loop, reader, writer, _reader, closed|
      closed.close
      found = loop.batch do |b|
        b.read(reader, 3)
        b.write(999, "x")
        b.write(writer, "abc")
      end
      assert_equal ["abc", 3], found.values_at(0, 2)
      assert_instance_of Errno::EBADF, found[1]
      assert_match(/write/, found[1].message)
    end
  end

  def test_bad_arguments_raise_before_anything_happens
    with_pipes do |loop, reader, writer|
      %i[batch chain].each do |verb|
        assert_raises(ArgumentError) do
          loop.public_send(verb) do |b|
            b.write(writer, "x")
            b.read(reader, -1)
          end
        end
        assert_raises(TypeError) { loop.public_send(verb) { |b| b.read(:io, 1) } }
        assert_raises(ArgumentError) { loop.public_send(verb) { |b| b.read(reader) } }
        assert_raises(NoMethodError) { loop.public_send(verb) { |b| b.dance(reader) } }
        assert_raises(LocalJumpError) { loop.public_send(verb) }
      end
      writer.write("nothing else")
      assert_equal "nothing else", loop.read(reader, 100)
    end
  end

  # What cannot be lent raises, and what was lent is given back.
  def test_memory_that_is_lent_twice
    with_pipes do |loop, reader, writer|
      buffer = +"0123456789"
      error = assert_raises(RuntimeError) do
        loop.batch do |b|
          b.write(writer, "x")
          b.read(reader, 2, buffer)
          b.read(reader, 2, buffer, 5)
        end
      end
      assert_match(/lock/, error.message)
      buffer << "still mine"
      assert_equal(:interrupted, interrupted { loop.read(reader, 1) })
    end
  end

  def test_a_batch_writes_all_of_what_finds_no_room
    with_pipes do |loop, reader, writer, other_reader, other_writer|
      long = Random.new(1).bytes(300_000)
      readers = [reader, other_reader].map { |io| Rota.spin { read_exactly(loop, io, long.bytesize) } }
      found = loop.batch do |b|
        b.write(writer, long)
        b.write(other_writer, long)
      end
      assert_equal [long.bytesize] * 2, found
      readers.each { |task| assert_equal long, task.await }
    end
  end

  # The second is what the first waits for, in its second part.
  def test_entries_do_not_wait_for_each_other
    with_pipes do |loop, reader, writer, other_reader, other_writer|
      long = "x" * 200_000
      drain = Rota.spin { read_exactly(loop, reader, long.bytesize).tap { loop.write(other_writer, "go") } }
      assert_equal [long.bytesize, "go"], (loop.batch do |b|
        b.write(writer, long)
        b.read(other_reader, 2)
      end)
      assert_equal long, drain.await
    end
  end

  # Those that are no entries are called beside them, and beside each other.
  def test_entries_and_other_verbs_may_wait_for_each_other
    with_sockets do |loop, one, other, third, fourth|
      found = with_timeout(5) do
        loop.batch do |b|
          b.read(one, 10)
          b.sendmsg(third, "again")
          b.recvmsg(fourth, 10)
          b.sendmsg(other, "hello")
        end
      end
      assert_equal ["hello", 5, ["again", nil, 0], 5], found
      assert_equal [nil, 0], with_timeout(5) { loop.batch { |b| [b.read(one, 10), b.shutdown(other, :WR)] } }
      assert_equal [nil, nil], with_timeout(5) { loop.batch { |b| [b.read(other, 10), b.close(one)] } }
    end
  end

  def test_a_batch_that_closes_what_an_entry_waits_for
    with_sockets do |loop, one|
      found = with_timeout(5) { loop.batch { |b| [b.read(one, 10), b.close(one), b.shutdown(one, :WR)] } }
      assert_equal [IOError, NilClass, IOError], found.map(&:class)
    end
  end

  def test_what_entries_can_do_at_once_is_done_before_other_verbs
    with_sockets do |loop, one, other, third, fourth|
      found = loop.batch do |b|
        b.shutdown(one, :WR)
        b.write(one, "abc")
        b.close(third)
        b.send_bytes(third, "defg")
      end
      assert_equal [0, 3, nil, 4], found
      assert_equal %w[abc defg], [loop.read(other, 10), loop.read(fourth, 10)]
      2.times { |i| assert_nil loop.read([other, fourth][i], 10) }
    end
  end

  def test_an_interrupted_batch_ends_other_verbs_too
    with_sockets do |loop, one, other, third|
      loop.write(other, "abc")
      assert_equal(:interrupted, interrupted do
        loop.batch do |b|
          b.read(one, 10)
          b.recvmsg(third, 10)
          b.sleep
        end
      end)
      assert_equal "abc", loop.read(one, 10)
      assert_empty Rota.current.children
      assert_equal 0, loop.stats[:ops_in_use]
    end
  end

  def test_a_verb_that_raises_what_is_no_result_ends_the_batch
    with_sockets do |loop, one, other, third|
      loop.write(other, "abc")
      line = __LINE__ + 2
      error = assert_raises(NoMethodError) do
        loop.batch do |b|
          b.read(one, 10)
          b.read(third, 10)
          b.sendmsg(other, "x", 0, nil, :no_control)
        end
      end
      assert_match(/:#{line}:/, error.backtrace.join("\n"))
      assert_equal "abc", loop.read(one, 10)
      assert_equal 0, loop.stats[:ops_in_use]
    end
  end

  def test_a_verb_of_a_batch_that_others_end
    with_sockets do |loop, one, other|
      batch = Rota.spin { loop.batch { |b| [b.read(one, 10), b.recvmsg(one, 10)] } }
      2.times { Rota.snooze }
      batch.children.each(&:terminate)
      loop.write(other, "abc")
      assert_equal ["abc", nil], batch.await
    end
  end

  def test_an_interrupted_batch_loses_no_byte
    with_pipes do |loop, reader, writer, silent|
      assert_equal(:interrupted, interrupted do
        loop.batch do |b|
          b.write(writer, "abc")
          b.read(reader, 10)
          b.read(silent, 10)
        end
      end)
      assert_equal "abc", loop.read(reader, 10)
      assert_equal 0, loop.stats[:ops_in_use]
    end
  end

  def test_kept_bytes_come_first_and_in_order
    with_pipes do |loop, reader, writer, silent|
      loop.write(writer, "abcdef")
      2.times do
        interrupted do
          loop.batch do |b|
            b.read(reader, 4)
            b.read(silent, 1)
          end
        end
      end
      assert_equal %w[ab cd], loop.chain { |c| 2.times { c.read(reader, 2) } }
      assert_equal "ef", loop.read(reader, 10)
    end
  end

  # Several reads had a part of what was kept: it is one piece again.
  def test_kept_bytes_that_were_shared_out
    with_pipes do |loop, reader, writer, silent|
      loop.write(writer, "abcdef")
      [[6], [2, 2], [3, 3]].each do |lengths|
        interrupted do
          loop.batch do |b|
            lengths.each { |length| b.read(reader, length) }
            b.read(silent, 1)
          end
        end
      end
      assert_equal "abcdef", loop.read(reader, 10)
    end
  end

  # What waits by itself, after the entries, is interrupted like these.
  def test_an_interrupt_between_the_entries_and_the_end_of_a_batch_loses_no_byte
    with_pipes do |loop, reader, writer|
      Dir.mktmpdir do |folder|
        File.mkfifo(fifo = File.join(folder, "fifo"))
        [->(b) { b.sleep(9) }, ->(b) { b.open(fifo) }, ->(b) { b.open(fifo, "w") }].each do |waits|
          loop.write(writer, "kept")
          assert_equal(:interrupted, interrupted do
            loop.batch do |b|
              b.read(reader, 10)
              waits.call(b)
            end
          end)
          assert_equal("kept", interrupted { loop.read(reader, 10) })
          Rota.sleep(0.001) # until the FIFO is closed: one that opens it in the same enter finds it open
        end
      end
    end
  end

  def test_a_fifo_opened_by_a_link_waits_for_its_other_end
    with_pipes(1) do |loop, reader, writer|
      Dir.mktmpdir do |folder|
        File.mkfifo(fifo = File.join(folder, "fifo"))
        other = Rota.spin { Rota.sleep(0.005) && loop.open(fifo) }
        stream, three = loop.chain do |c|
          c.open(fifo, "w")
          c.write(writer, "abc")
        end
        stream.write("through")
        stream.close
        assert_equal "through", other.await.read
        assert_equal [3, "abc"], [three, loop.read(reader, 10)]
      end
    end
  end

  # The interrupt is raised where the entry that failed has its turn.
  def test_a_stop_and_a_close_at_once_lose_no_byte_of_a_batch
    with_pipes do |loop, reader, writer|
      stream, = Rota.pair
      task = Rota.spin do
        loop.batch do |b|
          b.read(reader, 10)
          b.read(stream, 10)
        end
      end
      Rota.snooze until task.state == :waiting
      loop.write(writer, "kept")
      2.times { Rota.snooze }
      stream.close
      task.stop(:stopped)
      assert_equal :stopped, task.await
      assert_equal("kept", interrupted { loop.read(reader, 10) })
    end
  end

  # Its number is another socket's when the bytes come back, or will be later.
  def test_bytes_of_what_was_closed_are_kept_for_nobody
    [true, false].product(%i[read readv]).each do |early, verb|
      with_pipes do |loop, silent, *|
        reader, writer = socket_pair
        number = reader.fileno
        task = Rota.spin { loop.batch { |b| b.public_send(verb, reader, room(verb)) && b.read(silent, 1) } }
        writer.write("secret")
        Rota.sleep(0.001) while reader.wait_readable(0)
        loop.close(reader)
        other = socket_pair_with_number(number) if early
        task.stop.await
        other ||= socket_pair_with_number(number)
        other[1].write("mine")
        assert_equal "mine", loop.read(other[0], 10)
      end
    end
  end

  def room(verb) = verb == :read ? 10 : ["\0" * 10]

  # A file takes its bytes back: nothing tells one opening of it from the next.
  def test_bytes_of_a_file_go_back_to_it
    Tempfile.create("rota-grouping") do |path|
      File.write(path, "old-content")
      [->(loop) { loop.open(path.path) }, ->(_) { File.open(path) }].each do |opening|
        with_pipes do |loop, silent, *|
          file = opening.call(loop)
          interrupted { loop.batch { |b| 2.times { b.read(file, 3) } && b.read(silent, 1) } }
          assert_equal "old-", loop.read(file, 4)
          interrupted { loop.batch { |b| b.read(file, 3) && b.read(silent, 1) } }
          file.close
          file = opening.call(loop)
          assert_equal ["old-content", nil], [loop.read(file, 100), loop.read(file, 100)]
        ensure
          file&.close
        end
      end
    end
  end

  # A pipe with a name, too, is the same file when it is opened anew.
  def test_bytes_of_a_closed_stream_are_dropped
    Dir.mktmpdir do |folder|
      File.mkfifo(path = File.join(folder, "fifo"))
      with_pipes do |loop, silent, *|
        File.open(path, File::RDWR) do |writer|
          reader = loop.open(path)
          writer.syswrite("old")
          interrupted { loop.batch { |b| b.read(reader, 3) && b.read(silent, 1) } }
          reader.close
          reader = loop.open(path)
          writer.syswrite("new")
          assert_equal "new", loop.read(reader, 10)
        ensure
          reader&.close
        end
      end
    end
  end

  def test_a_task_that_is_killed_leaves_nothing_lent
    with_pipes do |loop, reader, writer, silent|
      buffer = +"0123456789"
      root = Rota.current
      Rota.after(0.005) { root.interject { throw :out, :thrown } }
      caught = catch(:out) do
        loop.batch do |b|
          b.write(writer, "abc")
          b.read(reader, 10)
          b.read(silent, 5, buffer)
        end
      end
      assert_equal :thrown, caught
      buffer << "mine"
      assert_equal "abc", loop.read(reader, 10)
    end
  end

  def test_connections_of_an_interrupted_batch_are_closed
    listener = keep([TCPServer.new("127.0.0.1", 0)]).first
    with_pipes do |loop, silent|
      client = keep([TCPSocket.new("127.0.0.1", listener.addr[1])]).first
      interrupted do
        loop.batch do |b|
          b.accept(listener)
          b.read(silent, 1)
        end
      end
      assert_nil loop.read(client, 1)
    end
  end

  def test_a_batch_accepts_and_connects
    listener = keep([TCPServer.new("127.0.0.1", 0)]).first
    in_loop do |loop|
      client = keep([Socket.new(:INET, :STREAM)]).first
      stream, zero = loop.batch do |b|
        b.accept(listener)
        b.connect(client, listener.connect_address)
      end
      assert_equal 0, zero
      assert_equal [2, "hi"], (loop.batch do |b|
        b.send_bytes(client, "hi")
        b.recv(stream.fileno, 10)
      end)
      stream.close
    end
  end

  def test_a_close_wakes_who_waits_in_a_batch
    with_pipes do |loop, reader, writer, other_reader, other_writer|
      task = Rota.spin do
        loop.batch do |b|
          b.read(reader, 1)
          b.read(other_reader, 1)
        end
      end
      Rota.snooze until task.state == :waiting
      loop.close(reader)
      loop.write(other_writer, "x")
      failure, read = task.await
      assert_instance_of IOError, failure
      assert_equal "x", read
      writer.close
    end
  end

  # What was closed since it was recorded has given its number to another file.
  def test_a_number_that_is_used_again_before_it_begins
    in_loop do |loop|
      %i[batch chain].each do |verb|
        ours, = socket_pair
        found = begin
          loop.public_send(verb) do |b|
            b.write(ours, "wrong")
            number = ours.fileno
            ours.close
            @other = file_with_number(number)
          end
        rescue Rota::ChainError => e
          [e.cause]
        end
        assert_instance_of IOError, found[0]
        assert_equal 0, @other.size
      end
    end
  end

  def test_a_directory_that_is_closed_before_the_batch_begins
    in_loop do |loop|
      found = Dir.mktmpdir do |folder|
        directory, other = Array.new(2) { Dir.new(folder) }
        loop.batch do |b|
          b.mkdir("there", 0o700, dir: other)
          b.mkdir("never", 0o700, dir: directory)
          directory.close
        end.push(other.children).tap { other.close }
      end
      assert_equal [0, ["there"]], found.values_at(0, 2)
      assert_instance_of IOError, found[1]
    end
  end

  def test_a_number_that_is_used_again_between_two_links
    with_pipes(1) do |loop, reader, writer|
      [->(c) { c.read(reader, 1) }, ->(c) { c.wait(reader, 1) }].each do |first|
        ours, = Rota.pair
        number = ours.fileno
        task = waiting do
          loop.chain do |c|
            first.call(c)
            c.write(ours, "wrong")
          end
        rescue Rota::ChainError => e
          e
        end
        2.times { Rota.snooze }
        ours.close
        Rota.snooze while File.exist?("/proc/self/fd/#{number}")
        other = file_with_number(number)
        loop.write(writer, "x")
        error = task.await
        assert_equal [1, 1, IOError], [error.index, error.results.size, error.cause.class]
        assert_equal 0, other.size
      end
    end
  end

  # Nobody is told of a plain close, but the later links have their files since the chain began.
  def test_a_number_that_ruby_closes_between_two_links
    with_pipes do |loop, reader, writer, source, filler|
      filler.write("wrong")
      { write: "wrong", tee: [source, 5], splice: [source, 5] }.each do |verb, (bytes, length)|
        other_reader, ours = IO.pipe
        number = ours.fileno
        task = waiting do
          loop.chain do |c|
            c.read(reader, 1)
            length ? c.public_send(verb, bytes, ours, length) : c.write(ours, bytes)
          end
        rescue Rota::ChainError => e
          e
        end
        2.times { Rota.snooze }
        ours.close
        other = file_with_number(number)
        writer.syswrite("x")
        task.await
        assert_equal 0, other.size
        other_reader.close
      end
    end
  end

  def test_a_source_that_is_closed_between_two_links
    with_pipes do |loop, reader, writer, _source, filler|
      ours, = Rota.pipe
      task = waiting { loop.chain { |c| c.read(reader, 1) && c.splice(ours, filler, 1) } }
      2.times { Rota.snooze }
      ours.close
      writer.syswrite("x")
      assert_instance_of IOError, assert_raises(Rota::ChainError) { task.await }.cause
    end
  end

  def test_a_chain_that_finds_no_number_for_its_links
    with_pipes do |loop, reader, writer, other_reader, other_writer|
      limit = Process.getrlimit(:NOFILE)
      Process.setrlimit(:NOFILE, Dir.children("/proc/self/fd").map(&:to_i).max + 1, limit.last)
      taken = []
      assert_raises(Errno::EMFILE) { taken << reader.dup until taken.size == 1000 }
      found = loop.chain do |c|
        c.write(writer, "ab")
        c.splice(reader, other_writer, 2)
        c.read(other_reader, 2)
      end
      assert_equal [2, 2, "ab"], found
    ensure
      Process.setrlimit(:NOFILE, *limit)
      taken.each(&:close)
    end
  end

  def test_many_entries
    with_pipes(1) do |loop, reader, writer|
      assert_equal [1] * 500, loop.batch { |b| 500.times { b.write(writer, "x") } }
      assert_equal ["x"] * 500, loop.batch { |b| 500.times { b.read(reader, 1) } }
    end
  end

  def test_the_recorder_is_for_the_block_alone
    with_pipes(1) do |loop, reader|
      kept = nil
      loop.batch { |b| kept = b }
      error = assert_raises(Rota::Error) { kept.read(reader, 1) }
      assert_match(/over/, error.message)
    end
  end

  def test_what_a_block_raises_or_breaks_with
    with_pipes(1) do |loop, reader, writer|
      assert_raises(KeyError) do
        loop.batch do |b|
          b.write(writer, "x")
          raise KeyError
        end
      end
      assert_equal(:left, loop.batch do |b|
        b.write(writer, "x")
        break :left
      end)
      writer.write("nothing")
      assert_equal "nothing", loop.read(reader, 10)
    end
  end

  # --- chain ---

  def test_a_chain_goes_in_order
    with_pipes do |loop, reader, writer, other_reader, other_writer|
      assert_equal [5, "hello", 2, "xy"], (loop.chain do |c|
        c.write(writer, "hello")
        c.read(reader, 5)
        c.write(other_writer, "xy")
        c.read(other_reader, 100)
      end)
    end
  end

  def test_a_chain_goes_behind_what_others_wrote_before
    with_pipes(9) do |loop, reader, writer, *others|
      tasks = others.each_slice(2).map { |_, other| Rota.spin { loop.write(other, "x") } } # enough to be entries
      tasks << Rota.spin { loop.write(writer, "first ") }
      tasks << Rota.spin { loop.chain { |c| 2.times { c.write(writer, "second ") } } }
      tasks.each(&:await)
      assert_equal "first second second ", reader.read_nonblock(100)
    end
  end

  def test_a_link_waits_for_the_one_before_it
    with_pipes do |loop, reader, writer, other_reader, other_writer|
      task = Rota.spin do
        loop.chain do |c|
          c.read(reader, 2)
          c.write(other_writer, "answer")
        end
      end
      Rota.snooze until task.state == :waiting
      assert_equal(:interrupted, interrupted { loop.read(other_reader, 1) })
      loop.write(writer, "go")
      assert_equal "answer", loop.read(other_reader, 10)
      assert_equal ["go", 6], task.await
    end
  end

  def test_a_failing_link_ends_the_chain
    with_pipes do |loop, reader, writer|
      error = assert_raises(Rota::ChainError) do
        loop.chain do |c|
          c.write(writer, "abc")
          c.read(999, 1)
          c.write(writer, "never")
        end
      end
      assert_equal [1, [3], nil], [error.index, error.results, error.result]
      assert_instance_of Errno::EBADF, error.cause
      assert_match(/link 1 \(read\)/, error.message)
      assert_equal "abc", loop.read(reader, 100)
    end
  end

  def test_a_short_link_ends_the_chain
    with_pipes do |loop, reader, writer|
      error = assert_raises(Rota::ChainError) do
        loop.chain do |c|
          c.write(writer, "abc")
          c.read(reader, 10)
          c.write(writer, "never")
        end
      end
      assert_equal [1, [3], "abc", nil], [error.index, error.results, error.result, error.cause]
      assert_match(/3 of 10/, error.message)
      writer.close
      assert_nil loop.read(reader, 100)
    end
  end

  def test_the_end_of_a_file_is_short
    with_pipes do |loop, reader, writer, _other, other_writer|
      writer.close
      error = assert_raises(Rota::ChainError) do
        loop.chain do |c|
          c.read(reader, 10)
          c.write(other_writer, "never")
        end
      end
      assert_equal [0, [], nil], [error.index, error.results, error.result]
      assert_equal [nil], loop.chain { |c| c.read(reader, 10) }
    end
  end

  def test_a_chain_that_is_longer_than_any_ring
    with_pipes(1) do |loop, reader, writer|
      found = loop.chain do |c|
        300.times do |i|
          c.write(writer, [i].pack("N"))
          c.read(reader, 4)
        end
      end
      assert_equal((0...300).flat_map { |i| [4, [i].pack("N")] }, found)
    end
  end

  def test_a_write_without_room_is_finished_before_the_next_link
    with_pipes(1) do |loop, reader, writer|
      long = Random.new(2).bytes(300_000)
      task = Rota.spin { read_exactly(loop, reader, long.bytesize + 3) }
      assert_equal [long.bytesize, 3], (loop.chain do |c|
        c.write(writer, long)
        c.write(writer, "end")
      end)
      assert_equal "#{long}end".b, task.await
    end
  end

  def test_a_chain_closes_numbers_and_objects
    with_pipes do |loop, reader, writer, other_reader, other_writer|
      number = other_writer.fileno
      other_writer.autoclose = false
      assert_equal [3, nil, 1, nil], (loop.chain do |c|
        c.write(writer, "abc")
        c.close(writer)
        c.write(number, "x")
        c.close(number)
      end)
      assert_predicate writer, :closed?
      assert_equal ["abc", nil, "x", nil], [reader, reader, other_reader, other_reader].map { |io| loop.read(io, 9) }
    ensure
      IO.for_fd(IO.sysopen(File::NULL)).tap { |null| other_writer.reopen(null) && null.close } if number
      other_writer.autoclose = true
    end
  end

  def test_an_interrupted_chain_begins_nothing_new_and_loses_nothing
    with_pipes do |loop, reader, writer, silent|
      assert_equal(:interrupted, interrupted do
        loop.chain do |c|
          c.write(writer, "abc")
          c.read(reader, 3)
          c.read(silent, 1)
          c.write(writer, "never")
        end
      end)
      assert_equal "abc", loop.read(reader, 100)
      assert_equal(:interrupted, interrupted { loop.read(reader, 100) })
      assert_equal 0, loop.stats[:ops_in_use]
    end
  end

  def test_a_killed_chain_loses_no_byte
    with_pipes do |loop, reader, writer, silent|
      root = Rota.current
      Rota.after(0.005) { root.interject { throw :out, :thrown } }
      caught = catch(:out) do
        loop.chain do |c|
          c.write(writer, "abc")
          c.read(reader, 3)
          c.read(silent, 1)
        end
      end
      assert_equal [:thrown, "abc"], [caught, loop.read(reader, 100)]
    end
  end

  def test_collected_and_moved_in_flight
    with_pipes do |loop, reader, writer|
      task = Rota.spin do
        loop.chain do |c|
          c.read(reader, 6)
          c.write(writer, "s" * 20)
          c.read(reader, 20, "0" * 20)
        end
      end
      Rota.snooze until task.state == :waiting
      GC.start
      GC.compact if GC.respond_to?(:compact)
      loop.write(writer, "abcdef")
      assert_equal ["abcdef", 20, 20], task.await
    end
  end

  private

  def read_exactly(loop, io, count)
    found = +"".b
    found << loop.read(io, 50_000) while found.bytesize < count
    found
  end
end

{ default: {}, ring_of_two: { entries: 2 }, ring_of_eight: { entries: 8 } }.each do |row, options|
  Engines::ALL.each do |engine|
    next if engine == :epoll && row != :default

    Object.const_set("Grouping#{row.to_s.capitalize.delete('_')}#{engine.to_s.capitalize.delete('_')}Test",
                     Class.new(RotaTest) do
                       include GroupingTests

                       define_method(:options) { { engine: engine, **options } }
                     end)
  end
end
