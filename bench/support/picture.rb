# frozen_string_literal: true

module Bench
  # A measured question as SVG: for each case a bar per contender, as long as its processor time per
  # operation, with a line from its smallest to its largest figure. Readable on light and on dark.
  class Picture
    WIDTH = 760
    LABELS = 180 # to the left of the bars
    FIGURES = 150 # to their right
    ROW = 22
    BAR = 14
    HEAD = 34

    STYLE = <<~CSS
      text { font: 12px system-ui, sans-serif; fill: #57606a; }
      .title { font-size: 14px; font-weight: 600; }
      .bar { fill: #9aa4af; }
      .rota { fill: #cf4a5b; }
      .floor { fill: #6a9bc3; }
      .spread { stroke: #30363d; }
      @media (prefers-color-scheme: dark) {
        text { fill: #b1bac4; }
        .bar { fill: #6e7681; }
        .spread { stroke: #e6edf3; }
      }
    CSS

    def initialize(session)
      @session = session
      @y = 0
      @elements = []
    end

    def to_s
      heading(@session.question.title, "title")
      @session.cases.each { |params| draw_case(params) }
      <<~SVG
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 #{WIDTH} #{@y + 8}" role="img">
        <style>
        #{STYLE.strip}
        </style>
        #{@elements.join("\n")}
        </svg>
      SVG
    end

    private

    def draw_case(params)
      rows = @session.contenders.map { |contender| [contender, @session.entry(contender, params)] }
                     .select { |_, entry| entry.measured? }.sort_by { |_, entry| entry.median(:cpu_ns) }
      return if rows.empty?

      heading("#{Session.name_of(params)}: processor time per operation", "case")
      longest = rows.map { |_, entry| entry.range(:cpu_ns).last }.max
      scale = (WIDTH - LABELS - FIGURES) / longest.to_f
      rows.each { |contender, entry| draw_row(contender, entry, scale) }
    end

    def heading(content, style)
      @y += HEAD
      text(0, @y - 10, content, %(class="#{style}"))
    end

    def draw_row(contender, entry, scale)
      width = entry.median(:cpu_ns) * scale
      from, to = entry.range(:cpu_ns).map { |value| place(value * scale) }
      middle = @y + (ROW / 2)
      text(LABELS - 8, middle + 4, contender.label, 'text-anchor="end"')
      @elements << %(<rect class="#{colour(contender)}" x="#{LABELS}" y="#{middle - (BAR / 2)}" ) +
                   %(width="#{[width, 1].max.round(1)}" height="#{BAR}"/>) <<
        %(<line class="spread" x1="#{from}" x2="#{to}" y1="#{middle}" y2="#{middle}"/>)
      text([place(width), to].max + 8, middle + 4, duration(entry.median(:cpu_ns)))
      @y += ROW
    end

    def place(length) = (LABELS + length).round(1)

    def colour(contender)
      return "bar rota" if contender.key.start_with?("rota")

      contender.kind ? "bar" : "bar floor"
    end

    def text(horizontal, vertical, content, attributes = "")
      escaped = content.gsub("&", "&amp;").gsub("<", "&lt;")
      @elements << %(<text x="#{horizontal}" y="#{vertical}" #{attributes}>#{escaped}</text>).sub(" >", ">")
    end

    def duration(nanoseconds)
      case nanoseconds
      when ...1000 then "#{nanoseconds.round} ns"
      when ...100_000 then format("%.1f µs", nanoseconds / 1e3)
      when ...1_000_000 then "#{(nanoseconds / 1e3).round} µs"
      else format("%.1f ms", nanoseconds / 1e6)
      end
    end
  end
end
