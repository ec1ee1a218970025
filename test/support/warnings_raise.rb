# frozen_string_literal: true

# A warning from our code or our tests is a failure. Gems and Ruby's own library may warn.
module WarningsRaise
  FOREIGN = [*Gem.path, RbConfig::CONFIG["rubylibprefix"]].map { |path| "#{path}/" }.freeze

  def warn(message, **options)
    return super if FOREIGN.any? { |prefix| message.start_with?(prefix) }

    raise "warning: #{message}"
  end
end

Warning.singleton_class.prepend(WarningsRaise)

# IO::Buffer is experimental in every Ruby that we support, and still the interface that core hands
# to a scheduler: the warning tells nothing new.
Warning[:experimental] = false
