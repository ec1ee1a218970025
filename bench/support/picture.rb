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
      text { font: 12px system-ui, sans-serif; fill: #6e7781; }
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

    # A bar longer than this many times the one in the middle is cut off, lest the others vanish.
    LONGEST = 4

    # `kind` is :rota, :floor or :other.
    Bar = Struct.new(:label, :kind, :median, :smallest, :largest)

    # What is to be drawn of a session: title, and the bars of each case.
    def self.of(session)
      groups = session.cases.map do |params|
        bars = session.contenders.filter_map { |contender| bar(contender, session.entry(contender, params)) }
        [Session.name_of(params), bars]
      end
      new(session.question.title, groups)
    end

    def self.bar(contender, entry)
      return unless entry.measured?

      kind = contender.kind ? :other : :floor
      kind = :rota if contender.key.start_with?("rota")
      Bar.new(contender.label, kind, entry.median(:cpu_ns), *entry.range(:cpu_ns))
    end
    private_class_method :bar

    def initialize(title, groups)
      @title = title
      @groups = groups
      @y = 0
      @elements = []
    end

    def to_s
      heading(@title, "title")
      @groups.each { |name, bars| draw_group(name, bars) unless bars.empty? }
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

    def draw_group(name, bars)
      heading("#{name}: processor time per operation", "case")
      sorted = bars.sort_by(&:median)
      @limit = [sorted.map(&:largest).max, sorted[sorted.size / 2].median * LONGEST].min
      sorted.each { |bar| draw(bar) }
    end

    def heading(content, style)
      @y += HEAD
      text(0, @y - 10, content, %( class="#{style}"))
    end

    def draw(bar)
      middle = @y + (ROW / 2)
      text(LABELS - 8, middle + 4, bar.label, ' text-anchor="end"')
      @elements << %(<rect class="bar #{bar.kind}" x="#{LABELS}" y="#{middle - (BAR / 2)}" ) +
                   %(width="#{[length(bar.median), 1].max.round(1)}" height="#{BAR}"/>)
      draw_spread(bar, middle) unless cut?(bar)
      text(LABELS + length(cut?(bar) ? @limit : bar.largest).round(1) + 8, middle + 4, figure(bar))
      @y += ROW
    end

    def draw_spread(bar, middle)
      from, to = [bar.smallest, bar.largest].map { |value| (LABELS + length(value)).round(1) }
      @elements << %(<line class="spread" x1="#{from}" x2="#{to}" y1="#{middle}" y2="#{middle}"/>)
    end

    def length(value) = [value, @limit].min * (WIDTH - LABELS - FIGURES) / @limit.to_f
    def cut?(bar) = bar.median > @limit
    def figure(bar) = "#{'… ' if cut?(bar)}#{duration(bar.median)}"

    def text(horizontal, vertical, content, attributes = "")
      escaped = content.gsub("&", "&amp;").gsub("<", "&lt;")
      @elements << %(<text x="#{horizontal}" y="#{vertical}"#{attributes}>#{escaped}</text>)
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
