# frozen_string_literal: true

require_relative "support"

class EventsTest < Minitest::Test
  def simulated(&block)
    Rollcore.open(CONFIG, simulate: SIMULATE, &block)
  end

  def test_events_come_to_listeners_to_loops_and_to_the_operation_in_their_order
    simulated do |engine|
      heard = []
      steps = []
      engine.on { |event| heard << event[:type] }
      engine.on("rollout.step") { |event| steps << event[:data][:step] }
      all = engine.events
      deploy = engine.deploy(**release("v1"))
      watched = deploy.map { |event| event[:type] }
      assert_equal({ active_release_id: "v1", previous_release_id: nil }, deploy.value!)
      assert_predicate deploy, :done?
      assert_equal "preflight", steps.first
      assert_includes watched, "traffic.switched"
      assert_equal watched, heard.first(watched.size)
      assert_equal watched.first, all.next[:type]
      all.close
      assert_nil all.next
      assert_empty deploy.to_a
    end
  end

  def test_whoever_watches_a_deploy_that_fails_learns_why_afterwards
    simulated do |engine|
      deploy = engine.deploy(**release("v3"))
      assert_includes deploy.map { |event| event[:type] }, "rollout.undone"
      assert_code(:exited_before_ready) { deploy.value! }
    end
  end

  def test_only_what_was_subscribed_to_comes_and_listeners_can_leave
    simulated do |engine|
      engine.subscribe("rollout.step", "traffic.*")
      heard = []
      engine.on { |event| heard << event[:type] }
      left = engine.on { flunk "it has left" }
      engine.off(left)
      engine.deploy(**release("v1")).value!
      assert_equal %w[rollout.step traffic.switched], heard.uniq.sort
    end
  end

  def test_what_a_listener_raises_comes_out_of_the_wait_and_takes_nothing_from_the_others
    simulated do |engine|
      heard = []
      once = engine.on("rollout.step") do
        engine.off(once)
        raise IOError, "a bug of the host"
      end
      engine.on("rollout.step") { |event| heard << event[:data][:step] }
      deploy = engine.deploy(**release("v1"))
      assert_equal("a bug of the host", assert_raises(IOError) { deploy.value! }.message)
      assert_equal "v1", deploy.value![:active_release_id]
      assert_equal "preflight", heard.first
      assert_includes heard, "switch traffic"
    end
  end

  def test_a_listener_may_ask_and_wait
    simulated do |engine|
      asked = []
      engine.on("traffic.switched") { asked << engine.log(limit: 1).value![:events].size }
      engine.deploy(**release("v1")).value!
      assert_equal [1], asked
    end
  end

  def test_a_loop_that_is_too_slow_loses_the_oldest_and_is_told
    feed = Rollcore::Feed.new(nil, nil)
    (Rollcore::Feed::EVENTS_MAX + 3).times { |number| feed.push({ type: "n", number: number }) }
    inbox = Object.new
    def inbox.wait_until(_timeout) = yield
    feed.instance_variable_set(:@inbox, inbox)
    assert_equal({ type: "queue.lagged", dropped: 3 }, feed.next)
    assert_equal 3, feed.next[:number]
  end

  def test_cancel_ends_the_waiting
    Rollcore.open do |rollcore|
      # Nobody answers there.
      check = rollcore.health(url: "http://127.0.0.1:1/ping", timeout_ms: 60_000)
      assert_nil check.wait(0.01)
      refute_predicate check, :done?
      check.cancel
      assert_code(:cancelled, -9) { check.value! }
      check.cancel
    end
  end

  def test_a_loop_of_the_program_can_wait_for_the_handle_among_others
    simulated do |engine|
      types = []
      engine.on { |event| types << event[:type] }
      deploy = engine.deploy(**release("v1"))
      until deploy.done?
        assert IO.select([engine], nil, nil, PATIENCE), "nothing happens"
        engine.dispatch
      end
      assert_includes types, "traffic.switched"
    end
  end

  def test_many_threads_wait_at_the_same_time
    Rollcore.open do |rollcore|
      answers = Array.new(8) do |number|
        Thread.new do
          Array.new(50) { rollcore.decide(exits_ms: [number]).value! }.size
        end
      end
      assert_equal [50] * 8, answers.map(&:value)
    end
  end

  def test_the_hands_alone
    Rollcore.open do |rollcore|
      lease = rollcore.ports.acquire(port: 20_000..29_999).value!
      assert_includes 20_000..29_999, lease[:port]
      assert_equal 1, rollcore.snapshot(:leases)[:leases].size
      rollcore.ports.release(lease[:lease_id]).value!
      rollcore.proxies.open("front", port: 0).value!
      rollcore.proxies.switch("front", { port: lease[:port] }).value!
      rollcore.proxies.drain("front", timeout_ms: 100).value!
      assert_equal 1, rollcore.snapshot(:proxies)[:proxies].size
      rollcore.proxies.close("front").value!
      rollcore.processes.define("p", command: %w[sleep 600], env: { A_b: "c" }).value!
      rollcore.processes.start("p").value!
      pid = rollcore.snapshot(:processes)[:processes][0][:pid]
      # Empty while the program is being put in place.
      Thread.pass while (environment = File.read("/proc/#{pid}/environ")).empty?
      assert_includes environment, "A_b=c\0"
      rollcore.processes.signal("p", :SIGCONT).value!
      rollcore.processes.stop("p").value!
      rollcore.processes.remove("p").value!
      refute alive?(pid)
    end
  end
end
