# frozen_string_literal: true

require "rota"

# Scripts write +spin+ instead of +Rota.spin+, everywhere.
Object.include(Rota::DSL)
