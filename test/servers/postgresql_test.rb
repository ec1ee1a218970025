# frozen_string_literal: true

require "test_helper"
require_relative "../support/server_tests"
require_relative "../support/servers/postgresql"

class PostgresqlTest < ServerTest
  def connect(host = "127.0.0.1")
    server = need(PostgreSQL, "pg")
    host = server.folder if host == :unix
    PG.connect(host: host, port: server.port, dbname: "postgres", user: "rota")
  end

  def ask(connection, number)
    row = connection.exec_params("select $1::int * 2 as double, repeat('x', 100000) as text, pg_sleep($2)",
                                 [number, WAIT])[0]
    [row["double"].to_i, row["text"].size]
  ensure
    connection.close
  end

  { tcp: "127.0.0.1", unix: :unix }.each do |name, host|
    define_method(:"test_pg_over_#{name}") do
      connect(host).close
      assert_equal(Array.new(TASKS) { |i| [i * 2, 100_000] }, at_once { |i| ask(connect(host), i) })
    end
  end

  def test_errors_interrupts_and_what_others_say
    connect.close
    Rota.run do
      connection = connect
      assert_raises(PG::SyntaxError) { connection.exec("selekt") }
      assert_raises(Rota::TimeoutError) { Rota.cancel_after(0.05) { connection.exec("select pg_sleep(5)") } }
      connection.close

      listener = Rota.spin do
        mine = connect
        mine.exec("listen news")
        Rota.receive << true
        mine.wait_for_notify(10) { |_, _, text| text }.tap { mine.close }
      end
      listener << (ready = Rota::Queue.new)
      ready.pop
      connect.then { |other| other.exec("notify news, 'heard'") && other.close }
      assert_equal "news", listener.await
    end
  end
end
