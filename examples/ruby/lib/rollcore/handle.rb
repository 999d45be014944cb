# frozen_string_literal: true

require_relative "error"
require_relative "feed"
require_relative "forks"
require_relative "hands"
require_relative "inbox"
require_relative "names"
require_relative "native"
require_relative "operation"

module Rollcore
  # One handle of librollcore: supervises, leases, asks, switches, without an engine. See Engine, and Rollcore.open.
  #
  # All methods may be called in every thread.
  class Handle
    include Enumerable

    # Each hand: see Processes, Ports and Proxies.
    attr_reader :processes, :ports, :proxies

    def initialize(**options)
      pointer = Native.open(Names.dump(options, "options"))
      ObjectSpace.define_finalizer(self, Handle.finalizer(pointer, Process.pid))
      @inbox = Inbox.new(pointer)
      @closing = Mutex.new
      @tags = 0
      @processes = Processes.new(self)
      @ports = Ports.new(self)
      @proxies = Proxies.new(self)
      Forks.watch(self)
    end

    # Whoever forgets to close leaves nothing behind, neither now nor at the end of the program.
    def self.finalizer(pointer, pid)
      proc { Native.free(pointer) if Process.pid == pid }
    end

    # Whether it is closed, or the parent's.
    def closed?
      @inbox.ended?
    end

    # Submits a method with its parameters, and gives an Operation. What makes no sense is raised at once.
    def call(method, **params)
      raise TypeError, "a method is a String" unless method.is_a?(String)

      json = Names.dump(params, "params")
      tag = @closing.synchronize { @tags += 1 }
      number = nil
      operation = Operation.new(@inbox, -> { number && Native.cancel(@inbox.pointer, number) })
      submit(operation, tag) { number = Native.submit(@inbox.pointer, method, json, tag) }
    end

    # Asks until the answer is 2xx: +url+, or +socket+ and +path+; +timeout_ms+, +interval_ms+, …
    def health(**check)
      call("health.check", **check)
    end

    # What a restart policy makes of exits: +exits_ms+, +restart+, +restart_delay_ms+.
    def decide(**question)
      call("restart.decide", **question)
    end

    # Which events come: <tt>subscribe("process.*", "rollout.step")</tt>. Without types: all but +log+, as at first.
    def subscribe(*types)
      Native.subscribe(@inbox.pointer, Names.dump(types.empty? ? {} : { types: types }, "types"))
      self
    end

    # How +:status+ (of the engine), +:processes+, +:proxies+ or +:leases+ are, from memory: never waits.
    def snapshot(what = :status)
      Names.load(Native.snapshot(@inbox.pointer, Names.dump({ what: what }, "what")))
    end

    # Calls the block with each event of this type, or with every event. It is called by whoever waits (for an operation,
    # for an event) or dispatches; what it raises comes out there. Gives what +off+ takes.
    def on(type = nil, &listener)
      raise ArgumentError, "a block is missing" unless listener

      @inbox.listen(type&.to_s, listener)
      listener
    end

    def off(listener)
      @inbox.unlisten(listener)
    end

    # All events from now on: a Feed, to ask for its +next+ or to loop over.
    def events
      @inbox.attach(Feed.new(@inbox, self))
    end

    # Each event from now on, until the loop is left or the handle is closed.
    def each(&block)
      return events.each unless block

      events.each(&block)
      self
    end

    # Calls listeners for what has happened, and does not wait. For loops that wait elsewhere: see +to_io+.
    def dispatch
      @inbox.pointer
      @inbox.dispatch
      self
    end

    # Readable while there is something to dispatch: <tt>IO.select([engine, socket])</tt>. Only to be waited for.
    def to_io
      @inbox.descriptor
    end

    # Stops everything that was started, and ends. What is under way is answered first. In the child of a fork it does
    # nothing: the handle is the parent's.
    def close
      call("shutdown").value! unless closed?
    rescue Error => e
      # It would have been over either way.
      raise unless %i[closed forked].include?(e.code)
    ensure
      destroy
    end

    # Ends at once, and holds up the program until everything is stopped (at most +grace_ms+). For the way out.
    def destroy
      pointer = @inbox.finish(Error.closed)
      return if pointer.nil?

      Native.free(pointer)
      ObjectSpace.undefine_finalizer(self)
    end

    # Internal: in the child of a fork.
    def abandon
      @inbox.abandon
    end

    def inspect
      "#<#{self.class}#{' closed' if closed?}>"
    end

    private

    # The completion may come before the number is here.
    def submit(operation, tag)
      @inbox.expect(tag, operation)
      yield
      operation
    rescue StandardError
      @inbox.forget_operation(tag)
      raise
    end
  end
end
