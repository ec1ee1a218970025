# frozen_string_literal: true

require_relative "../test_helper"

# What README and docs show is what happens: every block of Ruby that is a program is run, and the
# text block behind it is what it prints.
class DocsTest < RotaTest
  ROOT = File.expand_path("../..", __dir__)
  PROGRAM = /^```ruby\n(require "rota".*?)^```\n(?:```text\n(.*?)^```\n)?/m

  Dir[File.join(ROOT, "README.md"), File.join(ROOT, "docs", "*.md")].each do |path|
    name = File.basename(path, ".md").downcase.tr("-", "_")
    File.read(path).scan(PROGRAM).each_with_index do |(program, output), index|
      next if program.include?("Rota.listen") # servers have tests of their own

      define_method("test_#{name}_#{index + 1}") { assert_prints(output.to_s, program) }
    end
  end

  private

  def assert_prints(expected, program)
    out, err, status = run_ruby(program)
    assert_predicate status, :success?, err
    assert_equal expected, out
    assert_empty err
  end
end
