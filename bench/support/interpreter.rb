# frozen_string_literal: true

require "json"
require "rbconfig"
require_relative "paths"

module Bench
  # The measured process loads this file too and shall stay small.
  autoload :Child, File.join(__dir__, "child.rb")
  autoload :Release, File.join(__dir__, "release.rb")

  # A Ruby that runs contenders. Usually it is the one that runs the harness; some contenders want a
  # newer one, which BENCH_RUBY may name. Rota is then measured on both, so that like is compared
  # with like.
  class Interpreter
    VARIABLE = "BENCH_RUBY"

    class << self
      def own = @own ||= new(RbConfig.ruby)

      # nil where none is named, or just the one that runs the harness.
      def newer
        return @newer if defined?(@newer)

        named = ENV.fetch(VARIABLE, nil)
        @newer = named && File.realpath(named) != File.realpath(RbConfig.ruby) ? new(named) : nil
      end

      # The first that meets the requirement; nil when none does.
      def fitting(requirement) = [own, newer].compact.find { |interpreter| interpreter.meets?(requirement) }

      # Why there is none.
      def sentence(requirement)
        "needs Ruby #{requirement}, and this is #{RUBY_VERSION} (#{VARIABLE} may name a newer one)"
      end
    end

    attr_reader :path

    def initialize(path)
      @path = path
    end

    # How reports call it: "Ruby 3.1".
    def kind = "Ruby #{facts.fetch(:version)[/\d+\.\d+/]}"

    def description = facts.fetch(:description)

    def meets?(requirement)
      requirement.nil? || Gem::Requirement.new(requirement).satisfied_by?(Gem::Version.new(facts.fetch(:version)))
    end

    # The command that runs a program with Rota, and the gems of bench/Gemfile, within reach.
    def command(environment, *arguments, wrapper: [])
      variables = { "GEM_PATH" => [gems, *facts.fetch(:gem_path)].join(":"), **environment }
      ["env", *variables.map { |name, value| "#{name}=#{value}" }, *wrapper, path, "-W:no-experimental",
       *Release.load_path(self).flat_map { |folder| ["-I", folder] }, *arguments]
    end

    # Where bench/install puts the gems for this Ruby.
    def gems = File.join(Paths::BUILD, "gems", facts.fetch(:abi))

    # A name of its own for what is built for this Ruby.
    def name = "#{facts.fetch(:abi)}-#{path.sum}"

    private

    FACTS = "print JSON.generate(version: RUBY_VERSION, abi: RbConfig::CONFIG['ruby_version'], " \
            "description: RUBY_DESCRIPTION, gem_path: Gem.path)"
    private_constant :FACTS

    def facts
      @facts ||= JSON.parse(Child.capture([path, "-rjson", "-rrbconfig", "-e", FACTS]), symbolize_names: true)
    end
  end
end
