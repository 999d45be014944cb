# frozen_string_literal: true

module Rollcore
  # Events for a loop. Bounded: a loop that is too slow loses the oldest, and is told how many.
  class Feed
    include Enumerable

    # Events that are kept for a loop that does not come back.
    EVENTS_MAX = 10_000

    # While somebody has the feed, its handle is not collected.
    def initialize(inbox, handle)
      @inbox = inbox
      @handle = handle
      @events = []
      @dropped = 0
      @ended = false
    end

    # The next event; nil after the last one, and when +timeout+ (in seconds) is over.
    def next(timeout = nil)
      found = @inbox.wait_until(timeout) { shift }
      found&.first
    end

    # Each event, until the handle or the operation ends. A loop that is left takes no more events.
    def each
      return to_enum unless block_given?

      while (event = self.next)
        yield event
      end
      self
    ensure
      close if block_given?
    end

    # Takes no more events.
    def close
      @inbox.forget(self)
      @events.clear
      finish
    end

    # Internal, as all below: under the lock of the inbox.
    def push(event)
      return if @ended

      @events << event
      return if @events.size <= EVENTS_MAX

      @events.shift
      @dropped += 1
    end

    def finish
      @ended = true
    end

    def finished?
      @ended
    end

    private

    # In an Array, which is empty at the end; nil when there is none yet.
    def shift
      return [lagged] if @dropped.positive?

      event = @events.shift
      return [event] if event

      [] if @ended
    end

    def lagged
      { type: "queue.lagged", dropped: @dropped }.tap { @dropped = 0 }
    end
  end
end
