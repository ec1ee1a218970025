# frozen_string_literal: true

# Everything public has a signature in sig/ and a doc comment. The methods are asked of the loaded
# library, so that none is overlooked; what a comment marks with @private is nobody's business.
#
#   ruby -Ilib tool/check_signatures.rb

require "rbs"
require "set"

ROOT = File.expand_path("..", __dir__)
# What a program requires by itself, when it is there. rota/polyphony stands for itself: its names
# and results are described elsewhere.
FURTHER = %w[rota/dsl rota/server rota/cluster rota/inspector].freeze

# What sig/ says: the names of each class's methods, "#name" and ".name".
class Signatures
  def initialize(paths)
    @names = Hash.new { |hash, owner| hash[owner] = Set.new }
    paths.each { |path| declarations_of(path).each { |declaration| add(declaration, nil) } }
  end

  def include?(owner, mark, name) = @names[owner].include?("#{mark}#{name}")

  private

  # An Array of declarations up to RBS 2, [buffer, directives, declarations] since.
  def declarations_of(path)
    buffer = RBS::Buffer.new(name: path, content: File.read(path))
    parsed = RBS::Parser.parse_signature(buffer)
    parsed.first.is_a?(RBS::Buffer) ? parsed.last : parsed
  end

  def add(declaration, outer)
    return unless declaration.respond_to?(:members)

    owner = [outer, declaration.name.to_s.delete_prefix("::")].compact.join("::")
    declaration.members.each do |member|
      member.respond_to?(:members) ? add(member, owner) : note(owner, member)
    end
  end

  def note(owner, member)
    case member
    when RBS::AST::Members::MethodDefinition then put(owner, member.kind, member.name)
    when RBS::AST::Members::Alias then put(owner, member.kind, member.new_name)
    when RBS::AST::Members::AttrReader then put(owner, member.kind, member.name)
    when RBS::AST::Members::AttrWriter then put(owner, member.kind, "#{member.name}=")
    when RBS::AST::Members::AttrAccessor
      put(owner, member.kind, member.name)
      put(owner, member.kind, "#{member.name}=")
    end
  end

  def put(owner, kind, name)
    @names[owner] << ".#{name}" unless kind == :instance
    @names[owner] << "##{name}" unless kind == :singleton
  end
end

# A method bound in C.
Bound = Struct.new(:place, :name, :function, :arity, :comment) do
  def private? = comment.to_s.include?("@private")

  # Of a fixed number of arguments the C function itself names them.
  def complaint
    return "#{name}: no comment above #{function}" unless comment
    return if private? || arity >= 0 || comment.include?("call-seq:")

    "#{name}: no call-seq: in the comment above #{function}"
  end
end

# The methods that C defines, and the comments of their functions.
class CSources
  DEFINES = /rb_define_(?:method|module_function|singleton_method|private_method)
             \(\s*\w+,\s*"([^"]+)",\s*(\w+),\s*(-?\d+)/mx

  def initialize(paths)
    @bound = paths.flat_map { |path| bound_in(path) }
  end

  def complaints
    open = @bound.reject { |method| method.name.start_with?("__") }
    open.filter_map { |method| "#{method.place}: #{method.complaint}" if method.complaint }
  end

  # C tells no class, so all of the name and arity have to agree.
  def private?(name, arity)
    found = @bound.select { |method| method.name == name.to_s && method.arity == arity }
    found.any? && found.all?(&:private?)
  end

  private

  def bound_in(path)
    text = File.read(path)
    text.scan(DEFINES).map do |name, function, arity|
      Bound.new(path.delete_prefix("#{ROOT}/"), name, function, arity.to_i, comment_above(text, function))
    end
  end

  def comment_above(text, function)
    before = text[/\A(.*?)^(?:static )?VALUE #{function}\(/m, 1]&.rstrip
    before[before.rindex("/*")..] if before&.end_with?("*/")
  end
end

# Where methods and classes of lib/ stand, and the comments above them.
class RubySources
  PRIVATE = /@private|@api private|:nodoc:/

  def initialize
    @lines = Hash.new { |hash, path| hash[path] = File.readlines(path, chomp: true) }
  end

  def ours?(method) = method.source_location&.first.to_s.start_with?("#{ROOT}/lib/")

  def comment(method)
    path, line = method.source_location
    declared = @lines[path].grep(/@!(?:method|attribute).*\b#{Regexp.escape(method.original_name.to_s)}/)
    (declared + above(path, line) + [@lines[path][line - 1][/#\s*:nodoc:/]]).compact.join("\n")
  end

  def private?(method) = ours?(method) && comment(method).match?(PRIVATE)

  # Is the class marked, or one that it stands in?
  def private_class?(name)
    parts = name.split("::")
    (1..parts.size).any? do |count|
      path, line = Object.const_source_location(parts.first(count).join("::"))
      path.to_s.start_with?("#{ROOT}/lib/") && above(path, line).join.match?(PRIVATE)
    end
  end

  def place(method) = method.source_location.join(":").delete_prefix("#{ROOT}/")

  private

  def above(path, line)
    @lines[path].first([line - 1, 0].max).reverse.take_while { |text| text.match?(/\A\s*#/) }.grep_v(/# rubocop:/)
  end
end

# A public method and the class that has it.
Found = Struct.new(:owner, :mark, :name, :body) do
  def title = "#{owner}#{mark}#{name}"
end

# The public methods of the library, those that it gives to classes of others (IO, sockets) included.
class Surface
  def initialize(ruby) = @ruby = ruby

  def methods
    own = modules_below(Rota).sort_by(&:name).reject { |owner| @ruby.private_class?(owner.name) }
    own.flat_map { |owner| methods_of(owner) } + additions
  end

  private

  # All classes and modules that a program can name.
  def modules_below(owner, found = Set[owner])
    owner.constants(false).map { |name| owner.const_get(name) }.grep(Module).each do |value|
      next unless value.name.to_s.start_with?("#{owner}::")

      modules_below(value, found) if found.add?(value)
    end
    found
  end

  def methods_of(owner)
    instance = owner.public_instance_methods(false).map { |name| ["#", name, owner.instance_method(name)] }
    own = owner.singleton_methods(false).map { |name| [".", name, owner.method(name)] }
    (instance + own).reject { |_, name, _| name.start_with?("__") }.map { |found| Found.new(owner.name, *found) }
  end

  def additions
    others = ObjectSpace.each_object(Module).select { |owner| owner.name && !owner.name.start_with?("Rota", "#<") }
    others.flat_map { |owner| methods_of(owner).select { |found| @ruby.ours?(found.body) } }
  end
end

# What is missing, in sentences.
class Check
  def initialize
    @signatures = Signatures.new(Dir[File.join(ROOT, "sig/**/*.rbs")])
    @c_sources = CSources.new(Dir[File.join(ROOT, "ext/rota/**/*.c")])
    @ruby = RubySources.new
  end

  def run
    methods = Surface.new(@ruby).methods.reject { |found| private?(found.body) }
    faults = (@c_sources.complaints + methods.flat_map { |found| complaints(found) }).uniq
    puts faults, "signatures: #{methods.size} public methods, #{faults.size} complaints"
    faults.empty?
  end

  private

  def private?(method)
    @ruby.private?(method) || (method.source_location.nil? && @c_sources.private?(method.name, method.arity))
  end

  def complaints(found)
    faults = []
    faults << "no signature in sig/" unless @signatures.include?(found.owner, found.mark, found.name)
    faults << "no comment" if @ruby.ours?(found.body) && @ruby.comment(found.body).empty?
    where = @ruby.ours?(found.body) ? "#{@ruby.place(found.body)}: " : ""
    faults.map { |fault| "#{where}#{found.title}: #{fault}" }
  end
end

$LOAD_PATH.unshift(File.join(ROOT, "lib"))
require "rota"
FURTHER.each { |feature| require feature if File.file?(File.join(ROOT, "lib", "#{feature}.rb")) }
exit Check.new.run
