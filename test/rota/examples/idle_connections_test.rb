# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../support/example_process"

class IdleConnectionsTest < RotaTest
  def test_the_report
    out, err, status = run_ruby(File.join(ExampleProcess::FOLDER, "idle_connections.rb"), "300")
    assert_predicate status, :success?, err
    assert_empty err
    assert_match(/^connections +300, each after one message and its echo$/, out)
    assert_match(/^process, each +\d+\.\d KiB/, out)
  end
end
