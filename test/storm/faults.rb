# frozen_string_literal: true

require "rbconfig"

begin
  require "fiddle"
rescue LoadError
  nil # a gem of its own from Ruby 4.0 on: nothing fails then
end

module Storm
  # The Ruby face of faults.c, in a process into which it is preloaded.
  module Faults
    SETTINGS = %i[allocations short_sends busy_sockets clock seed raises].freeze

    module_function

    # => the path of the library, or nil where there is no compiler, or nothing to reach it with
    def build(folder)
      return unless defined?(Fiddle::Handle)

      target = File.join(folder, "faults.so")
      source = File.join(__dir__, "faults.c")
      target if system(RbConfig::CONFIG["CC"].split.first, "-shared", "-fPIC", "-O1", "-o", target, source)
    end

    def available? = defined?(Fiddle::Handle) && !function("storm_set").nil?

    def set(setting, value)
      Fiddle::Function.new(function("storm_set"), [Fiddle::TYPE_INT, Fiddle::TYPE_LONG_LONG], Fiddle::TYPE_VOID)
                      .call(SETTINGS.index(setting), value)
    end

    def hits(setting)
      Fiddle::Function.new(function("storm_hits"), [Fiddle::TYPE_INT], Fiddle::TYPE_LONG_LONG)
                      .call(SETTINGS.index(setting))
    end

    def function(name)
      Fiddle::Handle::DEFAULT[name]
    rescue Fiddle::DLError
      nil
    end
  end
end
