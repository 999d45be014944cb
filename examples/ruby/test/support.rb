# frozen_string_literal: true

# What the tests share.

require "json"
require "minitest/autorun"
require "open3"
require "rbconfig"
require "timeout"
require_relative "../lib/rollcore"

HERE = File.expand_path("..", __dir__)
RELEASES = File.expand_path("../releases", HERE)
CONFIG = JSON.parse(File.read("#{RELEASES}/rollcore.json")).freeze
STORY = File.read(File.expand_path("../story.txt", HERE))
SIMULATE = { seed: 1, broken: ["v3"] }.freeze

# Seconds; long enough for a machine that has much else to do.
PATIENCE = 120

def release(id)
  { id: id, path: "#{RELEASES}/#{id}" }
end

# What a program printed, and how it ended.
Told = Struct.new(:stdout, :stderr, :status, :seconds)

# Runs a program to its end.
def run_program(*command, environment: {}, folder: HERE)
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  stdout, stderr, status = Timeout.timeout(PATIENCE) { Open3.capture3(environment, *command, chdir: folder) }
  Told.new(stdout, stderr, status, Process.clock_gettime(Process::CLOCK_MONOTONIC) - began)
end

# What every little program begins with. Whoever is started in the background or by nohup ignores signals that these programs
# are to end by, and would hand that down to them.
PREPARED = "$stdout.sync = true\n%w[INT HUP].each { |signal| trap(signal, 'DEFAULT') }\n"

# Runs a little program of its own.
def run_ruby(text)
  run_program(RbConfig.ruby, "-w", "-Ilib", "-rtimeout", "-rrollcore", "-e", "#{PREPARED}#{text}")
end

# Whether a process is there, and is more than a zombie.
def alive?(pid)
  !File.read("/proc/#{pid}/status").match?(/^State:\s+[ZX]/)
rescue Errno::ENOENT, Errno::ESRCH
  false
end

# Fails with the code of a Rollcore::Error.
def assert_code(code, status = nil, &block)
  error = assert_raises(Rollcore::Error, &block)
  assert_equal code, error.code, error.message
  assert_equal status, error.status, error.message if status
  error
end

# Every test has a bound.
module Bounded
  def run
    Timeout.timeout(PATIENCE * 2) { super }
  end
end
Minitest::Test.prepend(Bounded)
