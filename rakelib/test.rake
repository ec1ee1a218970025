# frozen_string_literal: true

require "fileutils"

# How the tests are started: one Ruby, all its warnings, one summary at the end of the output.
module Tests
  FOLDERS = %w[rota contract scheduler hostile].freeze

  module_function

  def files(*folders) = folders.flat_map { |folder| Dir["test/#{folder}/**/*_test.rb"] }.sort

  # Tests that are also worth a run under valgrind say so in their first lines: `# also under: valgrind`.
  def marked(word)
    mark = /^# also under:.*\b#{word}\b/
    files(*FOLDERS).select { |path| File.foreach(path).first(10).grep(mark).any? }
  end

  def passed?(files, env: {}, variant: nil, wrapper: [])
    paths = [variant && Variants.load_path(variant), "lib", "test"].compact
    system(env, *wrapper, RbConfig.ruby, "-w", *paths.map { |path| "-I#{path}" }, "tool/run_tests.rb", *files)
  end

  # Quiet about a failure: the tests' own summary has said it, and it is to be the last thing said.
  def run(...)
    exit 1 unless passed?(...)
  end
end

desc "Run all Ruby tests"
task test: :compile do
  Tests.run(Tests.files(*Tests::FOLDERS))
end

namespace :test do
  desc "Run the C tests"
  task :c do
    exit 1 unless system("tool/c_tests.sh")
  end

  %w[rota contract scheduler].each do |folder|
    desc "Run test/#{folder}"
    task folder => :compile do
      Tests.run(Tests.files(folder))
    end
  end

  # The whole suite is a storm of random rounds (test/storm), for as long as one likes.
  desc "Run test/hostile; with minutes (and a seed), the hostile suite for so long"
  task :hostile, %i[minutes seed] => :compile do |_task, args|
    next Tests.run(Tests.files("hostile")) unless args[:minutes]

    Rake::Task["compile:hostile"].invoke
    exit 1 unless system(RbConfig.ruby, "-w", "test/storm/main.rb", *args.to_a)
  end

  # The contracts run on both engines wherever they run.
  desc "Run test/rota, test/scheduler and test/hostile on the epoll engine"
  task epoll: :compile do
    Tests.run(Tests.files("rota", "scheduler", "hostile"),
              env: { "ROTA_ENGINE" => "epoll", "ROTA_HOSTILE_SECONDS" => "0.1" })
  end

  desc "Run everything on a build with tiny rings, slabs and buffers"
  task limits: "compile:hostile" do
    Tests.run(Tests.files(*Tests::FOLDERS), variant: "hostile")
  end

  desc "Run everything while the collector moves objects"
  task compact: :compile do
    Tests.run(Tests.files(*Tests::FOLDERS), env: { "ROTA_COMPACT" => "1" })
  end

  desc "Run test/hostile while GC.stress is on in slices"
  task stress: :compile do
    env = { "ROTA_STRESS" => "1", "ROTA_TIME_SCALE" => "10", "ROTA_HOSTILE_SECONDS" => "0.5" }
    Tests.run(Tests.files("hostile"), env: env)
  end

  desc "Run the marked tests under valgrind; errors with a frame in rota.so count"
  task valgrind: "compile:valgrind" do
    reports = "tmp/valgrind/reports"
    rm_rf reports, verbose: false
    mkdir_p reports, verbose: false
    files = Tests.marked("valgrind")
    abort "No test is marked with `# also under: valgrind`." if files.empty?

    # No --error-exitcode: the filter knows which errors are ours. A forked child would write into
    # its parent's report. Fibers' stacks lie closer together than the two megabytes from which on
    # valgrind takes a new stack pointer for a switch; below it believes that a frame grew or shrank,
    # and everything between is invalid to it.
    wrapper = %W[valgrind --quiet --xml=yes --xml-file=#{reports}/%p.xml --child-silent-after-fork=yes
                 --suppressions=suppressions/ruby.supp --num-callers=40 --error-limit=no
                 --max-stackframe=65536 --fair-sched=yes]
    passed = Tests.passed?(files, variant: "valgrind", wrapper: wrapper, env: { "ROTA_TIME_SCALE" => "20" })
    clean = system(RbConfig.ruby, "tool/valgrind_filter.rb", *Dir["#{reports}/*.xml"])
    exit 1 unless passed && clean
  end

  desc "Run rota and contract tests with AddressSanitizer"
  task asan: "compile:asan" do
    reports = File.expand_path("tmp/asan_reports")
    rm_rf reports, verbose: false
    mkdir_p reports, verbose: false
    # Ruby's own memory is never freed at the end, and its signal stack is not ASan's. Reports go to
    # files: ASan wonders once per process about a fiber's stack, where tests expect no word.
    options = %W[detect_leaks=0 use_sigaltstack=0 detect_stack_use_after_return=0 abort_on_error=1
                 log_path=#{reports}/report]
    env = {
      "LD_PRELOAD" => `#{RbConfig::CONFIG["CC"]} -print-file-name=libasan.so`.strip,
      "ASAN_OPTIONS" => options.join(":"),
      "RUBYOPT" => "-r#{File.expand_path('test/support/asan_wonders')}",
      "ROTA_TIME_SCALE" => "4"
    }
    # Compilers and benchmarks are not ours to sanitize.
    files = Tests.files("rota", "contract").grep_v(/(gem|bench)_test/)
    passed = Tests.passed?(files, variant: "asan", env: env)
    found = Dir["#{reports}/*"].map { |path| File.read(path) }.grep(/ERROR: AddressSanitizer/)
    puts found, "#{found.size} reports of ASan"
    exit 1 unless passed && found.empty?
  end

  # Not among the others: they need programs and gems that nothing else does.
  desc "Run client libraries against PostgreSQL, Redis, MariaDB and nginx (bin/setup --servers installs them)"
  task servers: :compile do
    Tests.run(Tests.files("servers"), env: { "BUNDLE_GEMFILE" => File.expand_path("test/servers/Gemfile") })
  end

  # What users get: the built gem in an empty home, and neither ext/ nor lib/ in sight.
  desc "Install the built gem and run the rota and contract tests with it"
  task gem: "rake:gem" do
    home = File.expand_path("tmp/gem_home")
    yard = File.expand_path("tmp/gem_test")
    rm_rf [home, yard], verbose: false
    mkdir_p yard, verbose: false
    FileUtils.cp_r(%w[test tool examples].select { |path| File.exist?(path) }, yard)

    env = { "GEM_HOME" => home, "GEM_PATH" => [home, *Gem.path].join(":"), "RUBYOPT" => nil, "BUNDLE_GEMFILE" => nil }
    sh env, "gem", "install", "--local", "--no-document", "--install-dir", home, "pkg/rota-#{SPEC.version}.gem"
    ok = system(env, RbConfig.ruby, "-w", "-Itest", "tool/run_tests.rb", *Tests.files("rota", "contract"), chdir: yard)
    exit 1 unless ok
  end
end

# bench/run makes the build without assertions itself.
desc "Run one question of bench/, or all of them"
task :bench, [:name] do |_task, args|
  exec(RbConfig.ruby, "bench/run", *args[:name])
end
