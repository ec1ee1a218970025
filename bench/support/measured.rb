# frozen_string_literal: true

# The measured process of a contender in Ruby: measured.rb CONTENDER_FILE PARAMS_JSON

begin
  gem "json", "~> 2" # itsi refuses a newer one, and what is loaded first stays
rescue Gem::LoadError
  nil # then itsi says so
end

require_relative "contender"
require_relative "service"
require_relative "stint"

contender = Bench::Contender.load(ARGV.fetch(0)).new
contender.work(JSON.parse(ARGV.fetch(1), symbolize_names: true))
