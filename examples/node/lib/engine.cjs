'use strict';
// The engine of a handle, by names that a Node program likes.

const { Rollcore } = require('./handle.cjs');

/** A release as the library takes it. */
function release(of) {
  if (of === null || typeof of !== 'object') throw new TypeError('a release is { id, path, revision? }');
  const { id, path, revision } = of;
  return { releaseId: id, releasePath: path, revision };
}

/** Moves an application from release to release. Open it with `Engine.open`. */
class Engine extends Rollcore {
  /** Opens an engine for `config`, an object as `rollcore.json` has it. */
  static async open(config, { keepState, ...options } = {}) {
    const engine = new this(options);
    try {
      engine.#address = await engine.call('engine.open', { config, keepState });
      return engine;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  #address;

  /** Where the proxy listens: `{ host, port }`. */
  get address() {
    const { host, port } = this.#address;
    return { host, port };
  }

  /** The release that was brought back when it was opened with `keepState`; else null. */
  get restored() {
    return this.#address.restored ?? null;
  }

  /** Starts a release, waits until it is ready, switches traffic to it, and drains the old one behind that. */
  deploy(of, options) {
    return this.call('engine.deploy', release(of), options);
  }

  /** Moves back: to this release, or to the one before. */
  rollback(releaseId, options) {
    return this.call('engine.rollback', { releaseId }, options);
  }

  /** What a deploy would do: its steps, the commands, and what is missing for them. */
  plan(of, options) {
    return this.call('engine.plan', release(of), options);
  }

  /** Stops this release, or the active one. */
  stop(releaseId, options) {
    return this.call('engine.stop', { releaseId }, options);
  }

  /** Restarts processes in place: `{ processId?, policy? }`; all but the proxied ones. */
  restart(selection, options) {
    return this.call('engine.restart', selection, options);
  }

  /** The config for the deploys and rollbacks from now on. */
  reload(config, options) {
    return this.call('engine.reload', { config }, options);
  }

  /** How everything is, right now. */
  status() {
    return this.snapshot('status');
  }

  /** What has happened: `{ after?, limit? }`. */
  log(which, options) {
    return this.call('engine.events', which, options);
  }

  /** Lets requests wait, for `timeoutMs` or until `resume`. */
  pause(timeoutMs, options) {
    return this.call('engine.pause', { timeoutMs }, options);
  }

  /** Sends whoever waits. */
  resume(options) {
    return this.call('engine.resume', {}, options);
  }

  /** Stops every process, then the proxy; `{ drain: true }` gives requests time first. The handle stays open. */
  shutdown(how, options) {
    return this.call('engine.shutdown', how, options);
  }
}

module.exports = { Engine };
