# frozen_string_literal: true

require "tmpdir"

module Storm
  # Files are opened, written at places, read back, renamed and removed. What was interrupted happened
  # or did not; what did not fail is as it was asked for.
  class Files < Workload
    SIZE = 200_000
    LENT = "\xAA".b

    def start
      @folder = Dir.mktmpdir("storm-files")
      tasks = Array.new(3) { |number| spin_exposed { work(number) } }
      spin { tasks.each(&:await) }
    end

    def check
      FileUtils.remove_entry(@folder)
    end

    private

    def work(number)
      path = File.join(@folder, "file-#{number}")
      one_life(path) until world.over?
    end

    # => nothing; counts how it ended
    def one_life(path)
      image = "".b
      file = Rota.loop.open(path, "w+", 0o600)
      (1 + random.rand(20)).times { write(file, image) && compare(file, image) }
      finish(file, path)
      world.count(:files)
    rescue *World.harmless, Errno::EMFILE, Errno::ENFILE
      world.count(:files_interrupted)
    ensure
      close(file) if file
    end

    # An interrupted write says how much is there; the rest is as before.
    def write(file, image)
      offset = random.rand(SIZE)
      bytes = random.bytes(1 + random.rand(20_000))
      written = 0
      written = Rota.loop.pwrite(file, bytes, offset)
    rescue *World.harmless => e
      written = e.bytes_written if e.respond_to?(:bytes_written)
      raise
    ensure
      lay(image, bytes.byteslice(0, written), offset) if written&.positive?
    end

    def lay(image, bytes, offset)
      image << ("\0" * (offset - image.bytesize)) if image.bytesize < offset
      image[offset, bytes.bytesize] = bytes
    end

    def compare(file, image)
      offset = random.rand(image.bytesize)
      length = 1 + random.rand(30_000)
      found = random.rand(2).zero? ? Rota.loop.pread(file, length, offset) : read_into_lent(file, length, offset)
      broken "other bytes are in the file at #{offset}" unless found == image.byteslice(offset, length)
    end

    def read_into_lent(file, length, offset)
      buffer = LENT * length
      count = Rota.loop.pread(file, length, offset, buffer)
      buffer.byteslice(0, count)
    end

    def finish(file, path)
      Rota.loop.fsync(file) if random.rand(10).zero?
      Rota.loop.rename(path, "#{path}.old")
      Rota.loop.unlink("#{path}.old")
    end

    def close(file)
      world.patiently { Rota.loop.close(file) }
    rescue IOError, Errno::EBADF
      nil # a close that was interrupted has closed
    end
  end
end
