# frozen_string_literal: true

# `tail -F`: prints the last lines of files, and what is appended to them from then on.
#
#   ruby -Ilib examples/tail.rb [-n lines] file ...      (default: the last 10 lines)
#
#   ruby -Ilib examples/tail.rb /var/log/syslog app.log
#
# A name is followed, not a file: when a log is rotated (renamed, and made anew) the rest of the old
# file is printed, then the new one. A file that is cut is printed from its beginning. What is not
# there yet is waited for.
#
# Nothing is looked at in vain: each file is a task that sleeps until the kernel tells of a change in
# its folder. The folder is watched before the file is read for the first time, so that nothing is
# missed in between.

require "rota"

# Where all files are printed; says which one it is when there are several.
class Screen
  def initialize(out, several)
    @out = out
    @several = several
  end

  def show(path, bytes)
    @out.write("#{"\n" if @last}==> #{path} <==\n") if @several && @last != path
    @last = path
    @out.write(bytes)
  end
end

# One name that is followed.
class Follower
  CHUNK = 65_536
  CHANGES = %i[modified created moved_to moved_from deleted].freeze

  def initialize(path, screen, lines)
    @path = path
    @name = File.basename(path)
    @screen = screen
    @lines = lines
  end

  # Until the folder is deleted.
  def follow
    Rota::Files.watch(File.dirname(@path), types: CHANGES, ready: -> { start }) do |event|
      catch_up if event.type == :overflow || File.basename(event.path) == @name
    end
  ensure
    @stream&.close
  end

  private

  def start
    return unless open_file

    @stream.seek(start_of_last_lines)
    print_rest
  end

  # What is behind the name may be another file by now, or the same one, but shorter.
  def catch_up
    print_rest if @stream
    return @stream.rewind && print_rest if @stream && same_file? && cut?
    return if @stream && same_file?

    print_rest if open_file
  end

  # nil when there is none
  def open_file
    newer = Rota.open(@path, "rb")
    print_rest if @stream # what came to the old one before there was a new one
    @stream&.close
    @stream = newer
  rescue Errno::ENOENT
    nil
  end

  def same_file?
    ours = Rota.loop.statx(@stream)
    named = Rota.loop.statx(@path)
    [ours.ino, ours.dev] == [named.ino, named.dev]
  rescue Errno::ENOENT
    true # for as long as nobody takes its place
  end

  def cut? = Rota.loop.statx(@stream).size < @stream.pos

  def print_rest
    loop { @screen.show(@path, @stream.readpartial(CHUNK)) }
  rescue EOFError
    nil
  end

  # Reads backwards until there are enough lines; the one at the end may lack its newline.
  def start_of_last_lines
    size = place = Rota.loop.statx(@stream).size
    text = "".b
    while place.positive? && text.chomp.count("\n") < @lines
      length = [place, CHUNK].min
      place -= length
      text = Rota.loop.pread(@stream, length, place) + text
    end
    @lines.zero? ? size : size - text.lines.last(@lines).sum(&:bytesize)
  end
end

if $PROGRAM_NAME == __FILE__
  lines = 10
  if ARGV.first == "-n"
    ARGV.shift
    lines = Integer(ARGV.shift || abort("-n wants a number of lines"))
  end
  abort "usage: tail.rb [-n lines] file ..." if ARGV.empty?

  $stdout.sync = true
  begin
    Rota.run do
      screen = Screen.new($stdout, ARGV.size > 1)
      ARGV.uniq.each { |path| Rota.spin { Follower.new(path, screen, lines).follow } }
    end
  rescue Interrupt, Errno::EPIPE
    nil # Ctrl-C, or nobody reads any more
  end
end
