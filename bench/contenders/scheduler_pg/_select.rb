# frozen_string_literal: true

require_relative "../scheduler_http/_clients"

# pg waits for its socket through Ruby, and Ruby asks the scheduler.
module Selects
  def self.included(contender)
    contender.needs Bench::Need.gem("pg")
  end

  def set_up
    super
    require "pg"
  end

  private

  def connect(stint) = PG.connect(host: stint[:folder], port: stint[:port], dbname: "postgres", user: "rota")
  def ask(connection) = connection.exec_params("SELECT $1::int + 1", [41]).getvalue(0, 0)
end
