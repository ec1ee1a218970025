# frozen_string_literal: true

require "tempfile"

# The file to copy, and the one to copy to.
module CopiedFiles
  # Yields both, open for bytes.
  def self.open(kib)
    Tempfile.create("bench-copy") do |source|
      Tempfile.create("bench-copy") do |target|
        [source, target].each(&:binmode)
        source.write(Random.new(1).bytes(1024) * kib)
        source.flush
        yield source, target
      end
    end
  end

  def self.rewind(source, target)
    source.sysseek(0)
    target.truncate(0)
    target.sysseek(0)
  end
end
