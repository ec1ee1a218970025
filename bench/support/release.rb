# frozen_string_literal: true

require "open3"
require "rbconfig"
require_relative "paths"

module Bench
  # Rota as users get it. A working copy is compiled with assertions, which is not what is measured, so
  # the project's release build is made first and stands in front of lib in the load path.
  module Release
    FOLDER = File.join(Paths::ROOT, "tmp", "release")

    module_function

    # Compiles once per run, and only what has changed.
    def load_path
      @load_path ||= compile ? [FOLDER, Paths::LIB] : [Paths::LIB]
    end

    def description
      load_path.include?(FOLDER) ? "release build" : "the build in lib (assertions may be on): #{@refusal}"
    end

    def compile
      output, status = Open3.capture2e(RbConfig.ruby, "-S", "rake", "compile:release", chdir: Paths::ROOT)
      @refusal = output.lines.grep(/error|aborted|cannot/i).first.to_s.strip unless status.success?
      status.success?
    end
  end
end
