# frozen_string_literal: true

# The extension exports exactly one symbol: everything else could clash with another library's.

library = ARGV.fetch(0, File.join(__dir__, "..", "lib", "rota", "rota.so"))
abort "exports: #{library} is not built" unless File.file?(library)

symbols = IO.popen(["nm", "-D", "--defined-only", "--format=posix", library], &:readlines).map { |line| line[/\S+/] }
symbols.delete("ruby_abi_version") # a mark that development versions of Ruby put into every extension
abort "exports: expected exactly Init_rota, found: #{symbols.sort.join(' ')}" unless symbols == ["Init_rota"]

puts "exports: Init_rota"
