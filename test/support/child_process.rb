# frozen_string_literal: true

require "rbconfig"
require "tempfile"

# Runs Ruby in a process of its own: for what ends, forks, crashes or must not see our threads.
module ChildProcess
  # Where this process has Rota from: a working copy, a special build or an installed gem.
  LOAD_PATH = %w[rota/rota.so rota.rb].filter_map do |feature|
    found = $LOADED_FEATURES.find { |path| path.end_with?("/#{feature}") }
    found&.delete_suffix("/#{feature}")
  end.uniq.freeze

  # AddressSanitizer finds the stacks of fibers strange, which is no error.
  SANITIZER_NOISE = /^==\d+==WARNING: ASan is ignoring requested __asan_handle_no_return.*\n.*\n.*\n/

  # script: a path, or the program itself. => [stdout, stderr, Process::Status]
  #
  # The child is killed, with its own children, when the time is up; that fails the test. Output goes
  # through files: no thread of ours has to read along, and nothing is lost when a pipe is full.
  def run_ruby(script, *args, env: {}, timeout: 30)
    program = File.file?(script) ? [script] : ["-e", script, "--"]
    command = [RbConfig.ruby, "-w", "-W:no-experimental", *LOAD_PATH.map { |path| "-I#{path}" }, *program, *args]
    run_command(command, env: env, timeout: timeout)
  end

  def run_command(command, env: {}, timeout: 30)
    Tempfile.create("out") do |out|
      Tempfile.create("err") do |err|
        pid = Process.spawn(child_env(env), *command, in: File::NULL, out: out, err: err, pgroup: true)
        status = wait_or_kill(pid, timeout * Watchdog::SCALE)
        texts = [File.read(out.path), File.read(err.path).gsub(SANITIZER_NOISE, "")]
        flunk "no end after #{timeout} s\n#{texts.join("\n")}" unless status
        return [*texts, status]
      end
    end
  end

  private

  # bundler would cost every child a quarter of a second. Newer ones are asked for by a variable of their own.
  def child_env(env)
    without = { "RUBYOPT" => ENV["RUBYOPT"]&.gsub(/-r\S*bundler\S*/, ""), "BUNDLER_SETUP" => nil }
    without.merge(env.transform_keys(&:to_s))
  end

  # nil when it had to be killed
  def wait_or_kill(pid, timeout)
    deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + timeout
    until Process.wait(pid, Process::WNOHANG)
      if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
        Process.kill(:KILL, -pid)
        Process.wait(pid)
        return nil
      end
      sleep 0.002
    end
    $?
  end
end
