# frozen_string_literal: true

# Two fibers per pair on pipes, on async's scheduler.
class AsyncEPollSchedulerPipe < Bench::RubyContender
  label "async, epoll"
  about "Async { }, io-event's epoll selector"
  needs Bench::Need.gem("async")

  def run(stint)
    ENV["IO_EVENT_SELECTOR"] = "EPoll"
    require "async"
    # async asks every IO for it, and Ruby has it since 3.2
    IO.define_method(:timeout) { nil } unless IO.method_defined?(:timeout)
    Async do
      stint[:pairs].times { |index| start_pair(stint, index) }
      stint.watch { |seconds| sleep(seconds) }
    end
  end

  private

  def start_pair(stint, index)
    there, back = Array.new(2) { IO.pipe.each { |io| io.sync = true } }
    stint.counts[index] = 0
    Async { serve(stint, index, back.first, there.last) }
    Async { reply(stint[:bytes], there.first, back.last) }
  end

  def serve(stint, index, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    until stint.over?
      writer.write(message)
      reader.readpartial(stint[:bytes], buffer)
      stint.counts[index] += 2
    end
    writer.close
  end

  def reply(bytes, reader, writer)
    buffer = String.new(capacity: bytes)
    loop { writer.write(reader.readpartial(bytes, buffer)) }
  rescue EOFError
    nil
  end
end
