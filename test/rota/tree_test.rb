# frozen_string_literal: true

require_relative "../test_helper"

class TreeTest < RotaTest
  def test_it_shows_states_waits_and_places
    text = Rota.run do
      outer = Rota.spin(:outer) { Rota.spin(:inner) { Rota.sleep }; Rota.suspend }
      2.times { Rota.snooze }
      tree = Rota.tree
      outer.stop
      tree
    end
    assert_match(/^  :root running/, text)
    assert_match(/^    :outer waiting for a schedule since \d+\.\d{3} s, spun at .*tree_test\.rb:\d+$/, text)
    assert_match(/^      :inner waiting for a sleep/, text)
  end

  def test_it_names_the_descriptor_that_is_waited_for
    Rota.run do
      reader, writer = IO.pipe
      task = Rota.spin(:reader) { Rota.loop.read(reader, 1) }
      Rota.snooze
      assert_includes Rota.tree, "waiting for read(#{reader.fileno})"
      task.stop
      task.await
    ensure
      [reader, writer].each(&:close)
    end
  end

  def test_a_deadlock_shows_the_tree
    error = Rota.run do
      stuck = Rota.spin(:stuck) { Rota.suspend }
      assert_raises(Rota::Deadlock) { Rota.suspend }.tap { stuck.stop }
    end
    assert_match(/:root waiting/, error.message)
    assert_match(/:stuck waiting for a schedule/, error.message)
  end

  def test_a_deep_tree
    Rota.run do
      dig = lambda do |depth|
        Rota.spin { depth.zero? ? Rota.sleep : dig.call(depth - 1).then { Rota.sleep } }
      end
      top = dig.call(200)
      210.times { Rota.snooze }
      assert_equal 202, Rota.tree.lines.size
      top.stop
    end
  end
end
