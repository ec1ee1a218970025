# frozen_string_literal: true

require "openssl"
require "rota"
require "rota/ssl_methods"
