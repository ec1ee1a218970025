# frozen_string_literal: true

require_relative "interpreter"

module Bench
  # What a Ruby contender needs before it can run: asked of a Ruby process of its own, because the
  # harness itself must load no contender.
  class Need
    class << self
      # Rota from this working copy, and a kernel on which it runs.
      def rota
        @rota ||= new("rota", 'require "rota"; Rota.run { nil }; print Rota::VERSION')
      end

      # A method that not every working copy of Rota has yet.
      def rota_method(owner, name)
        new("#{owner}##{name}", "require \"rota\"; #{owner}.instance_method(:#{name}); print Rota::VERSION")
      end

      # An extension of bench/floor, compiled for the Ruby that is asked.
      def floor(name)
        new("bench/floor/#{name}.c",
            "require #{File.join(__dir__, 'floor.rb').inspect}; require Bench::Floor.extension(#{name.inspect}); " \
            "print Bench::Floor::FLAGS.first")
      end

      # An installed gem; `library` is what is required where the names differ.
      def gem(name, library = name)
        @gems ||= {}
        @gems[[name, library]] ||=
          new(name,
              "require #{library.inspect}; $stdout.syswrite(Gem.loaded_specs.fetch(#{name.inspect}).version.to_s)")
      end
    end

    attr_reader :name

    def initialize(name, code)
      @name = name
      @code = code
      @answers = {}
    end

    # nil, or the sentence that says what is missing.
    def missing(interpreter = Interpreter.own) = answer(interpreter)[:missing]

    def version(interpreter = Interpreter.own) = answer(interpreter)[:version]

    private

    def answer(interpreter)
      @answers[interpreter] ||= ask(interpreter)
    end

    def ask(interpreter)
      { version: Child.capture(interpreter.command({}, "-e", @code)) }
    rescue Child::Failure => e
      { missing: "#{@name} does not run here: #{e.message}" }
    end
  end
end
