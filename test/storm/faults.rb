# frozen_string_literal: true

require "fiddle"
require "rbconfig"

module Storm
  # The Ruby face of faults.c, in a process into which it is preloaded.
  module Faults
    SETTINGS = %i[allocations short_sends busy_sockets clock seed].freeze

    module_function

    # => the path of the library, or nil where there is no compiler
    def build(folder)
      target = File.join(folder, "faults.so")
      source = File.join(__dir__, "faults.c")
      target if system(RbConfig::CONFIG["CC"].split.first, "-shared", "-fPIC", "-O1", "-o", target, source)
    end

    def available? = !function("storm_set").nil?

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
