# frozen_string_literal: true

# Runs core Ruby code where a scheduler makes it cooperate, and sees that others ran meanwhile.
module Cooperation
  # Enumerators of Ruby 3.1 and 3.2 run on blocking fibers, where no hook is ever called.
  CONTEXTS = %i[task root schedule].push(*(:enumerator if RUBY_VERSION >= "3.3")).freeze

  def self.included(base)
    base.extend(ClassMethods)
  end

  module ClassMethods
    # Defines a test for each context: the block's value, or what it raises, is what it is in a plain
    # thread. Unless it does not wait, other tasks run while it does.
    def as_ruby(name, waits: true, &block)
      CONTEXTS.each do |context|
        define_method(:"test_#{name}_in_#{context}") do
          expected = self.class.expected(name) { in_thread { outcome(&block) } }
          actual, ticks = attempts(waits) { cooperating(context) { outcome(&block) } }
          assert_equal [expected], [actual]
          assert_operator ticks, :>, 0, "nobody else ran" if waits
        end
      end
    end

    # What Ruby does with the block of that name in a plain thread, asked once.
    def expected(name)
      @expected ||= {}
      @expected.fetch(name) { @expected[name] = yield }
    end

    # The same where Ruby itself is no oracle: the block asserts by itself.
    def cooperates(name, &block)
      CONTEXTS.each do |context|
        define_method(:"test_#{name}_in_#{context}") do
          _, ticks = attempts { cooperating(context) { instance_exec(&block) } }
          assert_operator ticks, :>, 0, "nobody else ran"
        end
      end
    end
  end

  private

  # What was to come later may be there at once when the machine is slow: then nobody had to wait.
  def attempts(waits = true)
    3.times do |attempt|
      value, ticks = yield
      return value, ticks if ticks.positive? || !waits || attempt == 2
    end
  end

  def in_thread(&block) = Thread.new(&block).value

  def outcome(&block)
    instance_exec(&block)
  rescue StandardError => e
    [e.class, e.message]
  end

  # For messages that name the case.
  def class_of_error
    yield
  rescue StandardError => e
    e.class
  end

  # => [the block's value, how often another task ran meanwhile]
  def cooperating(context, &block) = send(:"in_#{context}", &block)

  def in_task(&block)
    Rota.run { Rota.spin { counting_ticks(&block) }.await }
  end

  def in_root(&block) = Rota.run { counting_ticks(&block) }

  def in_enumerator(&block)
    Rota.run { Rota.spin { Enumerator.new { |y| y << counting_ticks(&block) }.next }.await }
  end

  # The standard contract, without Rota.run.
  def in_schedule(&block)
    result = nil
    in_thread do
      Fiber.set_scheduler(Rota::Scheduler.new)
      Fiber.schedule { result = counting_ticks(&block) }
    end
    result
  end

  def counting_ticks
    ticks = 0
    stop = false
    Fiber.schedule { ticks += 1 while sleep(0.002) && !stop }
    value = yield
    [value, ticks]
  ensure
    stop = true
  end
end
