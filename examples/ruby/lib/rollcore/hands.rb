# frozen_string_literal: true

module Rollcore
  # Each hand alone, without an engine. Every method gives an Operation: ask it for its <tt>value!</tt>.
  class Hand
    def initialize(handle)
      @handle = handle
    end

    private

    def call(method, **params)
      @handle.call(method, **params.compact)
    end
  end

  # Programs that are kept running.
  class Processes < Hand
    # As an entry of +processes+ in a config: +command+, +cwd+, +env+, +restart+, +graceful_stop_ms+, …
    def define(id, command:, **spec)
      call("process.define", id: id, command: command, **spec)
    end

    def start(id)
      call("process.start", id: id)
    end

    def stop(id)
      call("process.stop", id: id)
    end

    def restart(id)
      call("process.restart", id: id)
    end

    def signal(id, signal)
      call("process.signal", id: id, signal: signal)
    end

    def status(id = nil)
      call("process.status", id: id)
    end

    def remove(id)
      call("process.remove", id: id)
    end
  end

  # Ports that nobody else of this machine's allocators gets.
  class Ports < Hand
    # +port+: 0, 18_000, or 18_000..18_099.
    def acquire(port: nil, host: nil)
      call("port.acquire", port: port, host: host)
    end

    def release(lease_id)
      call("port.release", lease_id: lease_id)
    end
  end

  # Proxies that switch and drain.
  class Proxies < Hand
    # As +proxy+ in a config: +host+, +port+, …
    def open(id, **spec)
      call("proxy.open", id: id, **spec)
    end

    # To these targets: <tt>{ port: 18_182 }</tt>, <tt>{ host: …, port: … }</tt>, <tt>{ socket: … }</tt>; to nobody when
    # there are none.
    def switch(id, *targets)
      call("proxy.switch", id: id, targets: targets)
    end

    def drain(id, timeout_ms: nil)
      call("proxy.drain", id: id, timeout_ms: timeout_ms)
    end

    def close(id, timeout_ms: nil)
      call("proxy.close", id: id, timeout_ms: timeout_ms)
    end

    def status(id = nil)
      call("proxy.status", id: id)
    end
  end
end
