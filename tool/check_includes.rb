# frozen_string_literal: true

# The include list is the architecture: fails on an include that points the wrong way.
#
#   core <- runtime <- {sync, verbs} <- stream <- scheduler <- rota.c

RANK = { "core" => 0, "runtime" => 1, "sync" => 2, "verbs" => 2, "stream" => 3, "scheduler" => 4, "." => 5 }.freeze

Dir.chdir(ARGV.fetch(0, File.join(__dir__, "..", "ext", "rota")))

def fault(layer, path, target, quoted)
  return "the core knows no Ruby" if layer == "core" && target.match?(%r{\Aruby(\.h|/)})
  return unless quoted
  return "the core names its neighbours without a folder, so that it compiles alone" if layer == "core" && target["/"]

  file = target.include?("/") ? target : File.join(File.dirname(path), target)
  return "there is no such file of ours" unless File.file?(file)

  other = File.dirname(file)
  return if other == layer || RANK.fetch(other) < RANK.fetch(layer)

  "#{layer} does not stand above #{other}"
end

def faults(path)
  layer = File.dirname(path)
  return ["#{path}: the folder is not a layer"] unless RANK.key?(layer)

  includes = File.foreach(path).filter_map { |line| line[/^\s*#\s*include\s+(["<][^">]+)/, 1] }
  own = File.basename(path, ".c")
  lonely = path.end_with?(".c") && layer != "." && includes.none? { |name| File.basename(name[1..]) == "#{own}.h" }
  found = includes.filter_map do |name|
    why = fault(layer, path, name[1..], name.start_with?('"'))
    "#{path} includes #{name[1..]}: #{why}" if why
  end
  lonely ? found << "#{path} does not include its own header #{own}.h" : found
end

sources = Dir["**/*.{c,h}"]
problems = sources.flat_map { |path| faults(path) }
puts problems
puts "includes: #{sources.size} files, #{problems.size} wrong"
exit problems.empty?
