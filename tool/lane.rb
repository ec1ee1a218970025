# frozen_string_literal: true

# Starts a command beside others: `ruby tool/lane.rb COMMAND... &`. What a shell starts with `&` ignores
# INT and QUIT, and the tests are about signals, too; and it is to be ended as a whole, as a group.
Process.setpgid(0, 0)
%w[INT QUIT].each { |signal| trap(signal, "DEFAULT") }
exec(*ARGV)
