# frozen_string_literal: true

module Rota
  # Whole files, many files, and what happens to them. What the caches know costs a system call; only
  # what waits for a disk lets other tasks run.
  module Files
    # What happened to a file that is watched. Frozen.
    class Event
      # @return [String, nil] the file; inside a directory that is watched, with the directory's path
      attr_reader :path

      # @return [Symbol] +:created+, +:modified+, +:written+ (closed, by who had it open for writing),
      #   +:attributes+ (its permissions, owner, times, number of names), +:deleted+, +:moved_from+ and
      #   +:moved_to+ (in a directory that is watched), +:moved+ (the file itself), +:unmounted+,
      #   +:overflow+ (events were lost: look for yourself; +path+ is nil)
      attr_reader :type

      # @return [Integer] the same for the +:moved_from+ and the +:moved_to+ of one rename, else 0
      attr_reader :cookie

      # @api private
      def initialize(path, type, cookie, directory)
        @path = path
        @type = type
        @cookie = cookie
        @directory = directory
        freeze
      end

      # @return [Boolean] is what it happened to a directory?
      def directory? = @directory

      # @return [String]
      def inspect = "#<Rota::Files::Event #{type} #{path.inspect}>"
    end

    # Files that are open at the same time in {read_all}.
    AT_ONCE = 128
    # type => inotify(7)'s bits
    TYPES = {
      modified: 0x2, attributes: 0x4, written: 0x8, moved_from: 0x40, moved_to: 0x80, created: 0x100,
      deleted: 0x600, moved: 0x800, unmounted: 0x2000, overflow: 0x4000
    }.freeze
    # Those that can be asked for; the others come by themselves.
    ASKED = TYPES.keys - %i[unmounted overflow]
    IN_IGNORED = 0x8000
    IN_ISDIR = 0x40000000
    private_constant :AT_ONCE, :TYPES, :ASKED, :IN_IGNORED, :IN_ISDIR

    class << self
      # @param path [String, #to_path]
      # @return [String] all of the file, in the default external encoding
      # @raise [SystemCallError] +Errno::ENOENT+, +Errno::EISDIR+ ...
      def read(path)
        Rota.open(path) { |stream| contents(stream) }
      end

      # Writes a file anew.
      #
      # @param path [String, #to_path]
      # @param bytes [String, #to_s]
      # @param mode [String, Integer] "a" appends, "wx" refuses a file that is there, as File.open's
      # @param perm [Integer] permissions of a new file, less the umask
      # @return [Integer] bytes written
      # @raise [SystemCallError] +Errno::ENOENT+, +Errno::ENOSPC+ ...
      def write(path, bytes, mode = "w", perm = 0o666)
        Rota.open(path, mode, perm) { |stream| stream.write(bytes) }
      end

      # Yields the lines of a file, by {Stream#each_line}'s rules and with its arguments.
      #
      # @param path [String, #to_path]
      # @yieldparam line [String]
      # @return [nil, Enumerator] an Enumerator without a block
      # @raise [SystemCallError] +Errno::ENOENT+, +Errno::EISDIR+ ...
      def each_line(path, *arguments, **options, &block)
        return to_enum(:each_line, path, *arguments, **options) unless block

        Rota.open(path) { |stream| stream.each_line(*arguments, **options, &block) }
        nil
      end

      # Reads many files together: the disk is asked for all of them at once, 128 at a time.
      #
      # @param paths [Array<String, #to_path>]
      # @return [Hash{String, #to_path => String}] path => contents, as {read} gives them, in the order of
      #   the paths
      # @raise [SystemCallError] of the first path that failed
      def read_all(*paths)
        paths.flatten.uniq.each_slice(AT_ONCE).each_with_object({}) do |some, found|
          found.update(some.zip(read_some(some)).to_h)
        end
      end

      # Watches files and directories, and yields what happens to them, until the block breaks or nothing
      # is left to watch. Nothing is missed between two events; a directory tells of the files in it, but
      # not of those further down.
      #
      #   Rota::Files.watch("config") { |event| reload if event.type == :written }
      #
      # A file is watched, not its name: who follows a name through its renames watches its directory.
      # Network file systems tell only what is done on this machine.
      #
      # @param paths [Array<String, #to_path>]
      # @param types [Array<Symbol>] of {Event}'s types, those to be told of; +:overflow+ and +:unmounted+
      #   always are
      # @param ready [#call, nil] called once, when nothing will be missed from now on
      # @yieldparam event [Event]
      # @return [nil] when all that was watched has been deleted
      # @raise [SystemCallError] +Errno::ENOENT+, +Errno::ENOSPC+ (more than fs.inotify.max_user_watches) ...
      def watch(*paths, types: ASKED, ready: nil, &block)
        raise ArgumentError, "no block given" unless block

        notices = __notices
        watched = add_watches(notices, paths.flatten, mask_of(types))
        ready&.call
        yield_events(notices, watched, block) until watched.empty?
        nil
      ensure
        notices&.close
      end

      private

      def contents(stream)
        size = Rota.loop.statx(stream).size
        bytes = size.positive? ? Rota.loop.pread(stream, size + 1, 0) : nil
        complete(stream, bytes, size)
      end

      # Files of /proc and the like have no size, others may have grown, and the kernel gives 2 GiB at a
      # time at most.
      def complete(stream, bytes, size)
        if bytes&.bytesize != size
          stream.seek(bytes.bytesize) if bytes
          bytes = (bytes || "".b) << stream.read.b
        end
        bytes.force_encoding(Encoding.default_external)
      end

      def read_some(paths)
        opened = Rota.loop.batch { |b| paths.each { |path| b.open(path) } }
        streams = opened.grep(Stream)
        raise opened.find { |result| result.is_a?(Exception) } if streams.size < paths.size

        sizes = streams.map { |stream| Rota.loop.statx(stream).size }
        pieces = Rota.loop.batch { |b| streams.zip(sizes) { |stream, size| b.pread(stream, size + 1, 0) } }
        streams.zip(pieces, sizes).map { |stream, bytes, size| complete_piece(stream, bytes, size) }
      ensure
        streams&.each(&:close)
      end

      # What has no positions cannot be read at one.
      def complete_piece(stream, bytes, size)
        raise bytes if bytes.is_a?(Exception) && !bytes.is_a?(Errno::ESPIPE)

        complete(stream, bytes.is_a?(String) ? bytes : nil, size)
      end

      def mask_of(types)
        Array(types).sum(0) do |type|
          TYPES.fetch(type) { raise ArgumentError, "unknown type of event: #{type.inspect}" }
        end
      end

      def add_watches(notices, paths, mask)
        raise ArgumentError, "no path given" if paths.empty?

        paths.to_h { |path| [__add_notice(notices, path, mask), File.path(path)] }
      end

      # struct inotify_event: watch, bits, cookie, length of the name, name
      def yield_events(notices, watched, block)
        bytes = notices.readpartial(16_384)
        until bytes.empty?
          watch, bits, cookie, length = bytes.unpack("lLLL")
          name = bytes.byteslice(16, length).unpack1("Z*")
          bytes = bytes.byteslice((16 + length)..)
          tell(watched[watch], name, bits, cookie, block)
          watched.delete(watch) if bits.anybits?(IN_IGNORED)
        end
      end

      def tell(path, name, bits, cookie, block)
        type, = TYPES.find { |_, bit| bits.anybits?(bit) }
        return unless type

        path = File.join(path, in_encoding_of(path, name)) if path && !name.empty?
        block.call(Event.new(path, type, cookie, bits.anybits?(IN_ISDIR)))
      end

      # The kernel knows bytes alone. As Dir gives names, unless that could not be joined.
      def in_encoding_of(path, name)
        name.force_encoding(path.ascii_only? ? Encoding.find("filesystem") : path.encoding)
      end
    end
  end
end
