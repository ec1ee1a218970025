# frozen_string_literal: true

require_relative "options"
require_relative "question"
require_relative "report"
require_relative "session"

module Bench
  # bench/run: chooses the questions, measures them, prints and saves.
  class Command
    def initialize(arguments)
      @arguments = arguments
    end

    # The exit status: 0, or 1 when a contender that should run failed, or 2 for a wrong command line.
    def run
      @options = Options.new(@arguments)
      return list if @options.list?

      answer_all(questions) ? 0 : 1
    rescue OptionParser::ParseError => e
      warn e.message
      2
    rescue Interrupt
      warn "\ninterrupted"
      130
    end

    private

    def questions
      named = @options.names.empty? ? Question.load_all : @options.names.map { |name| named(name) }
      @options.missing? ? named.reject { |question| Report.current?(question) } : named
    end

    def named(name)
      known = Question.load_all
      known.find { |question| question.key == name } or
        raise OptionParser::InvalidArgument, "#{name} (known: #{known.map(&:key).join(', ')})"
    end

    # Whether all who should run did.
    def answer_all(questions)
      questions, skipped = questions.partition { |question| question.missing.nil? }
      skipped.each { |question| skip(question) }
      sessions = questions.map { |question| Session.new(question, @options) }
      sessions.each_with_index.map { |session, index| answer(session, index, sessions) }.all?
    end

    def answer(session, index, sessions)
      minutes = (sessions.drop(index).sum(&:seconds) / 60).ceil
      warn "Question #{index + 1} of #{sessions.size}, about #{minutes} min left with it"
      report = Report.new(session.run, @options)
      puts report.summary
      puts "\nSaved as #{report.save}." if @options.save?
      puts
      !session.failed?
    end

    def skip(question)
      puts "# #{question.title}\n\nSkipped: #{question.missing}\n\n"
    end

    def list
      questions.each do |question|
        puts "#{question.key}: #{question.title}"
        question.contenders.each { |contender| puts "  #{contender.key.ljust(12)} #{contender.about}" }
      end
      0
    end
  end
end
