'use strict';
// Each hand alone, without an engine. Every function answers with an operation: await it.

/** Programs that are kept running. */
class Processes {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  /** `{ id, command, cwd?, env?, restart?, gracefulStopMs?, … }`, as an entry of `processes` in a config. */
  define(spec, options) {
    return this.#handle.call('process.define', spec, options);
  }

  start(id, options) {
    return this.#handle.call('process.start', { id }, options);
  }

  stop(id, options) {
    return this.#handle.call('process.stop', { id }, options);
  }

  restart(id, options) {
    return this.#handle.call('process.restart', { id }, options);
  }

  signal(id, signal, options) {
    return this.#handle.call('process.signal', { id, signal }, options);
  }

  status(id, options) {
    return this.#handle.call('process.status', { id }, options);
  }

  remove(id, options) {
    return this.#handle.call('process.remove', { id }, options);
  }
}

/** Ports that nobody else of this machine's allocators gets. */
class Ports {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  /** `{ port?: 0 | 18000 | { from, to }, host? }` */
  acquire(which, options) {
    return this.#handle.call('port.acquire', which, options);
  }

  release(leaseId, options) {
    return this.#handle.call('port.release', { leaseId }, options);
  }
}

/** Proxies that switch and drain. */
class Proxies {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  /** `{ id, host?, port?, … }`, as `proxy` in a config. */
  open(spec, options) {
    return this.#handle.call('proxy.open', spec, options);
  }

  /** To `[{ host?, port } | { socket }]`; to nobody when there are none. */
  switch(id, targets, options) {
    return this.#handle.call('proxy.switch', { id, targets }, options);
  }

  drain(id, timeoutMs, options) {
    return this.#handle.call('proxy.drain', { id, timeoutMs }, options);
  }

  close(id, timeoutMs, options) {
    return this.#handle.call('proxy.close', { id, timeoutMs }, options);
  }

  status(id, options) {
    return this.#handle.call('proxy.status', { id }, options);
  }
}

module.exports = { Ports, Processes, Proxies };
