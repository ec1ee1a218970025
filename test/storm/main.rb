# frozen_string_literal: true

# Runs rounds of the storm until the time is up: `main.rb MINUTES [SEED]`. The first round has the given
# seed, so a round that failed is run again by `rake "test:hostile[0.1,SEED]"`: the same choices, though
# not the same moments.

require "fileutils"
require "json"
require "rbconfig"
require "tmpdir"
require_relative "faults"

module Storm
  # The rounds, one after the other, each in a process of its own that is ended when it hangs.
  class Main
    ROUND = 10.0 # seconds
    LONG_ROUND = 60.0
    LONG_EVERY = 10
    LOGS = "tmp/storm"
    NOISE = %r{^\s*\d+ /|^\h+-\h+ } # what Ruby lists after a crash: files that are loaded, mappings
    PATIENCE = 90 # seconds that a round may take longer than planned
    LIBRARIES = [*$LOAD_PATH.select { |path| File.file?("#{path}/rota.rb") || File.file?("#{path}/rota/rota.so") },
                 File.expand_path("../../lib", __dir__)].uniq.freeze

    def initialize(minutes, seed)
      @ends = now + (minutes * 60)
      @seed = seed
      @counts = Hash.new(0)
      @failed = []
      @episodes = 0
    end

    # @return [Boolean] did all rounds pass?
    def run
      Dir.mktmpdir("storm") do |folder|
        @folder = folder
        @faults = Faults.build(folder)
        puts "storm: no compiler or no gem fiddle here: memory never fails and clocks never step" unless @faults
        number = 0
        number = run_round(number) while now < @ends
      end
      report
      @failed.empty?
    end

    private

    def run_round(number)
      seed = @seed + number
      seconds = [(number % LONG_EVERY) == LONG_EVERY - 1 ? LONG_ROUND : ROUND, @ends - now].min.clamp(1, nil)
      variant = variants[seed % variants.size]
      print "storm: round #{number + 1}, seed #{seed}#{", #{variant} build" if variant} ... "
      $stdout.flush
      status, out, log = in_process(seed, seconds, variant)
      status&.success? ? passed(out) : failed(seed, status, log)
      number + 1
    end

    # Builds of the extension to choose from: nil is the usual one.
    def variants
      @variants ||= [nil, *%w[hostile].select { |name| File.file?("tmp/#{name}/rota/rota.so") }]
    end

    def in_process(seed, seconds, variant)
      out, log = %w[out log].map { |name| File.join(@folder, name) }
      paths = [variant && File.expand_path("tmp/#{variant}"), *LIBRARIES].compact.map { |path| "-I#{path}" }
      env = { "LD_PRELOAD" => @faults, "RUBYOPT" => nil, "BUNDLER_SETUP" => nil }
      pid = Process.spawn(env, RbConfig.ruby, "-w", *paths,
                          File.join(__dir__, "round.rb"), seed.to_s, seconds.to_s,
                          in: File::NULL, out: out, err: log, pgroup: true)
      [wait(pid, seconds + PATIENCE), File.read(out), File.read(log)]
    end

    # QUIT makes a round that hangs say where; nil is what did.
    def wait(pid, patience)
      deadline = now + patience
      until Process.wait(pid, Process::WNOHANG)
        if now > deadline
          %i[QUIT SEGV KILL].each { |signal| signal_and_pause(signal, pid) }
          Process.wait(pid)
          return nil
        end
        sleep 0.05
      end
      $?
    end

    def signal_and_pause(signal, pid)
      Process.kill(signal, signal == :KILL ? -pid : pid)
      sleep 2
    end

    def passed(out)
      result = JSON.parse(out)
      @episodes += result["episodes"]
      result["counts"].each { |what, times| @counts[what] += times }
      puts "#{result['episodes']} episodes, #{result['kib'] / 1024} MiB, #{result['maps']} maps"
    end

    def failed(seed, status, log)
      @failed << seed
      puts "FAILED: #{status ? status.to_s.sub(/pid \d+ /, '') : 'it hung'}"
      FileUtils.mkdir_p(LOGS)
      File.write("#{LOGS}/#{seed}.log", log)
      puts log.lines.grep_v(NOISE).first(50).map { |line| "    #{line}" }, "    all of it: #{LOGS}/#{seed}.log"
    end

    def report
      puts "storm: #{@episodes} episodes; #{@counts.sort.map { |what, times| "#{what} #{times}" }.join(', ')}"
      return puts("storm: all rounds passed") if @failed.empty?

      puts "storm: #{@failed.size} rounds failed. Again: " \
           "#{@failed.map { |seed| %(rake "test:hostile[0.2,#{seed}]") }.join(', ')}"
    end

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end

$stdout.sync = true
minutes = Float(ARGV.fetch(0, ""), exception: false)
seed = Integer(ARGV.fetch(1, rand(1_000_000)), exception: false)
abort "storm: give it minutes and perhaps a seed, both numbers: 60 1234" unless minutes&.positive? && seed
exit Storm::Main.new(minutes, seed).run
