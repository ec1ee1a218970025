# frozen_string_literal: true

# Serves the files of a folder.
#
#   ruby -Ilib examples/static_files.rb folder [host:port]      (default . 127.0.0.1:8081)
#
#   curl -i http://127.0.0.1:8081/README.md
#   curl -r 0-99 http://127.0.0.1:8081/README.md                a part of it
#   curl -I -z README.md http://127.0.0.1:8081/README.md        only if it is newer than mine
#
# GET and HEAD, ranges, conditional requests by the time of the last change, and index.html for
# folders. What begins with a dot, or lies outside of the folder, is not there.
#
# This file finds the files. The protocol is in `http/`; `http/file_body.rb` sends a file.

require "rota"
require "time"
require_relative "http/connection"
require_relative "http/file_body"
require_relative "http/limits"

# From a request's target to a path inside the folder, or nil.
class Folder
  INDEX = "index.html"

  def initialize(path)
    @root = File.realpath(path)
  end

  # A folder's own path ends with a slash.
  def locate(target)
    path = decode(target[/\A[^?#]*/]) or return
    path += INDEX if path.end_with?("/")
    inside(File.join(@root, path))
  end

  private

  # Names as they are on disk: no escapes, nothing hidden, no way up.
  def decode(path)
    return unless path.start_with?("/") && !path.match?(/%(?!\h\h)/)

    name = path.gsub(/%(\h\h)/) { $1.hex.chr }.force_encoding(Encoding::UTF_8)
    name if name.valid_encoding? && !name.include?("\0") && !name.match?(%r{/\.})
  end

  # Links are followed as long as they do not lead out.
  def inside(path)
    real = File.realpath(path)
    real if real.start_with?("#{@root}/")
  rescue SystemCallError # nothing is there, or we may not look
    nil
  end
end

# Which bytes of a file a request asks for.
class ByteRange
  ONE = /\Abytes=(?:(\d+)-(\d*)|-(\d+))\z/

  # nil: no range, or one that this server does not know (several at once), or one for a version of
  # the file that is gone: all of it. :none: there are no such bytes.
  def self.of(request, size, modified)
    match = ONE.match(request["range"].to_s) or return
    return unless [nil, modified].include?(request["if-range"])

    first, last, suffix = match.captures.map { |digits| digits.to_i if digits && digits != "" }
    return last_bytes(suffix, size) if suffix
    return if last && last < first

    first < size ? first..[last || size - 1, size - 1].min : :none
  end

  def self.last_bytes(count, size) = count.zero? || size.zero? ? :none : [size - count, 0].max..size - 1
  private_class_method :last_bytes
end

# The application.
class StaticFiles
  TYPES = {
    ".css" => "text/css", ".gif" => "image/gif", ".html" => "text/html", ".jpg" => "image/jpeg",
    ".js" => "text/javascript", ".json" => "application/json", ".md" => "text/markdown",
    ".pdf" => "application/pdf", ".png" => "image/png", ".svg" => "image/svg+xml", ".txt" => "text/plain",
    ".wasm" => "application/wasm", ".webp" => "image/webp", ".xml" => "application/xml"
  }.freeze
  NOT_FOUND = HTTP::Response.error(404)
  ONLY_GET = HTTP::Response.error(405, fields: "Allow: GET, HEAD\r\n")

  def initialize(path)
    @folder = Folder.new(path)
  end

  def call(request)
    return ONLY_GET unless request.method == "GET" || request.head?

    path = @folder.locate(request.target) or return NOT_FOUND
    stat = Rota.loop.statx(path)
    return moved(request) if stat.directory?

    stat.file? ? serve(request, path, stat) : NOT_FOUND
  rescue Errno::ENOENT, Errno::EACCES, Errno::ENOTDIR
    NOT_FOUND
  end

  private

  # So that the links of an index are relative to its folder.
  def moved(request)
    path, query = request.target.split("?", 2)
    HTTP::Response.new("", status: 301, fields: "Location: #{path.sub(%r{\A/+}, '/')}/#{"?#{query}" if query}\r\n")
  end

  def serve(request, path, stat)
    modified = stat.mtime.httpdate
    fields = "Last-Modified: #{modified}\r\nAccept-Ranges: bytes\r\n"
    return HTTP::Response.new("", status: 304, fields: fields) if known?(request, stat.mtime)

    range = ByteRange.of(request, stat.size, modified) unless request.head?
    return out_of_range(stat.size) if range == :none

    send_file(path, stat.size, range, fields)
  end

  # A date tells whole seconds.
  def known?(request, mtime)
    since = request["if-modified-since"]
    since && mtime.to_i <= Time.httpdate(since).to_i
  rescue ArgumentError # no date: as if it was not there
    false
  end

  def out_of_range(size)
    HTTP::Response.error(416, fields: "Content-Range: bytes */#{size}\r\n")
  end

  def send_file(path, size, range, fields)
    fields += "Content-Range: bytes #{range.first}-#{range.last}/#{size}\r\n" if range
    body = HTTP::FileBody.new(Rota.loop.open(path, File::RDONLY), range ? range.first : 0, range ? range.size : size)
    type = TYPES.fetch(File.extname(path).downcase, "application/octet-stream")
    HTTP::Response.new(body, status: range ? 206 : 200, type: type, fields: fields)
  end
end

if $PROGRAM_NAME == __FILE__
  $stdout.sync = true
  app = StaticFiles.new(ARGV.fetch(0, "."))
  limits = HTTP::Limits.new

  Rota.run do
    listener = Rota.listen(ARGV.fetch(1, "127.0.0.1:8081")) do |stream|
      HTTP::Connection.new(stream, app, limits).serve
    end

    puts "listening on #{listener.address}"
    Rota.sleep
  rescue Interrupt
    listener&.stop(graceful: 1)
    puts "stopped"
  end
end
