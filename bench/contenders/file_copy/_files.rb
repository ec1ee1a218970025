# frozen_string_literal: true

require "tempfile"

# The file to copy, and the one to copy to.
module CopiedFiles
  def run(stint)
    CopiedFiles.open(stint[:kib]) do |source, target|
      @source = source
      @target = target
      super
    end
  end

  # Yields both, open for bytes.
  def self.open(kib)
    Tempfile.create("bench-copy") do |source|
      Tempfile.create("bench-copy") do |target|
        [source, target].each { |file| File.unlink(file.binmode.path) } # some contenders do not come back
        source.write(Random.new(1).bytes(1024) * kib)
        source.flush
        yield source, target
      end
    end
  end

  private

  def rewind
    @source.sysseek(0)
    @target.truncate(0)
    @target.sysseek(0)
  end

  # For an actor beside whom others might run.
  def keep_copying(stint)
    stint.counts[0] = 0
    until stint.over?
      rewind
      copy
      stint.counts[0] += 1
      yield
    end
  end
end

# Ruby's own.
module CopiesStream
  include CopiedFiles

  private

  def copy = IO.copy_stream(@source, @target)
end
