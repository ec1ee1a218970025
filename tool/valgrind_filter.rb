# frozen_string_literal: true

# Reads valgrind's XML reports and fails when an error has a frame of ours in its stack. Everything
# else is CRuby's own business. Leaks are not looked at: valgrind does not search Ruby's heap pages,
# so what a living object owns counts as lost; the loop's own counters find ours.
#
#   ruby tool/valgrind_filter.rb tmp/valgrind/report.*.xml

OURS = %r{<obj>[^<]*/rota\.so</obj>}

def text_of(xml, tag) = xml[%r{<#{tag}>(.*?)</#{tag}>}m, 1]

def frame_line(frame)
  place = [text_of(frame, "file"), text_of(frame, "line")].compact.join(":")
  "    #{text_of(frame, 'fn') || text_of(frame, 'obj') || '?'} #{place}".rstrip
end

def describe(error)
  frames = error.scan(%r{<frame>(.*?)</frame>}m).flatten
  ["  #{text_of(error, 'what') || text_of(error, 'text')}", *frames.first(20).map { |frame| frame_line(frame) }]
end

def errors_of_ours(report)
  report.scan(%r{<error>(.*?)</error>}m).flatten.select { |error| error =~ OURS && error !~ /<kind>Leak_/ }
end

# A report without its last line is of a process that crashed: valgrind did not get to the end.
def check(path)
  report = File.read(path)
  faults = errors_of_ours(report).map { |error| describe(error).join("\n") }
  faults << "  the report is cut short" unless report.include?("</valgrindoutput>")
  puts "#{path}:", faults unless faults.empty?
  faults.size
end

abort "valgrind_filter: no report to read" if ARGV.empty?

count = ARGV.sum { |path| check(path) }
puts "valgrind: #{ARGV.size} report(s), #{count} error(s) in rota.so"
exit count.zero?
