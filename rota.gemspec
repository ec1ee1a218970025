# frozen_string_literal: true

require_relative "lib/rota/version"

Gem::Specification.new do |spec|
  spec.name = "rota"
  spec.version = Rota::VERSION
  spec.authors = ["Rota maintainers"]
  spec.summary = "An event-loop runtime on io_uring: tasks, streams, servers."
  spec.description = <<~TEXT
    Rota runs many tasks on one thread over one io_uring: registered files, receive buffers that
    the kernel picks, and fiber switching in C, below tasks, streams and servers in Ruby. Linux only.
  TEXT
  spec.homepage = "https://rubygems.org/gems/rota"
  spec.license = "MIT"
  spec.metadata = { "rubygems_mfa_required" => "true" }

  spec.required_ruby_version = ">= 3.1"

  # By pattern and not by asking git, so that the gem can be built from a tarball.
  spec.files = Dir.glob(
    %w[ext/**/*.{c,h,rb} lib/**/*.rb sig/**/*.rbs LICENSE README.md CHANGELOG.md ARCHITECTURE.md],
    base: __dir__
  ).sort
  spec.extensions = ["ext/rota/extconf.rb"]
  spec.require_paths = ["lib"]
end
