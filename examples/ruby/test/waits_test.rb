# frozen_string_literal: true

require "minitest/mock"
require_relative "support"

# A wait can be left at any point, and what it waited for is still there.
class WaitsTest < Minitest::Test
  # Nobody answers there.
  def check(rollcore, timeout_ms = 60_000)
    rollcore.health(url: "http://127.0.0.1:1/ping", timeout_ms: timeout_ms)
  end

  def test_timeout_ends_a_wait
    Rollcore.open do |rollcore|
      operation = check(rollcore)
      [-> { operation.value! }, -> { operation.first }, -> { rollcore.events.next }, -> { rollcore.each {} }].each do |wait|
        assert_raises(Timeout::Error) { Timeout.timeout(0.05) { wait.call } }
      end
      assert_nil operation.wait(0.01)
      operation.cancel
      assert_code(:cancelled) { operation.value! }
    end
  end

  def test_a_thread_that_waits_can_be_killed_and_another_one_takes_over
    Rollcore.open do |rollcore|
      operation = check(rollcore)
      waiting = Array.new(3) { Thread.new { operation.wait } }
      waiting.each { |thread| Thread.pass until thread.stop? }
      waiting[0, 2].each(&:kill).each { |thread| assert thread.join(PATIENCE), "it waits for ever" }
      assert_predicate waiting.last, :alive?
      operation.cancel
      assert waiting.last.join(PATIENCE), "nobody took over"
    end
  end

  def ask_often(rollcore, count)
    Thread.handle_interrupt(Timeout::Error => :never) do
      count.times do
        question = rollcore.decide(exits_ms: [1])
        begin
          Thread.handle_interrupt(Timeout::Error => :immediate) { question.value! }
        rescue Timeout::Error
          retry
        end
      end
      Thread.current[:answered] = count
    end
  end

  def test_threads_that_are_interrupted_again_and_again_lose_no_answer
    Rollcore.open do |rollcore|
      # A thread inherits what it is masked with. The last interruption may come behind the last answer.
      workers = Thread.handle_interrupt(Timeout::Error => :never) do
        Array.new(4) { Thread.new { ask_often(rollcore, 500) } }
      end
      workers.each { |worker| worker.report_on_exception = false }
      interrupted = 0
      while workers.any?(&:alive?)
        worker = workers.sample
        Thread.pass
        next if !worker.alive? || worker.pending_interrupt?

        worker.raise(Timeout::Error)
        interrupted += 1
      end
      workers.each { |worker| worker.join rescue assert_kind_of(Timeout::Error, $!) }
      assert_equal [500] * 4, workers.map { |worker| worker[:answered] }
      assert_operator interrupted, :>, 0
    end
  end

  # It is called by whoever takes events, who goes on with that while the listener waits: nobody else may begin.
  def test_a_listener_may_wait_and_others_wait_meanwhile
    Rollcore.open do |rollcore|
      pump = rollcore.instance_variable_get(:@inbox).instance_variable_get(:@pump)
      heard = []
      feed = rollcore.events
      other = nil
      rollcore.on("process.started") do
        other = Thread.new { rollcore.decide(exits_ms: [1]).value! }
        heard << rollcore.decide(exits_ms: [1]).value! << pump.owned?
      end
      rollcore.processes.define("p", command: %w[sleep 600]).value!
      rollcore.processes.start("p").value!
      Timeout.timeout(PATIENCE) { feed.next(0.1) until heard.size == 2 }
      assert_equal [true, true], [heard[0].key?(:decision), heard[1]]
      assert other.join(PATIENCE), "it waits for ever"
      refute_predicate pump, :locked?
    end
  end

  # Ruby lets signals in at any point; here is the worst one.
  def test_an_interrupt_between_taking_an_answer_and_telling_it_loses_nothing
    Rollcore.open do |rollcore|
      question = rollcore.decide(exits_ms: [1])
      Rollcore::Native.stub(:read, ->(_) { raise Interrupt }) { assert_raises(Interrupt) { question.value! } }
      assert question.wait(PATIENCE), "the answer is lost"
    end
  end

  # The program waits, and its parent sends the signal when it does.
  def interrupted(wait, ends)
    script = <<~RUBY
      #{PREPARED}
      Rollcore.open do |rollcore|
        rollcore.processes.define("p", command: %w[sleep 600]).value!
        rollcore.processes.start("p").value!
        puts rollcore.snapshot(:processes)[:processes][0][:pid]
        rollcore.events.next(0.01)
        operation = rollcore.health(url: "http://127.0.0.1:1/", timeout_ms: 100_000)
        Thread.new { Thread.pass until Thread.main.stop?; puts "waits" }
        #{wait}
      #{ends}
      end
    RUBY
    command = [RbConfig.ruby, "-r./lib/rollcore", "-e", script]
    Open3.popen3(*command, chdir: HERE) do |_, out, err, process|
      pid = out.gets.to_i
      assert_equal "waits\n", out.gets, pid.zero? ? err.read : nil
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      yield process
      assert process.join(PATIENCE), "it waits for ever"
      seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
      assert_operator seconds, :<, 30
      refute alive?(pid), "its process is left behind"
      [out.read, err.read, process.value]
    end
  end

  def test_ctrl_c_ends_a_wait_and_then_the_program_and_what_it_started
    ["operation.value!", "rollcore.each {}", "rollcore.events.next"].each do |wait|
      _, error, status = interrupted(wait, "") { |process| Process.kill(:INT, process.pid) }
      assert_equal Signal.list["INT"], status.termsig, error
      assert_match(/Interrupt/, error)
    end
  end

  def test_ctrl_c_can_be_rescued_and_the_handle_goes_on
    ends = "rescue Interrupt\n operation.cancel\n" \
           "puts((operation.value! rescue $!.code), rollcore.decide(exits_ms: [1]).wait.done?)"
    out, error, status = interrupted("operation.value!", ends) { |process| Process.kill(:INT, process.pid) }
    assert_equal "cancelled\ntrue\n", out, error
    assert_predicate status, :success?
  end

  def test_a_trap_runs_while_somebody_waits
    script = <<~RUBY
      $stdout.sync = true
      trap(:USR1) { puts "trapped" }
      Rollcore.open do |rollcore|
        Thread.new { Thread.pass until Thread.main.stop?; Process.kill(:USR1, Process.pid) }
        p rollcore.events.next(1)
      end
    RUBY
    told = run_program(RbConfig.ruby, "-r./lib/rollcore", "-e", script)
    assert_equal "trapped\nnil\n", told.stdout, told.stderr
  end
end
