# frozen_string_literal: true

require "bundler"
require "open3"
require_relative "interpreter"
require_relative "paths"

module Bench
  # bench/install: the gems of bench/Gemfile below tmp/bench, for the Ruby that runs it and for the one
  # that BENCH_RUBY names. What is there stays as it is.
  class Installation
    # The linker would take the system's liburing for the newer one that uringmachine brings and builds.
    # The compiled pg suits releases of Ruby only.
    BUILD_OPTIONS = { "uringmachine" => %w[-- --with-dldflags=../../vendor/liburing/src/liburing.a],
                      "pg" => %w[--platform ruby] }.freeze

    RUNNER = 'require "rubygems"; require "rubygems/gem_runner"; Gem::GemRunner.new.run(ARGV.dup)'

    # The exit status: 0 even when some cannot be installed, for their questions do without them.
    def run
      [Interpreter.own, Interpreter.newer].compact.each do |interpreter|
        puts "#{interpreter.kind}:"
        dependencies.each { |dependency| puts "  #{dependency.name}: #{outcome(interpreter, dependency)}" }
      end
      0
    end

    private

    def dependencies
      Bundler::Dsl.new.tap { |dsl| dsl.eval_gemfile(File.join(Paths::BENCH, "Gemfile")) }.dependencies
    end

    def outcome(interpreter, dependency)
      # Not --install-dir, which would install again what is there already.
      output, status = Open3.capture2e({ "GEM_HOME" => interpreter.gems }, *command(interpreter, dependency))
      return output[/^(?:Successfully installed|Using) (#{dependency.name}-\S+)/, 1] || "is there" if status.success?

      output.lines.grep(/requires Ruby|rror/).last.to_s.strip
    end

    def command(interpreter, dependency)
      [interpreter.path, "-e", RUNNER, "--", "install", "--no-document", "--conservative",
       dependency.name, "--version", dependency.requirement.to_s,
       *BUILD_OPTIONS.fetch(dependency.name, [])]
    end
  end
end
