# frozen_string_literal: true

module Rota
  VERSION = "0.1.0"
end
