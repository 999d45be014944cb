# frozen_string_literal: true

require_relative "support"

class EndsTest < Minitest::Test
  PROLOGUE = <<~RUBY
    rollcore = Rollcore.open
    rollcore.processes.define("p", command: %w[sleep 600]).value!
    rollcore.processes.start("p").value!
    puts rollcore.snapshot(:processes)[:processes][0][:pid]
  RUBY

  # Whether the process that the program started has ended with it.
  def assert_ends(text)
    told = run_ruby("#{PROLOGUE}#{text}")
    assert_match(/\A\d+\n/, told.stdout, told.stderr)
    refute alive?(told.stdout.to_i), "it is left behind\n#{told.stderr}"
    told
  end

  def test_a_program_that_ends_leaves_nothing
    assert_predicate assert_ends("").status, :success?
    assert_equal 3, assert_ends("exit 3").status.exitstatus
  end

  def test_an_error_that_nobody_rescues_leaves_nothing
    told = assert_ends("raise 'a bug of the host'")
    assert_equal 1, told.status.exitstatus
    assert_match(/a bug of the host/, told.stderr)
  end

  def test_signals_that_end_ruby_leave_nothing
    %w[INT TERM HUP].each do |signal|
      told = assert_ends("Process.kill(:#{signal}, Process.pid); sleep 60")
      assert_equal Signal.list[signal], told.status.termsig, told.stderr
    end
  end

  def test_what_the_block_raises_or_returns_comes_out_and_it_is_closed
    engine = nil
    assert_raises(KeyError) { Rollcore.open { |open| (engine = open) && raise(KeyError) } }
    assert_predicate engine, :closed?
    assert_equal 7, Rollcore.open { 7 }
    assert_equal(8, Rollcore.open { |_| break 8 })
  end

  def test_a_handle_that_nobody_has_is_collected_and_its_processes_end
    told = run_ruby(<<~RUBY)
      def start
        rollcore = Rollcore.open
        rollcore.processes.define("p", command: %w[sleep 600]).value!
        rollcore.processes.start("p").value!
        rollcore.snapshot(:processes)[:processes][0][:pid]
      end
      pid = Thread.new { start }.value
      alive = -> { Process.kill(0, pid) rescue nil }
      Timeout.timeout(60) do
        while alive.call
          # What lies on the stack by chance is not collected: others lie down there.
          Thread.new { Array.new(100) { Object.new } }.join
          GC.start
        end
      end
      puts "collected"
    RUBY
    assert_equal "collected\n", told.stdout, told.stderr
  end

  def test_what_somebody_waits_for_is_not_collected
    told = run_ruby(<<~RUBY)
      GC.stress = false
      def check = Rollcore.open.health(url: "http://127.0.0.1:1/", timeout_ms: 300)
      operation = check
      feed = Rollcore.open.events
      20.times { GC.start }
      begin
        operation.value!
      rescue Rollcore::Error => e
        puts e.code
      end
      p feed.next(0.01)
    RUBY
    assert_equal "health_check_failed\nnil\n", told.stdout, told.stderr
  end

  def test_200_handles_come_and_go_without_leaving_descriptors_or_threads
    told = run_ruby(<<~'RUBY')
      count = ->(what) { Dir.children("/proc/self/#{what}").size }
      5.times { Rollcore.open {} }
      before = %w[fd task].map(&count)
      200.times { Rollcore.open { |rollcore| rollcore.decide(exits_ms: [1]).value! } }
      puts %w[fd task].map(&count).zip(before).map { |now, then_| now - then_ }.join(" ")
    RUBY
    assert_equal "0 0\n", told.stdout, told.stderr
  end

  def test_several_threads_close_and_wait_at_the_same_time
    20.times do
      rollcore = Rollcore.open
      feed = rollcore.events
      check = rollcore.health(url: "http://127.0.0.1:1/ping", timeout_ms: 60_000)
      waiting = [Thread.new { feed.next }, Thread.new { check.wait && check.done? }]
      closing = Array.new(3) { Thread.new { rollcore.close } }
      closing.each(&:join)
      waiting.each { |thread| assert thread.join(PATIENCE), "it waits for ever" }
      assert_raises(Rollcore::Error) { check.value! }
    end
  end
end

class ForkTest < Minitest::Test
  def test_a_fork_has_no_handle_and_may_open_one_and_the_parent_is_unharmed
    told = run_ruby(<<~'RUBY')
      parent = Rollcore.open
      parent.processes.define("p", command: %w[sleep 600]).value!
      parent.processes.start("p").value!
      pending = parent.health(url: "http://127.0.0.1:1/", timeout_ms: 2_000)
      feed = parent.events
      waiting = Thread.new { feed.next }
      Thread.pass until waiting.stop?
      code = ->(&work) { work.call && :none rescue $!.code }
      child = fork do
        puts [code.() { parent.decide(exits_ms: [1]) }, code.() { parent.snapshot }, code.() { pending.value! }].join(" ")
        p [feed.next, parent.closed?]
        parent.close
        parent.destroy
        puts Rollcore.open { |rollcore| rollcore.decide(exits_ms: [1]).value!.key?(:restart) || true }
        abandoned = Rollcore.open
        abandoned.processes.define("q", command: %w[sleep 600]).value!
        abandoned.processes.start("q").value!
        puts abandoned.snapshot(:processes)[:processes][0][:pid]
        GC.start
      end
      Process.wait(child)
      puts $?.exitstatus
      puts parent.snapshot(:processes)[:processes][0][:state]
      puts code.() { pending.value! }
      # To stop it is an event, which the other thread waits for.
      parent.processes.stop("p").value!
      puts waiting.value[:type]
      parent.close
    RUBY
    lines = told.stdout.lines(chomp: true)
    refute alive?(lines.delete_at(3).to_i), "the child left a process behind"
    expected = ["forked forked forked", "[nil, true]", "true", "0", "running", "health_check_failed"]
    assert_equal expected, lines.first(6), told.stderr
    assert_match(/\Aprocess\./, lines.last)
    assert_equal "", told.stderr
  end

  def test_a_block_that_is_left_in_the_child_leaves_the_parents_handle_alone
    told = run_ruby(<<~'RUBY')
      child = Rollcore.open do |rollcore|
        rollcore.processes.define("p", command: %w[sleep 600]).value!
        rollcore.processes.start("p").value!
        if (pid = fork)
          Process.wait(pid)
          puts $?.exitstatus, rollcore.snapshot(:processes)[:processes][0][:state]
        end
        pid
      end
      exit 5 unless child
    RUBY
    assert_equal "5\nrunning\n", told.stdout, told.stderr
  end

  # It forks without Process._fork: only the library notices.
  def test_a_daemon_has_no_handle_either
    told = run_ruby(<<~'RUBY')
      reader, writer = IO.pipe
      rollcore = Rollcore.open
      fork do
        inner = Rollcore.open
        feed = inner.events
        Process.daemon(true, true)
        writer.puts [-> { inner.snapshot }, -> { feed.next }].map { |work| work.call rescue $!.code }.join(" ")
        inner.close
        writer.puts Rollcore.open { |other| other.decide(exits_ms: [1]).value! && "works" }
      end
      Process.wait
      writer.close
      puts reader.read
      rollcore.close
    RUBY
    assert_equal "forked forked\nworks\n", told.stdout, told.stderr
  end
end
