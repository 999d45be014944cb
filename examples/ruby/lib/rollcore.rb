# frozen_string_literal: true

require_relative "rollcore/engine"
require_relative "rollcore/error"
require_relative "rollcore/forks"
require_relative "rollcore/handle"
require_relative "rollcore/names"
require_relative "rollcore/native"
require_relative "rollcore/version"

# Zero-downtime rollouts inside of your program.
module Rollcore
  # An engine for +config+, a Hash as +rollcore.json+ has it; without a config, each hand alone: see Handle. With a block it
  # is closed behind the block, whatever happens in there, and the block's value is returned.
  #
  # Options: +worker_threads+, +queue+, +log+ (+:off+, +:warn+, +:info+, +:debug+), +grace_ms+, +simulate+; with a config
  # +keep_state+, too.
  def self.open(config = nil, **options)
    handle = config.nil? ? Handle.new(**options) : Engine.open(config, **options)
    return handle unless block_given?

    begin
      yield handle
    ensure
      handle.close
    end
  end

  # The version of librollcore.
  def self.version
    Native.version
  end

  # The JSON Schema of what a method takes, as it is written: with String keys; also of +options+.
  def self.schema(name)
    JSON.parse(Native.schema(name.to_s))
  end

  # Raises what is wrong with parameters of a method, with +options+ or with a +config+; changes nothing.
  def self.validate(kind, value)
    Native.validate(kind.to_s, Names.dump(value, kind.to_s))
  end
end
