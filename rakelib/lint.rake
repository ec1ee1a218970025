# frozen_string_literal: true

# A check says what it found; rake's own page about the command that failed would only hide it.
def check(*command)
  exit 1 unless system(*command)
end

# The formatter's output differs between its versions, so only one of them may judge.
module Format
  VERSION = "14"
  SOURCES = "{ext,test/c,bench}/**/*.{c,h}"

  module_function

  def tool
    ["clang-format-#{VERSION}", "clang-format"].find do |name|
      IO.popen([name, "--version"], err: File::NULL, &:read).include?("version #{VERSION}.")
    rescue Errno::ENOENT
      false
    end
  end
end

desc "Check the style and the shape of the sources"
task lint: %w[lint:includes lint:exports lint:signatures lint:ruby lint:format]

namespace :lint do
  desc "No include points the wrong way"
  task :includes do
    check RbConfig.ruby, "tool/check_includes.rb"
  end

  desc "The extension exports one symbol"
  task exports: :compile do
    check RbConfig.ruby, "tool/check_exports.rb"
  end

  desc "Everything public has a signature in sig/ and a comment"
  task signatures: :compile do
    check RbConfig.ruby, "tool/check_signatures.rb"
  end

  desc "rubocop"
  task :ruby do
    check "rubocop", "--format", "simple"
  end

  desc "clang-format, when there is one"
  task :format do
    if Format.tool
      check Format.tool, "--dry-run", "-Werror", *Dir[Format::SOURCES]
    else
      warn "lint: no clang-format #{Format::VERSION} here, the layout of the C sources was not checked"
    end
  end
end

desc "Lay out the C sources"
task :format do
  abort "clang-format #{Format::VERSION} is needed" unless Format.tool
  check Format.tool, "-i", *Dir[Format::SOURCES]
end

desc "Check the signatures in sig/"
task :types do
  check "rbs", "-r", "socket", "-r", "uri", "-I", "sig", "validate"
end

desc "Write the API documentation to doc/"
task :docs do
  # Warnings do not fail it: of a C method with a variable number of arguments yard knows no names.
  check "yard", "doc", "--output-dir", "doc",
        "lib/**/*.rb", "ext/**/*.c", "-", "README.md", "ARCHITECTURE.md"
end
