# frozen_string_literal: true

require "test_helper"
require_relative "../support/engines"
require_relative "../support/seccomp"

# Where io_uring is forbidden, as in a container: the same programs run, and say why.
class SeccompTest < RotaTest
  time_limit 180

  # What stands for the whole suite, which bin/test runs on the epoll engine anyway.
  FILES = %w[rota/engine_test.rb rota/loop_test.rb rota/verbs_test.rb rota/stream_test.rb rota/listener_test.rb
             rota/connect_test.rb rota/signals_test.rb rota/examples/echo_server_test.rb
             contract/gets_test.rb contract/terminal_test.rb].freeze
  ROOT = File.expand_path("../..", __dir__)

  PROGRAM = <<~'RUBY'
    require "rota"
    Rota.run { puts Rota.loop.engine, Rota.loop.features[:io_uring] }
    begin
      Rota.run(engine: :io_uring) { puts "never" }
    rescue Rota::Error => error
      puts error.message
    end
  RUBY

  def setup
    skip "no C compiler" unless Seccomp.launcher
  end

  def test_epoll_takes_over_whatever_the_refusal
    [Errno::EPERM, Errno::ENOSYS, Errno::EACCES, Errno::EOPNOTSUPP, Errno::ENOMEM].each do |error|
      out, err, = run_forbidden(["-e", PROGRAM], error: error)
      engine, why, refusal = out.lines(chomp: true)
      assert_equal ["epoll", ""], [engine, err], error
      assert_includes why, error.new.message
      assert_includes refusal, why
      assert_includes refusal, "engine: :auto runs on epoll instead"
    end
  end

  def test_the_refusal_says_how_to_allow_it
    out, = run_forbidden(["-e", PROGRAM])
    assert_match(/allow io_uring_setup, io_uring_enter and io_uring_register/, out)
    assert_match(/kernel\.io_uring_disabled=0/, out)
  end

  def test_the_suite_passes
    files = FILES.map { |file| File.join(ROOT, "test", file) }
    out, err, status = run_forbidden([File.join(ROOT, "tool/run_tests.rb"), *files], timeout: 150)
    assert_predicate status, :success?, "#{out}\n#{err}"
    assert_match(/ 0 failures, 0 errors/, out)
  end

  # The C library knows what to do then, so that is what is called.
  def test_transfers_without_preadv2
    files = %w[rota/verbs_test.rb rota/stream_test.rb scheduler/io_test.rb].map { |file| File.join(ROOT, "test", file) }
    out, err, status = run_forbidden([File.join(ROOT, "tool/run_tests.rb"), *files], timeout: 150, refused: "preadv2",
                                                                                     error: Errno::ENOSYS)
    assert_predicate status, :success?, "#{out}\n#{err}"
    assert_match(/ 0 failures, 0 errors/, out)
  end

  private

  def run_forbidden(arguments, error: Errno::EPERM, refused: "io_uring", timeout: 30)
    paths = [*ChildProcess::LOAD_PATH, File.join(ROOT, "test")].map { |path| "-I#{path}" }
    run_command(Seccomp.wrap([RbConfig.ruby, "-w", *paths, *arguments], error: error, refused: refused),
                env: { "ROTA_ENGINE" => "" }, timeout: timeout)
  end
end
