# frozen_string_literal: true

require_relative "support"

class ChildrenTest < Minitest::Test
  COUNT = 40

  # Ruby waits for its children, rollcore waits for its own by descriptor. Neither may see those of the other.
  def test_40_children_of_ruby_and_40_of_rollcore_have_every_status_right
    signals = 0
    trap("CLD") { signals += 1 }
    exits = {}
    own = []
    Rollcore.open do |rollcore|
      rollcore.on("process.exit") { |event| exits[event[:data][:id]] = event[:data][:code] }
      COUNT.times do |number|
        # It exits once, and is not started again.
        rollcore.processes.define("p#{number}", command: "sleep 0.0#{number % 10}; exit #{number}",
                                                restart: { max_restarts: 0 })
        own << spawn("sleep 0.0#{number % 10}; exit #{100 + number}")
        rollcore.processes.start("p#{number}")
      end
      events = rollcore.events
      assert events.next(PATIENCE), exits.inspect while exits.size < COUNT
      assert_equal "said\n", `echo said`
      assert system("exit 0")
      assert_equal((100...100 + COUNT).to_a, own.map { |pid| Process.wait2(pid).last.exitstatus })
    end
    assert_equal((0...COUNT).to_h { |number| ["p#{number}", number] }, exits.sort_by(&:last).to_h)
    assert_operator signals, :>, 0
  ensure
    trap("CLD", "DEFAULT")
  end

  # As the masters of Puma and Unicorn do.
  def test_a_host_that_reaps_everything_hears_of_every_exit
    told = run_ruby(<<~'RUBY')
      reaper = Thread.new { loop { Process.wait2(-1, Process::WNOHANG) rescue nil; Thread.pass } }
      exits = {}
      Rollcore.open do |rollcore|
        rollcore.on("process.exit") { |event| exits[event[:data][:id]] = event[:data] }
        20.times do |number|
          rollcore.processes.define("p#{number}", command: "exit #{number}", restart: { max_restarts: 0 })
          rollcore.processes.start("p#{number}")
        end
        events = rollcore.events
        events.next(60) or abort "no exit" while exits.size < 20
      end
      reaper.kill
      # Before Linux 6.15 it cannot be known what somebody else has reaped.
      puts exits.count { |id, data| data[:known] ? data[:code] == id[1..].to_i : data[:code].nil? }
    RUBY
    assert_equal "20\n", told.stdout, told.stderr
  end
end
