# frozen_string_literal: true

require "test_helper"
require_relative "../support/engines"

# Which engine a loop gets, and what it says about it.
class EngineTest < RotaTest
  def test_every_engine_can_be_named
    Engines::ALL.each do |name|
      assert_equal name, Rota.run(engine: name) { Rota.loop.engine }
    end
  end

  def test_an_unknown_engine_is_refused
    error = assert_raises(ArgumentError) { Rota.run(engine: :steam) { nil } }
    assert_equal "engine: must be auto, io_uring or epoll, not steam", error.message
    _, err, status = run_ruby('require "rota"; Rota.run { }', env: { "ROTA_ENGINE" => "steam" })
    refute_predicate status, :success?
    assert_match(/ROTA_ENGINE must be auto, io_uring or epoll, not steam/, err)
  end

  def test_without_io_uring_epoll_takes_over
    skip "the engine is forced" if Engines::FORCED
    engine, features = Rota.run(without: [:io_uring]) { [Rota.loop.engine, Rota.loop.features] }
    assert_equal :epoll, engine
    assert(features.values.all?(String))
    assert_match(/no io_uring, or it is hidden/, features[:io_uring]) if Engines.ring?
  end

  def test_the_environment_is_stronger
    assert_equal ":epoll", engine_under("epoll", "engine: :io_uring")
    assert_equal ":epoll", engine_under("", "engine: :epoll")
    skip "io_uring is refused or not asked for here" unless Engines.ring?
    assert_equal ":io_uring", engine_under("io_uring", "engine: :epoll")
    assert_equal ":io_uring", engine_under("auto", "engine: :io_uring")
  end

  def test_what_was_forced_and_is_refused_raises
    code = 'require "rota"; Rota.run(without: [:io_uring]) { }'
    _, err, status = run_ruby(code, env: { "ROTA_ENGINE" => "io_uring" })
    refute_predicate status, :success?
    assert_match(/ROTA_ENGINE asks for io_uring, and it is refused: this kernel has no io_uring/, err)
    assert_match(/engine: :auto runs on epoll instead/, err)
  end

  def test_a_line_says_it_when_debugging
    code = 'require "rota"; $DEBUG = true; Rota.run(engine: :epoll) { }'
    _, err, = run_ruby(code, env: { "ROTA_ENGINE" => "" })
    assert_match(/^Rota: the loop runs on epoll; io_uring: not tried, because engine: asks for epoll$/, err)
    _, err, = run_ruby(code.sub("true", "false"), env: { "ROTA_ENGINE" => "" })
    assert_empty err
  end

  private

  def engine_under(variable, options)
    code = "require 'rota'; Rota.run(#{options}) { p Rota.loop.engine }"
    out, err, = run_ruby(code, env: { "ROTA_ENGINE" => variable })
    assert_empty err
    out.chomp
  end
end
