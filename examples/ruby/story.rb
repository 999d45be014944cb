# frozen_string_literal: true

# The story of examples/README.md, in this process: `ruby story.rb`, or `ruby story.rb --simulate`.

require "json"
require_relative "lib/rollcore"

RELEASES = File.expand_path("../releases", __dir__)
config = JSON.parse(File.read("#{RELEASES}/rollcore.json"))
options = ARGV.include?("--simulate") ? { simulate: { seed: 1, broken: ["v3"] } } : {}

def say(verb, text)
  puts format("%-10s %s", verb, text)
end

def active(engine)
  "#{engine.status[:active_release_id]} is active"
end

def tell(verb, engine, rollout)
  events = engine.events
  steps = []
  undone = []
  rollout.each do |event|
    steps << event[:data][:step] if event[:type] == "rollout.step"
    undone << event[:data][:undo] if event[:type] == "rollout.step_undone"
  end
  say verb, steps.join(", ")
  previous = rollout.value![:previous_release_id]
  events.find { |event| event[:type] == "release.drained" } if previous
  say "", active(engine) + (previous ? "; #{previous} has answered its last request" : "")
rescue Rollcore::Error => e
  say "", "#{e.code}; undone: #{undone.join(', ')}"
  say "", active(engine)
end

Rollcore.open(config, **options) do |engine|
  say "start", "#{engine.status[:application]} runs nothing yet"
  %w[v1 v2 v3].each do |id|
    tell "deploy #{id}", engine, engine.deploy(id: id, path: "#{RELEASES}/#{id}")
  end
  tell "rollback", engine, engine.rollback
  survivors = engine.shutdown.value![:survivors]
  say "shutdown", survivors.zero? ? "nothing is left" : "#{survivors} processes are left"
end
