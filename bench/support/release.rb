# frozen_string_literal: true

require "fileutils"
require "open3"
require_relative "paths"

module Bench
  # Rota as users get it. A working copy is compiled with assertions, which is not what is measured, so
  # the project's release build is made first and stands in front of lib in the load path.
  module Release
    BUILT = File.join(Paths::ROOT, "tmp", "release", "rota", "rota.so")

    module_function

    # For a look at whether things work at all: what is built already, with its assertions.
    def take(folders)
      @load_paths = { Interpreter.own => folders }
    end

    # Compiles once per run and Ruby, and only what has changed.
    def load_path(interpreter)
      @load_paths ||= {}
      @load_paths[interpreter] ||= compile(interpreter) ? [folder(interpreter), Paths::LIB] : [Paths::LIB]
    end

    def description(interpreter)
      return "release build" if load_path(interpreter).size == 2

      "the build in lib (assertions may be on): #{@refusal}"
    end

    # The next Ruby's build goes to the same place, so each has a copy.
    def folder(interpreter) = File.join(Paths::BUILD, "release-#{interpreter.name}")

    def compile(interpreter)
      path = "#{File.dirname(interpreter.path)}:#{ENV.fetch('PATH')}"
      output, status = Open3.capture2e({ "PATH" => path }, interpreter.path, "-S", "rake", "compile:release",
                                       chdir: Paths::ROOT)
      @refusal = output.lines.grep(/error|aborted|cannot/i).first.to_s.strip unless status.success?
      keep(folder(interpreter)) if status.success?
      status.success?
    end

    # Put in place whole: another run may have the old one mapped.
    def keep(folder)
      FileUtils.mkdir_p(File.join(folder, "rota"))
      kept = File.join(folder, "rota", "rota.so")
      FileUtils.cp(BUILT, "#{kept}.new")
      File.rename("#{kept}.new", kept)
    end
  end
end
