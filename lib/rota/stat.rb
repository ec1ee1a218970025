# frozen_string_literal: true

module Rota
  # What a file system knows about a file, as {Loop#statx} found it. The names are those of File::Stat
  # where it has them; frozen, and equal to another of the same contents.
  class Stat
    # name => [place in struct statx (statx(2)), how to read it]
    NUMBERS = {
      mask: [0, "L"], blksize: [4, "L"], attribute_bits: [8, "Q"], nlink: [16, "L"], uid: [20, "L"], gid: [24, "L"],
      mode: [28, "S"], ino: [32, "Q"], size: [40, "Q"], blocks: [48, "Q"], rdev_major: [128, "L"],
      rdev_minor: [132, "L"], dev_major: [136, "L"], dev_minor: [140, "L"]
    }.freeze
    TIMES = { atime: 64, birthtime: 80, ctime: 96, mtime: 112 }.freeze
    TYPES = {
      0o100000 => "file", 0o040000 => "directory", 0o120000 => "link", 0o020000 => "characterSpecial",
      0o060000 => "blockSpecial", 0o010000 => "fifo", 0o140000 => "socket"
    }.freeze
    ATTRIBUTES = {
      0x4 => :compressed, 0x10 => :immutable, 0x20 => :append, 0x40 => :nodump, 0x800 => :encrypted,
      0x1000 => :automount, 0x2000 => :mount_root, 0x100000 => :verity, 0x200000 => :dax
    }.freeze
    TYPE_BITS = 0o170000
    BIRTH_TIME = 0x800
    private_constant :NUMBERS, :TIMES, :TYPES, :ATTRIBUTES, :TYPE_BITS, :BIRTH_TIME

    NUMBERS.each { |name, (place, form)| define_method(name) { @bytes.unpack1(form, offset: place) } }
    private :mask, :attribute_bits

    # @!attribute [r] size
    #   @return [Integer] bytes
    # @!attribute [r] mode
    #   @return [Integer] type and permissions
    # @!attribute [r] nlink
    #   @return [Integer] how many names the file has
    # @!attribute [r] uid
    #   @return [Integer] the owner
    # @!attribute [r] gid
    #   @return [Integer] the group
    # @!attribute [r] ino
    #   @return [Integer] the file's number in its file system
    # @!attribute [r] blocks
    #   @return [Integer] how many blocks of 512 bytes it takes
    # @!attribute [r] blksize
    #   @return [Integer] bytes of a transfer that suits the file system
    # @!attribute [r] dev_major
    #   @return [Integer] of the device that the file system is on
    # @!attribute [r] dev_minor
    #   @return [Integer]
    # @!attribute [r] rdev_major
    #   @return [Integer] of the device that the file is
    # @!attribute [r] rdev_minor
    #   @return [Integer]

    # @return [Time] last read
    def atime = time(:atime)

    # @return [Time] last written
    def mtime = time(:mtime)

    # @return [Time] last changed, its owner or permissions for instance
    def ctime = time(:ctime)

    # @return [Time, nil] made; nil where the file system does not keep it
    def birthtime = mask.anybits?(BIRTH_TIME) ? time(:birthtime) : nil

    # @return [Integer] one number for the device that the file system is on, as File::Stat's
    def dev = device(dev_major, dev_minor)

    # @return [Integer] ... that the file is
    def rdev = device(rdev_major, rdev_minor)

    # @return [String] "file", "directory", "link", "characterSpecial", "blockSpecial", "fifo", "socket"
    def ftype = TYPES.fetch(mode & TYPE_BITS, "unknown")

    # @return [Boolean] a regular file?
    def file? = ftype == "file"

    # @return [Boolean]
    def directory? = ftype == "directory"

    # @return [Boolean] a symbolic link that was not followed?
    def symlink? = ftype == "link"

    # @return [Boolean] a FIFO or pipe?
    def pipe? = ftype == "fifo"

    # @return [Boolean]
    def socket? = ftype == "socket"

    # @return [Boolean]
    def chardev? = ftype == "characterSpecial"

    # @return [Boolean]
    def blockdev? = ftype == "blockSpecial"

    # @return [Boolean] empty?
    def zero? = size.zero?

    # @return [Array<Symbol>] of +:compressed+, +:immutable+, +:append+, +:nodump+, +:encrypted+,
    #   +:automount+, +:mount_root+, +:verity+, +:dax+
    def attributes = ATTRIBUTES.select { |bit, _| attribute_bits.anybits?(bit) }.values

    # @return [Hash{Symbol => Object}] all of it
    def to_h
      names = NUMBERS.keys - %i[mask attribute_bits] + TIMES.keys + %i[ftype attributes]
      names.to_h { |name| [name, public_send(name)] }
    end

    # @return [Boolean] the same contents?
    def ==(other) = other.is_a?(Stat) && other.to_h == to_h
    alias eql? ==

    # @return [Integer]
    def hash = to_h.hash

    # @return [String]
    def inspect
      format("#<Rota::Stat %s %o size=%d uid=%d gid=%d mtime=%s>", ftype, mode & 0o7777, size, uid, gid, mtime)
    end

    private

    # statx_timestamp: seconds and nanoseconds
    def time(name)
      seconds, nanoseconds = @bytes.unpack("qL", offset: TIMES[name])
      Time.at(seconds, nanoseconds, :nanosecond)
    end

    # The kernel's own arrangement, as glibc's makedev has it.
    def device(major, minor)
      ((major & 0xfffff000) << 32) | ((major & 0xfff) << 8) | ((minor & 0xffffff00) << 12) | (minor & 0xff)
    end
  end
end
