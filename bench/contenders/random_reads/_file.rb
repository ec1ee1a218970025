# frozen_string_literal: true

require "tmpdir"

# The file that all read from, warm in the page cache. Its name is free at once.
module ReadFile
  BLOCKS = 16_384
  BYTES = 4096

  module_function

  def open
    path = File.join(Dir.tmpdir, "rota-bench-#{Process.pid}")
    File.open(path, "w+b", 0o600) do |file|
      File.unlink(path)
      piece = "0123456789abcdef" * (BYTES / 16)
      BLOCKS.times { file.write(piece) }
      file.flush
      yield file
    end
  end

  def offset = rand(BLOCKS) * BYTES
end
