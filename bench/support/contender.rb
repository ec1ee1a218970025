# frozen_string_literal: true

require "json"
require_relative "interpreter"
require_relative "need"

module Bench
  autoload :Floor, File.join(__dir__, "floor.rb")
  # What the contenders on one runtime share.
  { rota: %w[RotaContender RotaServer RotaSchedulerServer], async: %w[AsyncContender AsyncServer],
    polyphony: %w[PolyphonyContender PolyphonyServer], carbon_fiber: %w[CarbonFiberContender CarbonFiberServer],
    uringmachine: %w[UringMachineContender UringMachineServer UringMachineSchedulerContender
                     UringMachineSchedulerServer], threads: %w[ThreadContender ThreadServer],
    sequential: %w[SequentialContender SequentialServer] }.each do |file, names|
    names.each { |name| autoload name, File.join(__dir__, "families", "#{file}.rb") }
  end

  # One way to do the work of a question. A contender is one file in bench/contenders/<folder>/
  # that defines one subclass; the file's name is its key.
  class Contender
    class << self
      attr_accessor :path

      def inherited(subclass)
        super
        Contender.known << subclass
      end

      def known = @known ||= []

      # The contender that this file defines. What it derives from lives in Bench and is none.
      def load(path)
        before = known.dup
        require path
        defined = (known - before).reject { |subclass| subclass.name.start_with?("Bench::") }.last
        defined.path = path if defined
        known.find { |subclass| subclass.path == path }
      end

      # How tables call it, and with what configuration it runs.
      def label(text = nil) = setting(:label, text)
      def about(text = nil) = setting(:about, text)

      # The contender, and the same in its variants.
      def all = [new]

      private

      # Sets it, or answers what this class or the nearest above it has set.
      def setting(name, value = nil)
        return instance_variable_set("@#{name}", value) unless value.nil?

        instance_variable_get("@#{name}") || (superclass.send(:setting, name) if superclass <= Contender)
      end
    end

    def key = File.basename(self.class.path, ".rb")
    def label = self.class.label
    def about = self.class.about

    # Two contenders of one kind are compared with each other: they run on the same Ruby. nil is the
    # kind of those that do not run on Ruby.
    def kind = nil

    # nil, or one sentence that says why it cannot run here.
    def missing = nil

    # What it is made of, for the report: name => version.
    def versions = {}
  end

  # A contender in Ruby: its file is loaded again in a process of its own, which runs its `run`.
  class RubyContender < Contender
    PROGRAM = File.join(__dir__, "measured.rb")

    # The same program with another environment, or on the Ruby that BENCH_RUBY names.
    Variant = Struct.new(:name, :label, :environment, :newer, keyword_init: true)

    class << self
      # Of this class and of those that it derives from.
      def all_needs = inherited_list(:needs)
      def all_variants = inherited_list(:variants)

      def needs(*needs)
        (@needs ||= []).concat(needs)
      end

      # It is called like the plain contender where no label is given.
      def variant(name, label: nil, environment: {}, newer: false)
        (@variants ||= []) << Variant.new(name: name, label: label, environment: environment, newer: newer)
      end

      # The versions of Ruby on which it runs; others are refused by the gem itself.
      def ruby(requirement = nil) = setting(:ruby, requirement)

      # What the plain contender finds in its environment.
      def environment(variables = nil) = setting(:environment, variables)

      def all
        variants = all_variants.reject { |variant| variant.newer && (ruby || !Interpreter.newer) }
        [nil, *variants].map { |variant| new(variant) }
      end

      private

      def inherited_list(name)
        above = superclass <= RubyContender ? superclass.send(:inherited_list, name) : []
        above + (instance_variable_get("@#{name}") || [])
      end
    end

    def initialize(variant = nil)
      super()
      @variant = variant
    end

    def key = [super, @variant&.name].compact.join("_")

    def label
      text = @variant&.label || super
      [nil, Interpreter.own.kind].include?(kind) ? text : "#{text}, #{kind}"
    end

    def kind = interpreter&.kind

    def missing
      return Interpreter.sentence(self.class.ruby) unless interpreter

      self.class.all_needs.filter_map { |need| need.missing(interpreter) }.first
    end

    def versions = self.class.all_needs.to_h { |need| [need.name, need.version(interpreter)] }

    # `wrapper` is a program that is to run it.
    def command(params, wrapper = [])
      interpreter.command(environment, PROGRAM, self.class.path, JSON.generate(params), wrapper: wrapper)
    end

    # In the measured process: does the work until the stint is over.
    def work(params)
      stint = Stint.new(params)
      set_up
      stint.await_go
      run(stint)
      stint.report
      exit!(0) # what the interpreter does at its end is not to be counted
    end

    private

    # Before anything is counted: what is to be required.
    def set_up = nil

    def environment = @variant ? @variant.environment : self.class.environment || {}
    def interpreter = @variant&.newer ? Interpreter.newer : Interpreter.fitting(self.class.ruby)
  end

  # A server in Ruby: its process runs `serve` until TERM.
  class RubyServer < RubyContender
    def work(params)
      service = Service.new(params)
      serve_until_term(service)
      service.report
      exit!(0) # some schedulers wait for their fibers for ever
    end

    private

    # What serves ordinary sockets listens on this.
    def listen
      require "socket"
      TCPServer.new("127.0.0.1", 0).tap { |server| server.listen(4096) }
    end

    def send_at_once(socket)
      socket.sync = true
      socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    end

    # One connection, to its end.
    def attend(socket)
      handle(socket)
    rescue EOFError, SystemCallError
      nil # the client is gone
    ensure
      socket.close
    end

    def serve_until_term(service)
      serve(service)
    rescue SignalException => e
      raise unless e.signo == Signal.list["TERM"]
    end
  end

  # A program of bench/floor.
  class NativeContender < Contender
    def self.program(name = nil) = setting(:program, name)

    def missing
      Floor.build(self.class.program)
      nil
    rescue Floor::Missing => e
      e.message
    end

    def command(params, wrapper = [])
      [*wrapper, Floor.build(self.class.program), *arguments(params).map(&:to_s)]
    end

    def arguments(_params) = []
  end
end
