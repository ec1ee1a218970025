# frozen_string_literal: true

module Rota
  # Rota's functions without the prefix, private, for +include+ and +extend+. No name that Kernel has
  # is among them but +sleep+.
  module DSL
    NAMES = %i[
      spin spin_loop spin_scope sleep snooze suspend after every throttled_loop move_on_after cancel_after
      shield receive receive_loop receive_all_pending supervise
    ].freeze
    private_constant :NAMES

    NAMES.each do |name|
      define_method(name) { |*args, **options, &block| Rota.public_send(name, *args, **options, &block) }
    end
    private(*NAMES)
  end
end
