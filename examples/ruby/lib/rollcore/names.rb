# frozen_string_literal: true

require "json"

module Rollcore
  # Between snake_case symbols here and camelCase there. A String key is somebody's own name, and goes as it is; so do the
  # keys below those of VERBATIM.
  module Names
    # What stands below them is named by processes and environments.
    VERBATIM = %w[env ports sockets].freeze

    module_function

    # As JSON. Takes nothing but a Hash: what is in it is checked by the library.
    def dump(value, what)
      raise TypeError, "#{what} must be a Hash" unless value.is_a?(Hash)

      JSON.generate(outgoing(value))
    rescue JSON::JSONError, EncodingError, SystemStackError => e
      raise ArgumentError, "#{what} cannot be written as JSON: #{e.message}"
    end

    # From JSON.
    def load(json)
      incoming(JSON.parse(json, max_nesting: false))
    end

    def outgoing(value)
      case value
      when Hash then value.to_h { |key, inner| [camel(key), VERBATIM.include?(key.to_s) ? own(inner) : outgoing(inner)] }
      when Array then value.map { |inner| outgoing(inner) }
      when Range then range(value)
      when String, Integer, Float, true, false, nil then value
      when Symbol then value.to_s
      else
        raise TypeError, "#{value.class} is nothing that JSON knows" unless value.respond_to?(:to_path)

        value.to_path
      end
    end

    def incoming(value)
      case value
      when Hash then value.to_h { |key, inner| [snake(key), VERBATIM.include?(key) ? inner : incoming(inner)] }
      when Array then value.map { |inner| incoming(inner) }
      else value
      end
    end

    # +max_restarts+ to +maxRestarts+.
    def camel(key)
      return key if key.is_a?(String)
      raise TypeError, "a key must be a Symbol or a String" unless key.is_a?(Symbol)

      key.to_s.gsub(/(?<=[a-z0-9])_([a-z])/) { Regexp.last_match(1).upcase }
    end

    # +maxRestarts+ to +:max_restarts+.
    def snake(key)
      key.gsub(/(?<=[a-z0-9])[A-Z]/) { |letter| "_#{letter.downcase}" }.to_sym
    end

    # A port of a range of them.
    def range(value)
      from, to = value.begin, value.end
      raise TypeError, "a range of ports has two ends" unless from.is_a?(Integer) && to.is_a?(Integer)

      { from: from, to: value.exclude_end? ? to - 1 : to }
    end

    def own(value)
      value.is_a?(Hash) ? value.to_h { |key, inner| [key.to_s, outgoing(inner)] } : outgoing(value)
    end
  end
end
