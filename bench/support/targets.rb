# frozen_string_literal: true

require_relative "saved"
require_relative "table"

module Bench
  # What Rota wants to reach, and what the saved results say of it: bench/targets prints the table of
  # docs/performance.md, and with --write puts it there.
  class Targets
    PAGE = File.join(Paths::ROOT, "docs", "performance.md")
    PLACE = %r{(?<=<!-- bench/targets -->\n).*?(?=<!-- end of bench/targets -->)}m

    CPU = "CPU ns/op"
    SPEED = "ops/s"
    MEMORY = "KiB each"

    # `rivals` match the names that Rota is compared with; `best` is the factor that is wanted at least, in
    # favour of Rota, against the best of them. `cases` match the cases of the questions.
    Target = Struct.new(:text, :questions, :cases, :rivals, :head, :factor, keyword_init: true)

    LIBRARIES = /\A(?:async|polyphony|uringmachine|carbon_fiber)/
    SCHEDULERS = /\A(?:async|uringmachine|carbon_fiber)/
    FLOOR = /\AC, io_uring\z/
    ALONE = /\Asequential Ruby\z/
    ONE = /\A(?:[a-z]+=[a-z]+ )?(?:pairs|connections|tasks|clients)=1(?: |\z)/

    def self.target(text, questions, head, factor, rivals: LIBRARIES, cases: //)
      Target.new(text: text, questions: questions, cases: cases, rivals: rivals, head: head, factor: factor)
    end
    private_class_method :target

    ALL = [
      target("pairs: 1.5 times the best library", %w[pipe_pingpong unix_pairs], SPEED, 1.5),
      target("pairs: at most twice the CPU of C on io_uring", %w[pipe_pingpong unix_pairs], CPU, 1 / 2.0,
             rivals: FLOOR),
      target("TCP echo: at most 1.6 times the CPU of C on io_uring", %w[tcp_echo], CPU, 1 / 1.6,
             rivals: FLOOR, cases: /\Aconnections=50 bytes=64\b/),
      # What one core answers: in operations per second it would be what the client asks, where that cannot
      # keep the server busy.
      target("HTTP hello: 3 times puma", %w[http_hello], CPU, 3, rivals: /\Apuma/),
      target("HTTP hello: 3 times falcon", %w[http_hello], CPU, 3, rivals: /\Afalcon/),
      target("HTTP hello: beside it", %w[http_hello], CPU, nil, rivals: /\Aiodine/),
      target("HTTP hello: beside it", %w[http_hello], CPU, nil, rivals: /\Aitsi/),
      target("queue hop: 4 times", %w[queue_hop], CPU, 4),
      target("contended mutex: 4 times", %w[mutex_contended], CPU, 4),
      target("spin and await: 10 times", %w[spin_await], CPU, 10),
      target("deadline that does not fire: 6 times", %w[timeout_block], CPU, 6),
      target("100,000 timers: 5 times", %w[timers_100k], CPU, 5, cases: /=20000\z/),
      target("through the scheduler: 1.3 times", %w[scheduler_pipe scheduler_tcp scheduler_http scheduler_pg
                                                    scheduler_redis], CPU, 1.3, rivals: SCHEDULERS),
      target("idle connection: less memory", %w[idle_10k], MEMORY, 1, rivals: /\A(?!C, |sequential)/),
      target("one at a time: at most 1.3 times as slow as sequential Ruby",
             %w[pipe_pingpong unix_pairs tcp_echo random_reads fsync process_spawn scheduler_pipe scheduler_tcp
                scheduler_http scheduler_pg scheduler_redis], SPEED, 1 / 1.3, rivals: ALONE, cases: ONE)
    ].freeze

    # The exit status.
    def self.command(arguments)
      table = new.table
      case arguments
      when [] then puts table
      when ["--write"] then File.write(PAGE, File.read(PAGE).sub(PLACE) { "#{table}\n" })
      else
        warn "Usage: bench/targets [--write]"
        return 2
      end
      0
    end

    def initialize(targets = ALL, folder = Paths::RESULTS)
      @targets = targets
      @folder = folder
    end

    def table
      lines = @targets.flat_map { |target| lines_of(target) }
      rubies = lines.flat_map { |_, _, ratios| ratios.keys }.uniq.sort
      table = Table.new(["target", "case", *rubies])
      lines.each { |text, name, ratios| table.add([text, name, *ratios.values_at(*rubies)]) }
      table.to_s
    end

    private

    def lines_of(target)
      target.questions.flat_map do |key|
        cases = Saved.find(key, @folder)&.cases || {}
        cases.slice(*cases.keys.grep(target.cases)).filter_map do |name, rows|
          ratios = ratios(target, rows)
          [target.text, "#{key} #{name}", ratios] unless ratios.empty?
        end
      end
    end

    # Ruby => what is said of Rota on it.
    def ratios(target, rows)
      rows.select { |row| row.name == "rota" }.to_h { |rota| [rota.ruby, against(target, rota, rows)] }.compact
    end

    def against(target, rota, rows)
      rivals = rows.reject { |row| row.name.start_with?("rota") || ![nil, rota.ruby].include?(row.ruby) }
                   .select { |row| row.name.match?(target.rivals) && row[target.head] }
      rival = rivals.min_by { |row| advantage(target, rota, row) } or return
      said(target, advantage(target, rota, rival), rival, [rota, rival].filter_map { |row| row["spread"] }.max)
    end

    # How many times better Rota is.
    def advantage(target, rota, rival)
      pair = [rota[target.head], rival[target.head]]
      pair.reverse! unless target.head == SPEED
      pair.first.fdiv(pair.last)
    end

    # Bold where the target is met. Where a most is wanted, so many times Rota is worse.
    def said(target, advantage, rival, spread)
      most = target.factor && target.factor < 1
      figure = format("%.2f", most ? 1 / advantage : advantage)
      figure = "**#{figure}**" if target.factor && advantage >= target.factor
      "#{figure} #{rival.name} (spread #{spread.round} %)"
    end
  end
end
