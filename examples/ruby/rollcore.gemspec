# frozen_string_literal: true

require_relative "lib/rollcore/version"

Gem::Specification.new do |spec|
  spec.name = "rollcore"
  spec.version = Rollcore::VERSION
  spec.summary = "Zero-downtime rollouts inside of your Ruby program"
  spec.description = "Supervise processes, lease ports, check health, switch traffic, drain, undo: in your own process, " \
                     "without a daemon. Calls librollcore by fiddle; there is nothing to compile."
  spec.authors = ["rollcore"]
  spec.homepage = "https://github.com/rollcore/rollcore"
  spec.licenses = ["MIT", "Apache-2.0"]
  spec.required_ruby_version = ">= 3.1"
  spec.metadata = { "rubygems_mfa_required" => "true" }

  spec.files = Dir.chdir(__dir__) { Dir["lib/**/*.rb", "sig/**/*.rbs", "README.md"] }
  spec.add_dependency "fiddle", "~> 1.1"

  # With the library in it (see bundle.rb) it is for machines like this one; without, it takes what the system has.
  library = "lib/rollcore/librollcore.so"
  if File.exist?(File.join(__dir__, library))
    spec.files += [library]
    spec.platform = Gem::Platform::CURRENT
  end
end
