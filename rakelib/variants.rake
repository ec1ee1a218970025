# frozen_string_literal: true

# Other builds of the extension. They live in tmp/<name>/rota/rota.so and are used by putting
# tmp/<name> in front of the load path, so none of them can be left behind in lib/.
module Variants
  OPTIONS = {
    "release" => { args: [], env: {} },
    "hostile" => { args: %w[--enable-hostile], env: {} },
    "valgrind" => { args: %w[--enable-valgrind], env: {} },
    "asan" => { args: [], env: { "ROTA_SANITIZE" => "address" } }
  }.freeze

  module_function

  def load_path(name) = File.expand_path("tmp/#{name}")

  def build_path(name) = "tmp/#{name}/#{BUILD}"

  def options_of(name) = OPTIONS.fetch(name)
end

Variants::OPTIONS.each_key do |name|
  namespace :compile do
    desc "Build the extension into tmp/#{name}"
    task name => SOURCES do
      build = Variants.build_path(name)
      options = Variants.options_of(name)
      extconf = File.expand_path("ext/rota/extconf.rb")
      mkdir_p [build, "tmp/#{name}/rota"], verbose: false
      unless uptodate?("#{build}/Makefile", [extconf, SOURCES])
        sh options[:env], RbConfig.ruby, extconf, *options[:args], chdir: build
      end
      sh "make", "--silent", chdir: build
      cp "#{build}/rota.so", "tmp/#{name}/rota/rota.so", verbose: false
    end
  end
end
