# frozen_string_literal: true

require_relative "support"

class ErrorsTest < Minitest::Test
  def simulated(&block)
    Rollcore.open(CONFIG, simulate: SIMULATE, &block)
  end

  def test_a_deploy_that_fails_says_why_and_where
    simulated do |engine|
      engine.deploy(**release("v1")).value!
      failed = engine.deploy(**release("v3"))
      2.times do
        error = assert_code(:exited_before_ready, -10) { failed.value! }
        assert_equal({ outcome: "undone", release_id: "v3", step: "await ready web" }, error.detail)
        assert_match(/exited with code 1 before it was ready/, error.message)
        assert_match(/errors_test/, error.backtrace.join, "it says where it was waited for")
      end
      assert_code(:not_retained, -3) { engine.rollback("v9").value! }
      assert_code(:no_previous_release) { engine.rollback.value! }
      assert_equal "v1", engine.status[:active_release_id]
    end
  end

  def test_what_makes_no_sense_is_refused_at_once_and_nothing_happens
    simulated do |engine|
      assert_code(:unknown_method) { engine.call("engine.dance") }
      assert_code(:invalid_params) { engine.call("engine.deploy", release_id: "v1") }
      assert_code(:invalid_params) { engine.call("engine.deploy", release_id: "v1", release_path: "/", speed: 9) }
      assert_code(:unsafe_name) { engine.deploy(id: "v1; rm", path: "/").value! }
      assert_code(:invalid_params) { engine.pause(timeout_ms: -1) }
      assert_code(:config_invalid) { engine.reload({ processes: [] }).value! }
      assert_code(:invalid_params, -1) { engine.subscribe(7) }
      assert_code(:invalid_params, -1) { engine.snapshot(:weather) }
      assert_nil engine.status[:active_release_id]
    end
  end

  def test_what_json_does_not_know_is_refused_by_ruby
    itself = []
    itself << itself
    simulated do |engine|
      [7, nil].each { |method| assert_raises(TypeError) { engine.call(method) } }
      [Object.new, (1..), "a".."b"].each { |path| assert_raises(TypeError) { engine.deploy(id: "v1", path: path) } }
      ["\xff", "\xff".b, Float::NAN, itself].each do |path|
        assert_raises(ArgumentError) { engine.deploy(id: "v1", path: path) }
      end
      assert_raises(ArgumentError) { engine.call("engine.status\0") }
      assert_raises(ArgumentError) { engine.deploy }
      assert_raises(ArgumentError) { engine.deploy(**release("v1"), speed: 9) }
      assert_raises(ArgumentError) { engine.on("rollout.step") }
      assert_raises(TypeError) { Rollcore.open("rollcore.json") }
      assert_nil engine.status[:active_release_id]
    end
  end

  def test_options_and_configs_are_checked
    assert_code(:invalid_options, -1) { Rollcore.open(queue: 0) }
    assert_code(:invalid_params, -1) { Rollcore.open(speed: 9) }
    assert_code(:config_invalid, -2) { Rollcore.open({}, simulate: SIMULATE) }
    Rollcore.validate(:config, CONFIG)
    Rollcore.validate(:options, { worker_threads: 2, log: :warn })
    assert_code(:config_invalid, -2) { Rollcore.validate(:config, CONFIG.merge("procesess" => [])) }
    assert_includes Rollcore.schema("engine.deploy")["properties"], "releaseId"
    assert_includes Rollcore.schema(:options)["properties"], "graceMs"
    assert_raises(Rollcore::Error) { Rollcore.schema("engine.dance") }
  end

  def test_after_it_is_closed_everything_says_so_and_closing_again_does_nothing
    engine = simulated { |open| open }
    assert_predicate engine, :closed?
    engine.close
    engine.destroy
    assert_code(:closed, 3) { engine.deploy(**release("v1")) }
    assert_code(:closed, 3) { engine.status }
    assert_code(:closed, 3) { engine.to_io }
    assert_code(:closed, 3) { engine.dispatch }
    assert_empty engine.events.to_a
    assert_empty engine.to_a
  end

  def test_names_of_ours_are_snake_case_and_those_of_others_stay
    config = {
      application: "shop", proxy: { port: 0, drain_timeout_ms: 10 },
      processes: [
        { id: "myWeb", policy: :proxied, command: %w[serve], port: 18_000..18_010, health: { path: "/ping" },
          env: { RAILS_ENV: "production", "http_proxy" => "", some_name: "kept" } }
      ]
    }
    Rollcore.validate(:config, config)
    spelled = JSON.parse(Rollcore::Names.dump(config, "config"))
    assert_equal 10, spelled["proxy"]["drainTimeoutMs"]
    assert_equal %w[RAILS_ENV http_proxy some_name], spelled["processes"][0]["env"].keys
    assert_equal({ "from" => 18_000, "to" => 18_010 }, spelled["processes"][0]["port"])
    Rollcore.open(config, simulate: { seed: 1 }) do |engine|
      engine.deploy(id: "v1", path: "/srv").value!
      assert_equal ["myWeb"], engine.status[:releases][0][:ports].keys
    end
  end

  def test_a_big_parameter_and_every_character_arrive_as_they_were
    path = "/releases/#{'ä' * 1_000_000}\u{1F600}\"\\\n"
    simulated do |engine|
      engine.deploy(id: "v1", path: path).value!
      assert_equal path, engine.status[:releases][0][:release_path]
    end
  end

  def test_without_a_library_it_says_what_to_do
    script = "begin; Rollcore.open; rescue Rollcore::Error => e; puts e.code, e.message; end"
    told = run_program(RbConfig.ruby, "-r./lib/rollcore", "-e", script,
                       environment: { "ROLLCORE_LIB" => "/nowhere/librollcore.so" })
    assert_match(%r{\Alibrary_not_found\n/nowhere.*ROLLCORE_LIB}m, told.stdout, told.stderr)
  end
end
