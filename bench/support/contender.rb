# frozen_string_literal: true

require "json"
require_relative "need"

module Bench
  autoload :Floor, File.join(__dir__, "floor.rb")

  # One way to do the work of a question. A contender is one file in bench/contenders/<question>/
  # that defines one subclass; the file's name is its key.
  class Contender
    class << self
      attr_accessor :path

      def inherited(subclass)
        super
        Contender.known << subclass
      end

      def known = @known ||= []

      # The contender that this file defines.
      def load(path)
        before = known.dup
        require path
        (known - before).last.tap { |subclass| subclass.path = path }
      end

      # How tables call it, and with what configuration it runs.
      def label(text = @label)
        @label = text
      end

      def about(text = @about)
        @about = text
      end
    end

    def key = File.basename(self.class.path, ".rb")
    def label = self.class.label
    def about = self.class.about

    # nil, or one sentence that says why it cannot run here.
    def missing = nil

    # What it is made of, for the report: name => version.
    def versions = {}
  end

  # A contender in Ruby: its file is loaded again in a process of its own, which runs its `run`.
  class RubyContender < Contender
    PROGRAM = File.join(__dir__, "measured.rb")

    def self.needs(*needs)
      @needs ||= []
      @needs.concat(needs)
    end

    def missing = self.class.needs.filter_map(&:missing).first
    def versions = self.class.needs.to_h { |need| [need.name, need.version] }
    def command(params) = [*Need.ruby, PROGRAM, self.class.path, JSON.generate(params)]

    # In the measured process: does the work until the stint is over.
    def work(params)
      stint = Stint.new(params)
      stint.await_go
      run(stint)
      stint.report
    end
  end

  # A server in Ruby: its process runs `serve` until TERM.
  class RubyServer < RubyContender
    def work(params)
      service = Service.new(params)
      serve(service)
    rescue SignalException => e
      raise unless e.signo == Signal.list["TERM"]
    ensure
      service&.report
    end
  end

  # A program of bench/floor.
  class NativeContender < Contender
    def self.program(name = @program)
      @program = name
    end

    def missing
      Floor.build(self.class.program)
      nil
    rescue Floor::Missing => e
      e.message
    end

    def command(params) = [Floor.build(self.class.program), *arguments(params).map(&:to_s)]
    def arguments(_params) = []
  end
end
