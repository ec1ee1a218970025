# frozen_string_literal: true

require_relative "../server_process"

# PostgreSQL with a fresh cluster, which lets in whoever comes.
class PostgreSQL < ServerProcess
  def self.program = find("postgres", "/usr/lib/postgresql/*/bin")

  private

  def beside(program) = File.join(File.dirname(File.realpath(self.class.program)), program)

  def prepare
    quietly(beside("initdb"), "-D", data, "-U", "rota", "--auth=trust", "--no-sync", "--no-instructions")
  end

  def command
    [self.class.program, "-D", data, "-p", port.to_s, "-h", "127.0.0.1", "-k", folder, "-F",
     "-c", "max_connections=80"]
  end

  # It listens before it lets anybody in.
  def listening? = system(beside("pg_isready"), "-q", "-h", "127.0.0.1", "-p", port.to_s)

  def data = File.join(folder, "data")
end
