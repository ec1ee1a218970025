# frozen_string_literal: true

require "test_helper"
require "tmpdir"
require_relative "../../bench/support/command"
require_relative "../../bench/support/targets"

# The table of targets is made of saved reports, so what a report says has to be found again.
class BenchTargetsTest < RotaTest
  REPORT = <<~MARKDOWN
    # A question

    ## pairs=1

    | contender              | CPU ns/op | ratio | spread |     ops/s | ratio | KiB each |
    | ---------------------- | --------: | ----: | -----: | --------: | ----: | -------: |
    | rota                   |       250 |  1.00 |   10 % | 4,000,000 |  1.00 |        - |
    | rota, Ruby 4.0         |       200 |  1.00 |   20 % | 5,000,000 |  1.00 |        - |
    | C, io_uring            |       100 |  0.40 |    1 % | 9,000,000 |  2.25 |        - |
    | polyphony              |       500 |  2.00 |   15 % | 2,000,000 |  0.50 |        - |
    | async, epoll           |     5,000 | 20.00 |   12 % |   200,000 |  0.05 |        - |
    | uringmachine, Ruby 4.0 |       190 |  0.95 |    3 % | 5,263,157 |  1.05 |        - |

    ## Where

    - Ruby: ruby 3.1.2p20 (2022-04-12) [x86_64-linux-gnu]
  MARKDOWN

  def test_rows_of_a_report
    rows = Bench::Saved.new(REPORT).cases.fetch("pairs=1")
    assert_equal [["rota", "Ruby 3.1"], ["rota", "Ruby 4.0"], ["C, io_uring", nil], ["polyphony", "Ruby 3.1"],
                  ["async, epoll", "Ruby 3.1"], ["uringmachine", "Ruby 4.0"]], rows.map { |row| [row.name, row.ruby] }
    assert_equal [250.0, 10.0, 4_000_000.0, nil], rows[0].figures.values_at("CPU ns/op", "spread", "ops/s", "KiB each")
  end

  def test_each_ruby_has_its_best_rival
    assert_equal ["x pairs=1", "**2.00** polyphony (spread 15 %)", "0.95 uringmachine (spread 20 %)"],
                 line(Bench::Targets::CPU, 2, Bench::Targets::LIBRARIES)
  end

  def test_at_most_so_many_times_the_floor
    assert_equal ["x pairs=1", "2.50 C, io_uring (spread 10 %)", "**2.00** C, io_uring (spread 20 %)"],
                 line(Bench::Targets::CPU, 0.5, Bench::Targets::FLOOR)
  end

  def test_all_questions_of_the_targets_are_asked
    known = Bench::Question.load_all.map(&:key)
    assert_empty Bench::Targets::ALL.flat_map(&:questions) - known
    cases = Bench::Targets::ALL.to_h { |target| [target.text, target.questions.sum { |key| named(key, target).size }] }
    assert_empty cases.select { |_, count| count.zero? }
  end

  private

  def named(key, target)
    Bench::Question.load_all.find { |question| question.key == key }
                   .cases.map { |params| Bench::Session.name_of(params) }.grep(target.cases)
  end

  # The cells of the only line, without the text of the target.
  def line(head, factor, rivals)
    Dir.mktmpdir do |folder|
      File.write(File.join(folder, "x.md"), REPORT)
      target = Bench::Targets::Target.new(text: "it", questions: ["x"], cases: //, rivals: rivals, head: head,
                                          factor: factor)
      Bench::Targets.new([target], folder).table.lines.last.split("|").map(&:strip).drop(2)
    end
  end
end
