# frozen_string_literal: true

module Bench
  # A Markdown table that is also readable on a terminal: columns padded, numbers to the right. A
  # column in which nobody has a value is left out.
  class Table
    NOTHING = "-"

    def initialize(heads)
      @heads = heads
      @rows = []
    end

    def add(cells)
      @rows << cells
    end

    def to_s
      [line(heads), rule, *rows.map { |row| line(row) }].join("\n")
    end

    private

    def kept
      @kept ||= @heads.each_index.select { |index| index.zero? || @rows.any? { |row| row[index] } }
    end

    def heads = @heads.values_at(*kept)
    def rows = @rows.map { |row| row.values_at(*kept).map { |cell| cell || NOTHING } }

    def widths
      @widths ||= [heads, *rows].transpose.map { |column| column.map(&:length).max }
    end

    def line(cells)
      padded = cells.each_with_index.map do |cell, index|
        index.zero? ? cell.ljust(widths[index]) : cell.rjust(widths[index])
      end
      "| #{padded.join(' | ')} |"
    end

    def rule
      marks = widths.each_with_index.map { |width, index| index.zero? ? "-" * width : "#{'-' * (width - 1)}:" }
      "| #{marks.join(' | ')} |"
    end
  end
end
