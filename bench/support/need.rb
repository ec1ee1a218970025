# frozen_string_literal: true

require "rbconfig"
require_relative "paths"

module Bench
  # The measured process loads this file too and shall stay small.
  autoload :Child, File.join(__dir__, "child.rb")
  autoload :Release, File.join(__dir__, "release.rb")

  # What a Ruby contender needs before it can run: asked of a Ruby process of its own, because the
  # harness itself must load no contender.
  class Need
    # The interpreter of all contenders: the one that runs the harness.
    def self.ruby
      [RbConfig.ruby, *Release.load_path.flat_map { |path| ["-I", path] }]
    end

    # Rota from this working copy, and a kernel on which it runs.
    def self.rota
      @rota ||= new("rota", 'require "rota"; Rota.run { nil }; print Rota::VERSION')
    end

    # An installed gem; `library` is what is required where the names differ.
    def self.gem(name, library = name)
      new(name, "require #{library.inspect}; print Gem.loaded_specs.fetch(#{name.inspect}).version")
    end

    attr_reader :name

    def initialize(name, code)
      @name = name
      @code = code
    end

    # nil, or the sentence that says what is missing.
    def missing
      ask
      @missing
    end

    def version
      ask
      @version
    end

    private

    def ask
      return if @asked

      @asked = true
      @version = Child.capture([*Need.ruby, "-e", @code])
    rescue Child::Failure => e
      @missing = "#{@name} does not run here: #{e.message}"
    end
  end
end
