# frozen_string_literal: true

module Bench
  # Where things are. Everything built or measured stays below the project.
  module Paths
    BENCH = File.expand_path("..", __dir__)
    ROOT = File.expand_path("..", BENCH)
    LIB = File.join(ROOT, "lib")
    QUESTIONS = File.join(BENCH, "questions")
    CONTENDERS = File.join(BENCH, "contenders")
    FLOOR = File.join(BENCH, "floor")
    RESULTS = File.join(BENCH, "results")
    BUILD = File.join(ROOT, "tmp", "bench")
  end
end
