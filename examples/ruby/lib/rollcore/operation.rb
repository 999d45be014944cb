# frozen_string_literal: true

require_relative "error"
require_relative "feed"

module Rollcore
  # Something that was asked for. +value!+ is its result; +each+ gives the events until then.
  class Operation
    include Enumerable

    # +cancel+ knows the handle, so that it is not collected meanwhile.
    def initialize(inbox, cancel)
      @inbox = inbox
      @cancel = cancel
      @feeds = []
      @outcome = nil
    end

    # Waits for the end, +timeout+ seconds at most. Returns self, or nil when it has not ended.
    def wait(timeout = nil)
      @inbox.wait_until(timeout) { @outcome } && self
    end

    # Waits for the result. Raises the Error that it failed with.
    def value!
      wait
      result, error = @outcome
      # The same error may be raised in several threads, and each shall see where.
      raise error.clone if error

      result
    end

    # Whether it is over. Does not look for news: somebody has to wait for something, or to dispatch.
    def done?
      !@outcome.nil?
    end

    # Asks for an end before its time. It has a result or an error all the same, when it has ended.
    def cancel
      @cancel.call unless done?
      self
    end

    # The events from now until it is over. Ends also when it fails: <tt>value!</tt> then says why.
    def each(&block)
      return to_enum unless block

      feed = Feed.new(@inbox, self)
      @inbox.attach(feed) { done? ? feed.finish : @feeds << feed }
      feed.each(&block)
      self
    end

    # Internal: under the lock of the inbox. What was settled stays so.
    def settle(result, error = nil)
      @outcome ||= [result, error]
      @feeds.each(&:finish)
    end

    def inspect
      state = @outcome.nil? ? "pending" : (@outcome.last&.code || "done")
      "#<#{self.class} #{state}>"
    end
  end
end
