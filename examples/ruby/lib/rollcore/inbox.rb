# frozen_string_literal: true

require "io/wait"
require_relative "error"
require_relative "names"
require_relative "native"

module Rollcore
  # What comes out of a handle, and who waits for it. There is no thread behind it: whoever waits takes events out of the
  # queue, one thread at a time, and gives them to all. A wait may be left at any point (Ctrl-C, Timeout, Thread#kill).
  class Inbox
    # Events that are taken in one go; then whoever else waits may look.
    EVENTS_PER_TURN = 500

    # Somebody who waits for another thread to take events looks again after this many seconds, should that thread have been
    # interrupted even while it was saying that it leaves.
    LOOK_AGAIN = 1.0

    def initialize(pointer)
      @pointer = pointer
      # Our own: the library closes its descriptor when it likes.
      @descriptor = IO.for_fd(Native.event_fd(pointer), autoclose: false).dup
      # Here the library puts an event, and here it stays until something was made of it.
      @slot = Native.room
      @lock = Mutex.new
      @turn = ConditionVariable.new
      @pump = Mutex.new
      @operations = {}
      @taken = []
      @feeds = []
      @listeners = []
    end

    # The handle as a number. Raises when there is none any more.
    def pointer
      @pointer or raise @gone.clone
    end

    def descriptor
      pointer && @descriptor
    end

    def ended?
      @pointer.nil?
    end

    # Waits until the block gives something, for +timeout+ seconds at most, and returns that, or nil.
    def wait_until(timeout = nil, &condition)
      deadline = timeout && (now + timeout)
      loop do
        found = @lock.synchronize { yield || (raise @gone.clone if ended?) }
        return found if found

        left = deadline && (deadline - now)
        return if left && left <= 0

        lead { step(left) } || follow(left, &condition)
      end
    end

    # Hands out what is there, and does not wait.
    def dispatch
      lead { nil while take.positive? }
    end

    def expect(tag, operation)
      @lock.synchronize { @operations[tag] = operation }
    end

    def forget_operation(tag)
      @lock.synchronize { @operations.delete(tag) }
    end

    # With a block: what belongs to it, under the lock.
    def attach(feed)
      @lock.synchronize do
        ended? ? feed.finish : @feeds << feed
        yield if block_given?
      end
      feed
    end

    def forget(feed)
      @lock.synchronize { @feeds.delete(feed) }
    end

    def listen(type, listener)
      @lock.synchronize { @listeners += [[type, listener]] }
    end

    def unlisten(listener)
      @lock.synchronize { @listeners = @listeners.reject { |_, other| other.equal?(listener) } }
    end

    # Nothing comes any more. Returns the handle as a number, to whoever was first to ask.
    def finish(gone)
      pointer = @lock.synchronize { end_with(gone) }
      @descriptor.close
      @lock.synchronize { @turn.broadcast }
      pointer
    end

    # In the child of a fork there is one thread, and locks may be those of others.
    def abandon
      end_with(Error.forked)
      @descriptor.close
    end

    private

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    def end_with(gone)
      pointer = @pointer
      @gone ||= gone
      @pointer = nil
      @operations.each_value { |operation| operation.settle(nil, gone) }
      @operations.clear
      @feeds.each(&:finish)
      @feeds.clear
      pointer
    end

    # Runs the block if no other thread takes events at the moment, and says so. A listener that waits leads already.
    def lead
      leads_already = @pump.owned?
      return false unless leads_already || @pump.try_lock

      yield
      true
    ensure
      if !leads_already && @pump.owned?
        @pump.unlock
        @lock.synchronize { @turn.broadcast }
      end
    end

    def follow(left)
      longest = [left, LOOK_AGAIN].compact.min
      @lock.synchronize { @turn.wait(@lock, longest) if @pump.locked? && !yield }
    end

    def step(left)
      look(left) unless take.positive?
    end

    def look(left)
      @descriptor.wait_readable(left)
    rescue IOError
      # Another thread has closed it, and the condition is looked at once more.
    end

    # How many events were taken out of the queue.
    def take
      count = Thread.handle_interrupt(Object => :never) { take_some }
      deliver
      count
    end

    def take_some
      EVENTS_PER_TURN.times { |count| return count unless take_one }
      EVENTS_PER_TURN
    end

    # Signals come even here, so it can be done again from any point: a completion is settled twice, and that is all.
    def take_one
      return false if ended? || (@slot.ptr.null? && !Native.next_event?(@pointer, @slot))

      json, status = Native.read(@slot.ptr)
      event = Names.load(json)
      event[:type] == "op.done" ? done(event, status) : @lock.synchronize { happened(event) }
      taken = @slot.ptr
      Native.empty(@slot)
      Native.event_free(taken)
      true
    rescue Error
      # Another thread has closed it just now.
      raise unless ended?
    end

    def done(event, status)
      error = event[:ok] ? nil : Error.from(event[:error], status)
      @lock.synchronize do
        @operations[event[:tag]]&.settle(event[:result], error)
        @operations.delete(event[:tag])
        @feeds.reject!(&:finished?)
      end
    end

    def happened(event)
      @feeds.each { |feed| feed.push(event) }
      @taken << event
    end

    # A listener that raises must not keep the others from hearing of it; then the wait raises what it raised first.
    def deliver
      raised = []
      until @taken.empty?
        event = @taken.shift
        @listeners.each { |type, listener| raised << tell(listener, event) if type.nil? || type == event[:type] }
      end
      raise raised.compact.first if raised.any?
    end

    def tell(listener, event)
      listener.call(event)
      nil
    rescue StandardError => e
      e
    end
  end
end
