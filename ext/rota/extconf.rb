# frozen_string_literal: true

# Makes the Makefile of the extension. Switches:
#
#   --enable-assertions   keep assert() (on by itself with any of the switches below)
#   --enable-hostile      tiny rings, slabs and buffers, so that rare paths become common ones
#   --enable-valgrind     tell valgrind which bytes the kernel wrote
#   --enable-sanitizer    AddressSanitizer; ROTA_SANITIZE=address,undefined says which ones
#   --disable-lto         compile each file by itself
#   PEDANTIC=1            warnings are errors: for us, never for those who only install the gem

require "mkmf"

# CC=clang: mkmf itself only knows the compiler that Ruby was built with.
RbConfig::CONFIG["CC"] = RbConfig::MAKEFILE_CONFIG["CC"] = ENV["CC"] if ENV["CC"]

LAYERS = %w[core runtime sync verbs stream scheduler].freeze

NO_LINUX = "rota needs Linux, because it drives io_uring and epoll, and this is %s."

NO_LIBURING = "rota needs liburing 2.3 or newer with its headers, which `apt-get install liburing-dev`, " \
              "`dnf install liburing-devel`, `pacman -S liburing` or `apk add liburing-dev` brings."

# The newest symbols of 2.3: a version number says nothing about a patched or static library.
LIBURING_SYMBOLS = %w[io_uring_register_sync_cancel io_uring_submit_and_get_events].freeze

# name => [header, the Ruby whose headers bring it]. Probed, because a version number does not tell
# what a build really exports.
RUBY_FUNCTIONS = {
  "rb_ext_ractor_safe" => ["ruby.h", "3.0"],
  "rb_io_descriptor" => ["ruby/io.h", "3.1"],
  "rb_io_buffer_get_bytes_for_reading" => ["ruby/io/buffer.h", "3.1"],
  "rb_fiber_new_storage" => ["ruby.h", "3.2"],
  "rb_io_timeout" => ["ruby/io.h", "3.2"],
  "rb_io_path" => ["ruby/io.h", "3.3"],
  "rb_io_closed_p" => ["ruby/io.h", "3.3"],
  "rb_io_open_descriptor" => ["ruby/io.h", "3.3"],
  "rb_process_status_wait" => ["ruby.h", "3.3"],
  "rb_postponed_job_preregister" => ["ruby/debug.h", "3.3"],
  "rb_thread_lock_native_thread" => ["ruby/thread.h", "3.4"],
  "rb_fiber_scheduler_fiber_interrupt" => ["ruby/fiber/scheduler.h", "4.0"]
}.freeze

RUBY_CONSTANTS = {
  "RB_NOGVL_OFFLOAD_SAFE" => ["ruby/thread.h", "3.4"],
  "RB_NOGVL_PENDING_INTR_FAIL" => ["ruby/thread.h", "4.1"]
}.freeze

OUR_FLAGS = %w[-std=gnu11 -fvisibility=hidden -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow].freeze

# mkmf would bury the sentence under a page about its own options; this keeps it quiet.
def refuse(sentence)
  $makefile_created = true
  abort sentence
end

def sanitizers
  named = ENV.fetch("ROTA_SANITIZE", "")
  return named unless named.empty?

  enable_config("sanitizer", false) ? "address" : nil
end

def find_liburing
  pkg_config("liburing") || (have_header("liburing.h") && have_library("uring", "io_uring_queue_init", "liburing.h"))
  return if LIBURING_SYMBOLS.all? { |name| have_func(name, "liburing.h") }

  refuse NO_LIBURING
end

def probe_ruby
  RUBY_FUNCTIONS.each { |name, (header, _since)| have_func(name, ["ruby.h", header].uniq) }
  RUBY_CONSTANTS.each { |name, (header, _since)| have_const(name, ["ruby.h", header].uniq) }
end

# One flat list of objects from many folders: make finds the sources through VPATH, so two files of
# the same name would silently become one.
def collect_sources
  found = Dir[File.join($srcdir, "*.c"), *LAYERS.map { |layer| File.join($srcdir, layer, "*.c") }]
  twins = found.group_by { |path| File.basename(path) }.values.select { |paths| paths.size > 1 }
  refuse "rota has two sources of the same name: #{twins.flatten.join(', ')}." unless twins.empty?

  $srcs = found.map { |path| File.basename(path) }.sort
  $objs = $srcs.map { |name| name.sub(/c\z/, $OBJEXT) }
  $VPATH.concat(LAYERS.map { |layer| "$(srcdir)/#{layer}" })
  # Every object depends on every header: a full build takes seconds, a stale object hours.
  $headers.concat(LAYERS.flat_map { |layer| Dir[File.join($srcdir, layer, "*.h")] }
                        .map { |path| path.sub($srcdir, "$(srcdir)") })
end

# Ruby's headers do not pass our warnings, and Ruby's own list of warnings is not ours. Called after
# the probes, which must not fail over a warning.
def apply_our_flags
  $INCFLAGS = $INCFLAGS.gsub(/-I(?=\$\((?:arch_)?hdrdir\))/, "-isystem ")
  $warnflags = ""
  $CFLAGS << " " << OUR_FLAGS.join(" ")
  $CFLAGS << " -Werror" if ENV["PEDANTIC"] == "1"
end

# A request passes through many small files: optimized as one, a message through a pipe takes a tenth
# fewer instructions. A build without optimization stays one. Not every linker can, and a sanitizer
# is to see each function.
def apply_optimization
  return if sanitizers || !RbConfig.expand($CFLAGS.dup).match?(/-O[23]/)

  $CFLAGS << " -O3"
  clear_small_records_inline
  return unless enable_config("lto", true) && try_link("int main(void) { return 0; }", "-flto=auto")

  $CFLAGS << " -flto=auto"
  $DLDFLAGS << " -O3 -flto=auto"
end

# Left alone, GCC clears and copies records of a hundred bytes with a string instruction, which takes some
# 30 cycles to begin: a message through a pipe clears five.
def clear_small_records_inline
  flags = %w[memset memcpy].map { |name| " -m#{name}-strategy=vector_loop:512:noalign,libcall:-1:noalign" }.join
  return unless try_cflags(flags)

  $CFLAGS << flags
  $DLDFLAGS << flags
end

def apply_switches
  hostile = enable_config("hostile", false)
  valgrind = enable_config("valgrind", false)
  assertions = enable_config("assertions", false) || hostile || valgrind || sanitizers || ENV["PEDANTIC"] == "1"

  $defs << "-DROTA_HOSTILE" if hostile
  $defs << "-DROTA_VALGRIND" if valgrind
  $defs << "-DNDEBUG" unless assertions
end

def apply_sanitizers
  return unless sanitizers

  flag = "-fsanitize=#{sanitizers}"
  # Not the stack: a longjmp on a fiber's stack, which ASan does not know, leaves marks of frames that
  # are gone, and the next frames there would be taken for overflows.
  stack = try_cflags("--param asan-stack=0") ? "--param asan-stack=0" : "-mllvm -asan-stack=0"
  $CFLAGS << " -O1 -g -fno-omit-frame-pointer #{stack} " << flag
  $DLDFLAGS << " " << flag
end

refuse format(NO_LINUX, RUBY_PLATFORM) unless RbConfig::CONFIG["target_os"].include?("linux")

find_liburing
probe_ruby
collect_sources
apply_our_flags
apply_optimization
apply_switches
apply_sanitizers

create_makefile("rota/rota")
