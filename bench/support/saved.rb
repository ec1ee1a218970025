# frozen_string_literal: true

require_relative "paths"

module Bench
  # A report of bench/results, read back: the rows of its tables.
  class Saved
    # A contender in one case. `ruby` is nil for a program in C; `[]` answers a number by its head in the table.
    Row = Struct.new(:name, :ruby, :figures) do
      def [](head) = figures[head]
    end

    # nil where nothing is saved.
    def self.find(key, folder = Paths::RESULTS)
      path = File.join(folder, "#{key}.md")
      new(File.read(path)) if File.exist?(path)
    end

    def initialize(text)
      @text = text
      @own = "Ruby #{text[/^- Ruby: ruby (\d+\.\d+)/, 1]}"
    end

    # Case name => rows.
    def cases
      @cases ||= @text.split(/^## /).drop(1).filter_map { |part| rows_of(part) }.to_h
    end

    private

    def rows_of(part)
      heads, _, *lines = part.lines.grep(/\A\|/).map { |line| line.split("|").map(&:strip).drop(1) }
      [part.lines.first.chomp, lines.map { |cells| row(heads, cells) }] if heads
    end

    # Two columns have the head "ratio"; nobody asks for them.
    def row(heads, cells)
      name, ruby = cells.first.split(/, (?=Ruby \d)/)
      figures = heads.zip(cells).drop(1).to_h { |head, cell| [head, number(cell)] }
      Row.new(name, ruby || (@own unless name.start_with?("C, ")), figures)
    end

    def number(cell) = cell&.match?(/\d/) ? cell.delete(", %").to_f : nil
  end
end
