# frozen_string_literal: true

# The include list is the architecture: fails on an include that points the wrong way.
#
#   core <- runtime <- {sync, verbs} <- stream <- scheduler <- rota.c

RANK = { "core" => 0, "runtime" => 1, "sync" => 2, "verbs" => 2, "stream" => 3, "scheduler" => 4, "." => 5 }.freeze

# An engine is known to nobody but through the seam, so the seam is its header.
ENGINES = %w[ring poller].freeze

Dir.chdir(ARGV.fetch(0, File.join(__dir__, "..", "ext", "rota")))

# => why the include is wrong, or nil
def fault(layer, target, quoted)
  return "the core knows no Ruby" if layer == "core" && target.match?(%r{\Aruby(\.h|/)})
  return unless quoted || File.file?(target)
  return "the core names its neighbours without a folder, so that it compiles alone" if layer == "core" && target["/"]

  file = target.include?("/") ? target : File.join(layer, target)
  return "there is no such file of ours" unless File.file?(file)

  other = File.dirname(file)
  "#{layer} does not stand above #{other}" unless other == layer || RANK.fetch(other, 9) < RANK.fetch(layer)
end

def own_header(path)
  name = File.basename(path, ".c")
  "#{ENGINES.include?(name) ? 'engine' : name}.h"
end

def lonely?(path, layer, targets)
  path.end_with?(".c") && layer != "." && targets.none? { |target| File.basename(target) == own_header(path) }
end

def faults(path)
  layer = File.dirname(path)
  return ["#{path}: the folder is not a layer"] unless RANK.key?(layer)

  includes = File.read(path).scan(/^\s*#\s*include\s+(["<])([^">]+)/)
  found = includes.filter_map do |mark, target|
    why = fault(layer, target, mark == '"')
    "#{path} includes #{target}: #{why}" if why
  end
  found << "#{path} does not include its own header, #{own_header(path)}" if lonely?(path, layer, includes.map(&:last))
  found
end

sources = Dir["**/*.{c,h}"]
problems = sources.flat_map { |path| faults(path) }
puts problems
puts "includes: #{sources.size} files, #{problems.size} wrong"
exit problems.empty?
