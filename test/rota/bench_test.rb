# frozen_string_literal: true

require "test_helper"
require_relative "../../bench/support/question"

# The benchmarks are run by hand, so nobody would notice that one does not work any more. Here each runs
# for a moment, with Rota alone; what it measures is nobody's business in a test.
class BenchTest < RotaTest
  BRIEF = { seconds: 0.02, warmup: 0.01, tasks: 3, pairs: 2, actors: 2, connections: 2, clients: 2 }.freeze
  BUILT = File.expand_path("../..", $LOADED_FEATURES.grep(%r{/rota/rota\.so\z}).first)

  Bench::Release.take([BUILT, Bench::Paths::LIB].uniq)
  QUESTIONS = Bench::Question.load_all

  QUESTIONS.each do |question|
    define_method(:"test_#{question.key}") do
      contender = question.contenders.find { |known| known.key == "rota" }
      missing = question.missing || contender.missing
      skip missing if missing
      sample = question.surround { question.run(contender, brief(question)) }
      assert_operator sample[:total_ops], :>, 0 # in the window there need not be any, on a busy machine
    end
  end

  def test_every_question_says_what_it_asks
    QUESTIONS.each do |question|
      [question.title, question.operation, question.method].each { |text| refute_empty text }
      refute_empty question.cases
      assert_equal question.contenders.map(&:key).uniq, question.contenders.map(&:key), question.key
      question.contenders.each { |contender| refute_empty contender.about, contender.label }
    end
  end

  def test_a_failure_does_not_tell_where_the_project_lies
    failing = "warn '#{Bench::Paths::ROOT}/bench/run: error: in vain'; exit 1"
    complaint = Bench::Child.start([RbConfig.ruby, "-e", failing], &:complaint)
    assert_equal "bench/run: error: in vain; exit 1", complaint
  end

  private

  def brief(question)
    sizes = BRIEF.slice(*question.cases.first.keys)
    question.cases_with(sizes).first.merge(BRIEF.slice(:seconds, :warmup))
  end
end
