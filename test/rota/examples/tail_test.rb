# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../support/example_process"
require "tmpdir"

class TailTest < RotaTest
  EXAMPLE = File.join(ExampleProcess::FOLDER, "tail.rb")

  def setup
    super
    @folder = Dir.mktmpdir
  end

  def teardown
    super
    finish if @pid
    FileUtils.remove_entry(@folder)
  end

  def test_the_last_lines_and_what_follows
    File.write(path("log"), (1..30).map { |i| "line #{i}\n" }.join)
    start(path("log"))
    assert_shows((21..30).map { |i| "line #{i}\n" }.join)
    append("log", "more\n")
    assert_shows("more\n")
    append("log", "and no")
    append("log", " newline")
    assert_shows("and no newline")
  end

  def test_so_many_lines
    File.write(path("log"), "one\ntwo\nthree")
    start("-n", "2", path("log"))
    assert_shows("two\nthree")
  end

  def test_no_lines
    File.write(path("log"), "old\n" * 20_000)
    start("-n", "0", path("log"))
    append_until("log", "new\n")
  end

  def test_a_rotation
    File.write(path("log"), "old\n")
    start(path("log"))
    assert_shows("old\n")
    append("log", "last of the old\n")
    File.rename(path("log"), path("log.1"))
    append("log.1", "a late line\n")
    File.write(path("log"), "first of the new\n")
    assert_shows("last of the old\na late line\nfirst of the new\n")
    append("log", "second\n")
    assert_shows("second\n")
  end

  def test_a_rotation_by_cutting
    File.write(path("log"), "x" * 100)
    start(path("log"))
    assert_shows("x" * 100)
    File.truncate(path("log"), 0)
    append("log", "anew\n")
    assert_shows("anew\n")
  end

  def test_a_file_that_comes_and_goes
    start(path("log"))
    assert_nil(wait_for("x", 0.2))
    File.write(path("log"), "here\n")
    assert_shows("here\n")
    File.unlink(path("log"))
    File.write(path("log"), "again\n")
    assert_shows("again\n")
  end

  def test_several_files_have_headings
    %w[a b].each { |name| File.write(path(name), "#{name}\n") }
    start(path("a"), path("b"))
    assert_shows("==> #{path('a')} <==\na\n\n==> #{path('b')} <==\nb\n")
    append("b", "more\n")
    assert_shows("more\n")
    append("a", "more\n")
    assert_shows("\n==> #{path('a')} <==\nmore\n")
  end

  private

  def path(name) = File.join(@folder, name)

  def append(name, text) = File.write(path(name), text, mode: "a")

  def start(*arguments)
    @output, write_end = IO.pipe
    @errors = File.open(path("errors"), "w+")
    load_path = ChildProcess::LOAD_PATH.map { |folder| "-I#{folder}" }
    command = [RbConfig.ruby, "-w", "-W:no-experimental", *load_path, EXAMPLE, *arguments]
    @pid = Process.spawn(child_env({}), *command, in: File::NULL, out: write_end, err: @errors, pgroup: true)
    write_end.close
    @shown = +""
  end

  # What came since the last time, once it ends as expected; else nil.
  def wait_for(text, seconds = 15 * Watchdog::SCALE)
    deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    until @shown.end_with?(text)
      left = deadline - Process.clock_gettime(Process::CLOCK_MONOTONIC)
      return if left.negative?

      @shown << @output.readpartial(65_536) if @output.wait_readable(left)
    end
    @shown.tap { @shown = +"" }
  end

  def assert_shows(text)
    found = wait_for(text)
    assert_equal text, found || @shown, File.read(path("errors"))
  end

  # It may not have begun to watch yet.
  def append_until(name, text)
    20.times do
      append(name, text)
      break if wait_for(text, 0.5)
    end
    assert_match(/\A(new\n)*\z/, @shown)
  end

  def finish
    Process.kill(:INT, @pid)
    status = wait_or_kill(@pid, 10 * Watchdog::SCALE)
    complaints = File.read(@errors.path)
    assert status&.success?, "#{status.inspect} #{complaints}"
    assert_empty complaints
  ensure
    @output.close
    @errors.close
  end
end
