# frozen_string_literal: true

require "tmpdir"

# A file per actor, whose name is free at once.
module SyncedFile
  BYTES = ("0123456789abcdef" * 256).freeze

  module_function

  def open(index)
    path = File.join(Dir.tmpdir, "rota-bench-#{Process.pid}-#{index}")
    file = File.open(path, "w+b", 0o600)
    File.unlink(path)
    file
  end
end
