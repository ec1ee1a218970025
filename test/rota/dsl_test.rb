# frozen_string_literal: true

require_relative "../test_helper"

class DslTest < RotaTest
  class Including
    include Rota::DSL

    def work = spin { sleep(0); :worked }.await
  end

  def test_included_functions_are_private
    assert_equal :worked, Rota.run { Including.new.work }
    assert_raises(NoMethodError) { Including.new.spin }
  end

  def test_extending_one_object
    object = Object.new.extend(Rota::DSL)
    assert_equal 3, Rota.run { object.instance_eval { move_on_after(1) { 3 } } }
  end

  # `loop { }`, `select`, `fork`, `trap` and `p` mean what they always meant.
  def test_no_name_of_kernel_is_taken_but_sleep
    taken = Rota::DSL.private_instance_methods(false) & Kernel.private_instance_methods
    assert_equal [:sleep], taken
  end

  def test_the_script_form
    out, err, status = run_ruby(<<~RUBY)
      require "rota/dsl"
      task = spin { sleep 0.001; :spun }
      puts task.await
      puts move_on_after(0.001, with_value: "late") { sleep 1 }
      loop { break }
    RUBY
    assert_predicate status, :success?, err
    assert_equal "spun\nlate\n", out
  end

  def test_loop_with_a_block_is_noticed
    assert_raises(ArgumentError) { Rota.run { Rota.loop { nil } } }
  end
end
