# frozen_string_literal: true

require "test_helper"
require_relative "../support/server_tests"

class MariadbTest < ServerTest
  class MariaDB < ServerProcess
    def self.program = find("mariadbd") || find("mysqld")

    private

    def prepare
      installer = self.class.find("mariadb-install-db") || self.class.find("mysql_install_db")
      quietly(installer, "--no-defaults", "--datadir=#{data}", "--auth-root-authentication-method=normal",
              "--skip-test-db", "--skip-name-resolve")
    end

    def command
      [self.class.program, "--no-defaults", "--datadir=#{data}", "--port=#{port}", "--bind-address=127.0.0.1",
       "--socket=#{folder}/socket", "--pid-file=#{folder}/pid", "--max-connections=80", "--skip-name-resolve",
       "--innodb-flush-log-at-trx-commit=0"]
    end

    def data = File.join(folder, "data")
  end

  def test_mysql2
    server = need(MariaDB, "mysql2")
    rows = at_once do |i|
      client = Mysql2::Client.new(host: "127.0.0.1", port: server.port, username: "root")
      row = client.query("select #{i} * 3 as triple, repeat('y', 100000) as text, sleep(#{WAIT})").first
      client.close
      [row["triple"], row["text"].size]
    end
    assert_equal Array.new(TASKS) { |i| [i * 3, 100_000] }, rows
  end

  def test_trilogy
    server = need(MariaDB, "trilogy")
    rows = at_once do |i|
      client = Trilogy.new(host: "127.0.0.1", port: server.port, username: "root")
      row = client.query("select #{i} * 3, repeat('y', 100000), sleep(#{WAIT})").to_a.first
      client.close
      [row[0], row[1].size]
    end
    assert_equal Array.new(TASKS) { |i| [i * 3, 100_000] }, rows
  end
end
