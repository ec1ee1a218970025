# frozen_string_literal: true

require "rbconfig"
require "tmpdir"

# Programs that run where io_uring is forbidden, or preadv2.
module Seccomp
  SOURCE = File.expand_path("seccomp_launcher.c", __dir__)

  module_function

  # The command's words, run under the filter; nil where there is no compiler to build the launcher.
  def wrap(command, error: Errno::EPERM, refused: "io_uring")
    launcher && [launcher, error::Errno.to_s, refused, *command]
  end

  # Built once per process.
  def launcher
    @launcher ||= build
  end

  def build
    folder = Dir.mktmpdir("rota-seccomp")
    owner = Process.pid
    at_exit { FileUtils.rm_rf(folder) if Process.pid == owner }
    path = File.join(folder, "launcher")
    path if system(ENV.fetch("CC", "cc"), "-O1", "-Wall", "-Werror", "-o", path, SOURCE)
  end
end
