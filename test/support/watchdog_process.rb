# frozen_string_literal: true

# The other side of watchdog.rb. Reads lines: "name<TAB>seconds" starts the clock, an empty one stops
# it. When the time is up it sends SEGV, upon which every Ruby prints the Ruby and the C backtrace of
# where it is (to ABRT some do not answer), then KILL.

exit! if fork # the parent waits for this end, and the process goes on as nobody's child

def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

# Field 22 of the line: without it a new process of the same number could be hit.
def born(pid)
  File.read("/proc/#{pid}/stat")[/.*\) (.*)/, 1].split[19]
rescue SystemCallError
  nil
end

def finish(pid, name, seconds)
  $stderr.syswrite("\n#{name} hangs: no end after #{seconds} s\n")
  Process.kill(:SEGV, pid)
  sleep 10
  Process.kill(:KILL, pid)
rescue Errno::ESRCH
  nil
ensure
  exit!
end

pid = Integer(ARGV.fetch(0))
birth = born(pid)
input = +""
name = seconds = deadline = nil

loop do
  ready = IO.select([$stdin], nil, nil, deadline ? [deadline - now, 0].max : 10)
  exit! unless born(pid) == birth
  finish(pid, name, seconds) if !ready && deadline
  next unless ready

  input << $stdin.readpartial(65_536)
  *lines, input = input.split("\n", -1)
  next if lines.empty?

  name, seconds = lines.last.split("\t")
  deadline = seconds && (now + Float(seconds))
rescue EOFError
  exit!
end
