# frozen_string_literal: true

require "net/http"
require_relative "support"

class DeployTest < Minitest::Test
  CLIENTS = 8

  # Asks without a pause until it is told to stop.
  def client(engine, answers, state)
    engine.address => { host:, port: }
    http = Net::HTTP.new(host, port)
    # It would ask again by itself, and hide a failure.
    http.max_retries = 0
    http.start { answers << ask(http) until state[:is_over] }
  rescue StandardError => e
    answers << "failed: #{e.class} #{e.message}"
  end

  # The release that answered.
  def ask(http)
    answer = http.get("/")
    answer.code == "200" ? answer["x-release"] : "failed: HTTP #{answer.code}"
  end

  # Counts answers until so many have come from this release.
  def served(id, counts, answers)
    goal = counts[id] + 200
    while counts[id] < goal
      answer = Timeout.timeout(PATIENCE) { answers.pop }
      counts[answer] += 1
      flunk answer if answer.start_with?("failed")
    end
  end

  def test_a_real_application_is_deployed_twice_under_load_in_this_process_and_no_request_fails
    answers = Queue.new
    counts = Hash.new(0)
    Rollcore.open(CONFIG) do |engine|
      engine.deploy(**release("v1")).value!
      state = { is_over: false }
      clients = Array.new(CLIENTS) { Thread.new { client(engine, answers, state) } }
      served("v1", counts, answers)
      [%w[v2 v1], %w[v1 v2]].each do |id, previous|
        events = engine.events
        deployed = engine.deploy(**release(id)).value!
        assert_equal({ active_release_id: id, previous_release_id: previous }, deployed)
        served(id, counts, answers)
        drained = events.find { |event| event[:type] == "release.drained" }
        assert_equal previous, drained[:data][:release_id]
      end
      assert_code(:exited_before_ready) { engine.deploy(**release("v3")).value! }
      served("v1", counts, answers)
      state[:is_over] = true
      clients.each { |thread| assert thread.join(PATIENCE), "a client hangs" }
    end
    counts[answers.pop] += 1 until answers.empty?
    assert_equal %w[v1 v2], counts.keys.sort, counts.inspect
    puts "#{counts.values.sum} requests, none failed: #{counts}"
  end

  def test_two_engines_in_one_program_know_nothing_of_each_other
    Rollcore.open(CONFIG) do |one|
      Rollcore.open(CONFIG) do |other|
        [one.deploy(**release("v1")), other.deploy(**release("v2"))].each(&:value!)
        asked = [one, other].map { |engine| Net::HTTP.start(*engine.address.values_at(:host, :port)) { |http| ask(http) } }
        assert_equal %w[v1 v2], asked
      end
      assert_equal "v1", Net::HTTP.start(*one.address.values_at(:host, :port)) { |http| ask(http) }
    end
  end
end
