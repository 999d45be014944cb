# frozen_string_literal: true

require_relative "handle"

module Rollcore
  # Moves an application from release to release. Open it with Rollcore.open.
  class Engine < Handle
    # Opens an engine for +config+. See Rollcore.open, which closes it, too.
    def self.open(config, keep_state: nil, **options)
      raise TypeError, "a config is a Hash" unless config.is_a?(Hash)

      engine = new(**options)
      opened = engine.start(config, keep_state)
    ensure
      # Also when somebody interrupts it.
      engine&.close unless opened
    end
    private_class_method :new

    # Internal.
    def start(config, keep_state)
      @address = call("engine.open", **{ config: config, keep_state: keep_state }.compact).value!
      self
    end

    # Where the proxy listens: +host+ and +port+.
    def address
      @address.slice(:host, :port)
    end

    # The release that was brought back when it was opened with +keep_state+; else nil.
    def restored
      @address[:restored]
    end

    # Starts a release, waits until it is ready, switches traffic to it, and drains the old one behind that.
    def deploy(id:, path:, revision: nil)
      ask("engine.deploy", release_id: id, release_path: path, revision: revision)
    end

    # Moves back: to this release, or to the one before.
    def rollback(release_id = nil)
      ask("engine.rollback", release_id: release_id)
    end

    # What a deploy would do: its steps, the commands, and what is missing for them.
    def plan(id:, path:, revision: nil)
      ask("engine.plan", release_id: id, release_path: path, revision: revision)
    end

    # Stops this release, or the active one.
    def stop(release_id = nil)
      ask("engine.stop", release_id: release_id)
    end

    # Restarts processes in place: all but the proxied ones, unless they are named.
    def restart(process_id: nil, policy: nil)
      ask("engine.restart", process_id: process_id, policy: policy)
    end

    # The config for the deploys and rollbacks from now on.
    def reload(config)
      call("engine.reload", config: config)
    end

    # How everything is, right now.
    def status
      snapshot(:status)
    end

    # What has happened.
    def log(after: nil, limit: nil)
      ask("engine.events", after: after, limit: limit)
    end

    # Lets requests wait, for +timeout_ms+ or until +resume+.
    def pause(timeout_ms: nil)
      ask("engine.pause", timeout_ms: timeout_ms)
    end

    # Sends whoever waits.
    def resume
      call("engine.resume")
    end

    # Stops every process, then the proxy; with +drain+ requests have time first. The handle stays open.
    def shutdown(drain: nil)
      ask("engine.shutdown", drain: drain)
    end

    private

    # What is nil was not said.
    def ask(method, **params)
      call(method, **params.compact)
    end
  end
end
