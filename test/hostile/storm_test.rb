# frozen_string_literal: true

require "test_helper"

# Some seconds of the hostile suite (test/storm), which otherwise runs for as long as one likes:
# `rake "test:hostile[60]"`.
class StormTest < RotaTest
  time_limit 240

  MAIN = File.expand_path("../storm/main.rb", __dir__)
  MINUTES = "0.15"

  def test_a_short_storm
    paths = LOAD_PATH.map { |path| "-I#{path}" }
    command = [RbConfig.ruby, "-w", *paths, MAIN, MINUTES, Minitest.seed.to_s]
    out, err, status = run_command(command, timeout: 200)
    assert status.success?, "#{out}\n#{err}"
    assert_match(/all rounds passed/, out)
  end

  def test_what_is_no_time_is_refused
    out, err, status = run_command([RbConfig.ruby, "-w", MAIN, "soon"])
    refute status.success?
    assert_match(/minutes/, out + err)
  end
end
