# frozen_string_literal: true

require "tmpdir"
require_relative "engines"

# For tests of what is done with files: a folder of their own, and every way in which that is served.
module FilesOfTest
  # Which engine, and who asks the file system: the loop's thread, or always a worker.
  WAYS = Engines::ALL.flat_map do |engine|
    { "at_once" => {}, "aside" => { slow_files: true }, "ring_of_two" => { slow_files: true, entries: 2 } }
      .map { |name, options| ["#{engine}_#{name}", { engine: engine, **options }] }
  end.to_h.reject { |name, _| name == "epoll_ring_of_two" }.freeze

  def self.included(test_class)
    test_class.extend(EachWay)
  end

  # The same test once for each way.
  module EachWay
    def test_each_way(name, &body)
      WAYS.each do |way, options|
        define_method("test_#{name}_#{way}") do
          @way = options
          instance_exec(&body)
        end
      end
    end
  end

  def setup
    super
    @folder = Dir.mktmpdir("rota-files-")
  end

  def teardown
    super
    FileUtils.remove_entry(@folder)
  end

  private

  def path(name) = File.join(@folder, name)

  def file(name, contents = "")
    path(name).tap { |path| File.binwrite(path, contents) }
  end

  # Runs the block with a loop of the test's way.
  def in_loop = Rota.run(**@way) { yield Rota.loop }
end
