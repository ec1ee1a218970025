# frozen_string_literal: true

require "fileutils"
require_relative "comparison"
require_relative "machine"
require_relative "paths"
require_relative "picture"
require_relative "sample"
require_relative "statistics"

module Bench
  # A measured question as Markdown: the tables, who was measured and how, and where.
  class Report
    NOISY_WARNING = " Too noisy to trust a difference smaller than the spread: measure again."

    # Whether what is saved was measured with this code and on these Rubies.
    def self.current?(question)
      path = path(question, "md")
      saved = File.exist?(path) ? File.readlines(path, chomp: true) : []
      (facts(Machine.under_test) - saved).empty?
    end

    def self.path(question, kind) = File.join(Paths::RESULTS, "#{question.key}.#{kind}")
    def self.facts(facts) = facts.map { |name, fact| "- #{name}: #{fact}" }

    def initialize(session, options)
      @session = session
      @options = options
      @question = session.question
    end

    def save
      FileUtils.mkdir_p(Paths::RESULTS)
      write("svg", Picture.of(@session).to_s)
      write("md", "#{[title, picture, tables, contenders, how, where].join("\n\n")}\n").delete_prefix("#{Paths::ROOT}/")
    end

    # What the terminal shows.
    def summary = [title, tables, footnotes, noise].reject(&:empty?).join("\n\n")

    private

    def write(kind, content)
      Report.path(@question, kind).tap { |path| File.write(path, content) }
    end

    def picture = "![CPU time per operation](#{@question.key}.svg)"

    def title = "# #{@question.title}"

    def tables
      @session.cases.map { |params| case_text(params) }.join("\n\n")
    end

    def case_text(params)
      comparison = Comparison.new(@session, params)
      ["## #{Session.name_of(params)}", comparison.table, comparison.caption, *instructions(params)].join("\n\n")
    end

    # Where Rota's are.
    def instructions(params)
      rota = @session.contenders.find { |contender| contender.key == "rota" } or return
      parts = @session.entry(rota, params).instructions or return
      shares = parts.sort_by { |_, count| -count }.map { |name, count| "#{count.round} in #{name}" }
      "Rota's instructions outside the kernel: #{shares.join(', ')}."
    end

    def contenders
      lines = @session.contenders.map do |contender|
        versions = contender.versions.map { |name, version| "#{name} #{version}" }.join(", ")
        "- **#{contender.label}**#{" (#{versions})" unless versions.empty?}: #{contender.about}"
      end
      ["## Contenders", "", *lines, *footnotes.lines(chomp: true)].join("\n")
    end

    # Those without figures, each with its sentence.
    def footnotes
      skipped = @session.skipped.map { |contender, sentence| "- #{contender.label} skipped: #{sentence}" }
      (skipped + failures).join("\n")
    end

    def failures
      @session.contenders.product(@session.cases).filter_map do |contender, params|
        failure = @session.entry(contender, params).failure
        "- #{contender.label} failed with #{Session.name_of(params)}: #{failure}" if failure
      end
    end

    def how
      warmup = [@options.warmup, @question.warmup].max
      rounds = "#{@options.rounds} rounds of #{@options.seconds} s after #{warmup} s of warm-up, " \
               "interleaved over the contenders; figures are medians, spread is (largest - smallest) / median."
      "## How\n\nAn operation is #{@question.operation}. #{@question.method} #{rounds} #{noise}"
    end

    # How far to trust the figures: what others did to the machine in the runs that count.
    def noise
      return "" if all(:samples).empty?

      shares = all(:used).map(&:foreign)
      usual, most = [Statistics.median(shares), shares.max].map { |share| "#{(share * 100).round} %" }
      "Other processes used #{usual} of the machine in the runs that count (at most #{most}); " \
        "#{left_out} of #{all(:samples).size} runs left out as noisy.#{NOISY_WARNING if noisy?(shares)}"
    end

    def left_out = all(:samples).size - all(:used).size
    def noisy?(shares) = shares.max > Sample::NOISY

    def all(which)
      @session.contenders.product(@session.cases).flat_map do |contender, params|
        @session.entry(contender, params).public_send(which)
      end
    end

    def where
      facts = Machine.description.merge("Load average" => @session.load_averages.join(" before, ").concat(" after"),
                                        "Command" => "`#{@options.command}`",
                                        "Date" => Time.now.strftime("%Y-%m-%d"))
      ["## Where", "", *Report.facts(facts)].join("\n")
    end
  end
end
