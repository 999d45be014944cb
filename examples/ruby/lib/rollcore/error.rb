# frozen_string_literal: true

require_relative "names"

module Rollcore
  # Why something was not done.
  class Error < StandardError
    # A stable word: +:busy+, +:exited_before_ready+, +:config_invalid+, …
    attr_reader :code

    # What else is known: a Hash.
    attr_reader :detail

    # The number of the C border: -1 for a wrong argument, -2 for a config, …
    attr_reader :status

    def initialize(message, code:, status: -10, detail: {})
      super(message)
      @code = code.to_sym
      @status = status
      @detail = detail
    end

    # From what the library hands out.
    def self.parse(json, status)
      return new("librollcore says #{status}", code: :unknown, status: status) if json.nil?

      from(Names.load(json), status)
    end

    # From an error as it stands in an event.
    def self.from(error, status)
      new(error[:message], code: error[:code], status: status, detail: error[:detail] || {})
    end

    # The handle is closed.
    def self.closed
      new("the handle is closed", code: :closed, status: 3)
    end

    # The handle is the parent's.
    def self.forked
      message = "this process is a fork of the one that made the handle; make another one here"
      new(message, code: :forked, status: -6)
    end
  end
end
