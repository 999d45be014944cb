# frozen_string_literal: true

require_relative "support"

class StoryTest < Minitest::Test
  def tell(*arguments)
    told = run_program(RbConfig.ruby, "-w", "story.rb", *arguments)
    assert_equal ["", STORY], [told.stderr, told.stdout]
    assert_predicate told.status, :success?
    told.seconds
  end

  def test_the_story_with_real_processes
    tell
  end

  def test_the_story_in_a_made_up_world_takes_less_than_a_second
    # The best of some: the machine may have much else to do.
    best = 5.times.lazy.map { tell("--simulate") }.find { |seconds| seconds < 1 }
    assert best, "it takes more than a second"
  end

  def test_it_says_its_versions
    assert_match(/\A\d+\.\d+\.\d+\z/, Rollcore.version)
    assert_match(/\A\d+\.\d+\.\d+\z/, Rollcore::VERSION)
  end

  # What a newcomer copies, but in a made-up world, and not until Ctrl-C.
  def test_the_programs_of_the_readme_and_of_the_manual_run
    readme = File.read("#{HERE}/README.md")[/^```ruby\n(.*?)^```/m, 1]
    manual = File.read("#{HERE}/../../core/src/manual/embedding_in_ruby.rs")[%r{^//! ```ruby\n(.*?)^//! ```}m, 1]
    [readme, manual.gsub(%r{^//! ?}, "")].each do |program|
      program = program.sub("open(config)", "open(config, simulate: { seed: 1 })").sub("engine.each {", "engine.first(0).each {")
      told = run_ruby(program)
      assert_equal "preflight\n", told.stdout.lines.first, told.stderr
      assert_match(/v2( is active|".*nil)/, told.stdout.lines.last)
      assert_equal "", told.stderr
    end
  end

  def test_the_signatures_are_valid
    told = run_program(RbConfig.ruby, Gem.bin_path("rbs", "rbs"), "-I", "sig", "validate")
    assert_predicate told.status, :success?, told.stdout + told.stderr
  end
end
