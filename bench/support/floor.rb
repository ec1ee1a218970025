# frozen_string_literal: true

require "fileutils"
require "open3"
require "rbconfig"
require_relative "paths"

module Bench
  # The C programs in bench/floor, and its extensions for the Ruby that asks, compiled when first wanted and
  # when their sources changed.
  module Floor
    # Why a floor cannot be built: one sentence.
    Missing = Class.new(StandardError)

    FLAGS = %w[-O2 -std=gnu11 -Wall -Wextra].freeze

    # Ruby's own headers have parameters that they do not use.
    EXTENSION_FLAGS = %w[-fPIC -shared -fvisibility=hidden -Wno-unused-parameter].freeze

    module_function

    # The path of the built program.
    def build(name)
      source = File.join(Paths::FLOOR, "#{name}.c")
      program = File.join(Paths::BUILD, name)
      compile(source, program) unless fresh?(program, source)
      program
    end

    # What the Ruby that runs this requires: the path of the built extension.
    def extension(name)
      source = File.join(Paths::FLOOR, "#{name}.c")
      folder = "extensions-#{RbConfig::CONFIG['ruby_version']}-#{RbConfig.ruby.sum}"
      library = File.join(Paths::BUILD, folder, "#{name}.so")
      compile(source, library, *EXTENSION_FLAGS, *headers) unless fresh?(library, source)
      library
    end

    def headers = %w[rubyhdrdir rubyarchhdrdir].flat_map { |name| ["-isystem", RbConfig::CONFIG.fetch(name)] }

    def compiler = ENV.fetch("CC", "cc")

    def fresh?(program, source)
      sources = [source, *Dir[File.join(Paths::FLOOR, "*.h")]]
      File.exist?(program) && sources.all? { |file| File.mtime(file) <= File.mtime(program) }
    end

    def compile(source, program, *options)
      FileUtils.mkdir_p(File.dirname(program))
      # Only the ring's programs need liburing: without it the others still are a floor.
      flags = File.read(source).include?('"ring.h"') ? liburing : []
      run(compiler, *FLAGS, *options, "-o", program, source, *flags)
    end

    def liburing
      run("pkg-config", "--cflags", "--libs", "liburing").split
    end

    def run(*command)
      output, status = Open3.capture2e(*command)
      return output if status.success?

      raise Missing, "#{command.first} failed: #{output.lines.grep(/error|liburing/).first || output.lines.first}".strip
    rescue Errno::ENOENT
      raise Missing, "#{command.first} is not installed"
    end
  end
end
