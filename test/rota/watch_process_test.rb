# frozen_string_literal: true

require_relative "../test_helper"

# Rota.watch_process: restart policies, and the end of what is watched.
class WatchProcessTest < RotaTest
  def test_without_a_policy_it_runs_once
    Rota.run do
      seen = []
      status = Rota.watch_process("exit 3", on_start: ->(child) { seen << child.pid },
                                            on_end: ->(child) { seen << child.status.exitstatus })
      assert_equal [3, [status.pid, 3]], [status.exitstatus, seen]
    end
  end

  def test_on_error
    Rota.run do
      with_tries do |env, tries|
        status = Rota.watch_process(env, "echo >> $TRIES; test $(wc -l < $TRIES) = 3", restart: :on_error)
        assert_equal [true, 3], [status.success?, tries.call]
      end
    end
  end

  def test_always_until_too_many
    Rota.run do
      with_tries do |env, tries|
        error = assert_raises(Rota::SupervisionError) do
          Rota.watch_process(env, "echo >> $TRIES", restart: :always, max_restarts: 2, within: 60)
        end
        assert_equal 3, tries.call
        assert_match(/more than 2 restarts within 60 s: echo .* ended again \(exit 0\)/, error.message)
      end
    end
  end

  def test_a_policy_takes_its_time
    Rota.run do
      with_tries do |env, tries|
        waiting = Rota.spin { Rota.watch_process(env, "echo >> $TRIES", restart: :always, backoff: 20) }
        Rota.sleep(0.001) until tries.call == 1
        Rota.sleep(0.02)
        assert_equal 1, tries.call
        waiting.stop
        waiting.await
      end
    end
  end

  def test_the_end_of_its_task
    Rota.run do
      child = nil
      task = Rota.spin { Rota.watch_process("sleep 10", restart: :always, on_start: ->(it) { child = it }) }
      Rota.sleep(0.001) until child
      task.stop
      task.await
      assert_equal 15, child.status.termsig
    end
  end

  def test_a_block
    Rota.run do
      reader, writer = IO.pipe
      status = Rota.watch_process do
        Rota.spin { Rota.sleep(0.001) && writer.write("from a task of the child") }.await
        exit 4
      end
      writer.close
      assert_equal [4, "from a task of the child"], [status.exitstatus, reader.read]
      reader.close
    end
  end

  def test_the_end_of_a_block_and_its_group
    Rota.run do
      [false, true].each do |pgroup|
        child = nil
        task = Rota.spin { Rota.watch_process(pgroup: pgroup, on_start: ->(it) { child = it }) { Rota.sleep(10) } }
        Rota.sleep(0.001) until child
        assert_equal pgroup, Process.getpgid(child.pid) == child.pid
        task.stop
        task.await
        assert_equal 15, child.status.termsig
      end
    end
  end

  def test_arguments
    Rota.run do
      assert_raises(ArgumentError) { Rota.watch_process }
      assert_raises(ArgumentError) { Rota.watch_process("true") { nil } }
      assert_raises(ArgumentError) { Rota.watch_process("true", restart: :sometimes) }
      assert_raises(ArgumentError) { Rota.watch_process(chdir: "/") { nil } }
      assert_raises(Errno::ENOENT) { Rota.watch_process("/nonexistent", restart: :always) }
    end
  end

  private

  # A file with a line for every start.
  def with_tries
    Tempfile.create("tries") do |file|
      yield({ "TRIES" => file.path }, -> { File.foreach(file.path).count })
    end
  end
end
