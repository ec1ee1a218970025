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

      questions.map { |question| answer(question) }.all? ? 0 : 1
    rescue OptionParser::ParseError => e
      warn e.message
      2
    rescue Interrupt
      warn "\ninterrupted"
      130
    end

    private

    def questions
      known = Question.load_all
      return known if @options.names.empty?

      @options.names.map do |name|
        known.find { |question| question.key == name } or
          raise OptionParser::InvalidArgument, "#{name} (known: #{known.map(&:key).join(', ')})"
      end
    end

    def answer(question)
      return skip(question) if question.missing

      session = Session.new(question, @options).run
      report = Report.new(session, @options)
      puts report.summary
      puts "\nSaved as #{report.save}." if @options.save?
      puts
      !session.failed?
    end

    def skip(question)
      puts "# #{question.title}\n\nSkipped: #{question.missing}\n\n"
      true
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
