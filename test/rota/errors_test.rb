# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# The classes, and what an exception that crosses tasks keeps.
class ErrorsTest < RotaTest
  def test_control_exceptions_are_not_standard_errors
    [Rota::MoveOn, Rota::Cancel, Rota::Terminate, Rota::Restart].each do |error_class|
      assert_operator error_class, :<, Rota::BaseException
    end
    refute_operator Rota::BaseException, :<=, StandardError
  end

  def test_rotas_errors_are_standard_errors
    [Rota::Deadlock, Rota::ResourceError].each { |error_class| assert_operator error_class, :<, Rota::Error }
    assert_operator Rota::Error, :<, StandardError
  end

  def test_an_awaited_exception_is_the_same_object
    error = KeyError.new
    assert_same error, Rota.run { caught(KeyError) { Rota.spin { raise error }.await } }
  end

  def test_the_backtrace_begins_where_it_was_raised
    error = Rota.run { caught(KeyError) { Rota.spin { raise KeyError }.await } }
    assert_match(/errors_test\.rb:#{__LINE__ - 1}:/, error.backtrace.first)
  end

  def test_the_cause_is_kept
    error = Rota.run {
      caught(KeyError) {
        Rota.spin {
          begin
            raise IOError
          rescue StandardError
            raise KeyError
          end
        }.await
      }
    }
    assert_instance_of IOError, error.cause
  end

  def test_a_frozen_exception
    error = KeyError.new("cold").freeze
    assert_raises(KeyError, FrozenError) { Rota.run { Rota.spin { raise error } && Rota.sleep } }
  end

  def test_an_exception_whose_methods_raise
    nasty = Class.new(StandardError) do
      def backtrace = raise(IOError)
      def message = raise(IOError)
    end
    assert_raises(nasty) { Rota.run { Rota.spin { raise nasty } && Rota.sleep } }
  end

  def test_a_system_stack_error_in_a_task_is_its_failure
    Rota.run { assert_raises(SystemStackError) { Rota.spin { dig }.await } }
  end

  def test_no_memory_in_a_task_is_its_failure
    Rota.run { assert_raises(NoMemoryError) { Rota.spin { raise NoMemoryError }.await } }
  end

  def test_an_exception_of_a_thread_in_a_task
    got = Rota.run { Rota.spin { caught(KeyError) { Thread.new { quietly { raise KeyError } }.value } }.await }
    assert_instance_of KeyError, got
  end

  private

  def dig = [dig].size

  def quietly
    Thread.current.report_on_exception = false
    yield
  end
end
