# frozen_string_literal: true

# Of `rake test:asan`, in each of its processes before anything else: ASan wonders once about a fiber's
# stack, and opens its report for that. In the middle of a test it is a descriptor too many, and where
# none is free it ends the process.
begin
  require "rota"
  Rota.run do
    Rota.spin do
      Rota.sleep("raises, on a fiber's stack")
    rescue TypeError
      nil
    end.await
  end
rescue LoadError, Rota::Error # it has nothing to do with Rota, or asks for an engine that is refused
  nil
end
