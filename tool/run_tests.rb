# frozen_string_literal: true

# Loads test files into one process:
#
#   ruby -Ilib -Itest tool/run_tests.rb FILE... [-- MINITEST_OPTIONS]
#   ruby -Ilib -Itest tool/run_tests.rb FILE:LINE

# The test around a line is the last one that starts above it.
def test_at(path, line)
  File.readlines(path).first(line).reverse_each do |text|
    return Regexp.last_match(1) if text =~ /^\s*def (test_\w+[?!]?)/
  end
  abort "#{path}:#{line}: no test starts above this line"
end

split = ARGV.index("--") || ARGV.size
files = ARGV.shift(split)
ARGV.shift

files = files.map do |file|
  path, line = file.match(/\A(.+?)(?::(\d+))?\z/).captures
  ARGV.push("--name", test_at(path, Integer(line))) if line
  File.expand_path(path)
end

require "test_helper"
files.each { |path| require path }
