# frozen_string_literal: true

# Makes a case that fails smaller, as long as it still fails.
module Differential
  module_function

  def shrink(one)
    while (smaller = candidates(one).find { |candidate| difference(candidate) })
      one = smaller
    end
    one
  end

  def candidates(one)
    [
      *without_one_of(one.calls).map { |calls| changed(one, calls: calls) },
      *without_one_of(one.set_up).map { |calls| changed(one, set_up: calls) },
      (changed(one, pieces: [one.bytes]) if one.pieces.size > 1),
      *without_one_of(one.pieces).map { |pieces| changed(one, pieces: pieces) },
      *with_one_cut(one.pieces).map { |pieces| changed(one, pieces: pieces) },
      (changed(one, transport: :pipe) unless one.transport == :pipe)
    ].compact
  end

  def changed(one, **changes) = Case.new(*one.to_h.merge(changes).values)

  def without_one_of(list) = list.each_index.map { |i| list.take(i) + list.drop(i + 1) }

  def with_one_cut(pieces)
    pieces.each_with_index.flat_map do |piece, i|
      parts_of(piece).map { |part| pieces.take(i) << part }.each { |list| list.concat(pieces.drop(i + 1)) }
    end
  end

  def parts_of(piece)
    return [] if piece.bytesize < 2

    middle = piece.bytesize / 2
    [piece.byteslice(0, middle), piece.byteslice(middle..), piece.byteslice(1..), piece.byteslice(0...-1)]
  end
end
