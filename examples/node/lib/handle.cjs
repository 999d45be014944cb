'use strict';
// One handle of librollcore: what is asked for goes in by name, what happens comes out of its queue.

const net = require('node:net');
const { EventEmitter } = require('node:events');
const { RollcoreError } = require('./error.cjs');
const { Feed } = require('./feed.cjs');
const { Ports, Processes, Proxies } = require('./hands.cjs');
const { STATUS, checked, native } = require('./native.cjs');
const { Operation } = require('./operation.cjs');

/** Events that are taken out of the queue in one go; then whatever else the program has to do gets its turn. */
const EVENTS_PER_TURN = 500;

/** Handles that nobody has closed. They are closed when the program exits, so that no process is left behind. */
const open = new Set();

function closeAll() {
  for (const handle of open) handle.destroy();
}

/** Takes nothing but objects: what is in them is checked by the library. */
function json(value, what) {
  if (value === undefined) return '{}';
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new TypeError(`${what} must be an object`);
  }
  return JSON.stringify(value);
}

/** Supervises, leases, asks, switches: everything of librollcore, without an engine. See `Engine`. */
class Rollcore extends EventEmitter {
  #pointer;
  #pipe;
  #operations = new Map();
  #feeds = new Set();
  #nextTag = 1;
  #held = false;
  #farewells = new Map();
  #closing;

  constructor(options) {
    super();
    const out = [null];
    checked(native().new, json(options, 'options'), out);
    this.#pointer = out[0];
    // Not the eventfd: net.Socket wants a pipe. It is ours, and closed with the socket.
    this.#pipe = new net.Socket({ fd: native().wakePipe(this.#pointer), readable: true, writable: false });
    this.#pipe.on('data', () => this.#drain());
    this.#pipe.on('error', () => {});
    this.#rest();
    this.processes = new Processes(this);
    this.ports = new Ports(this);
    this.proxies = new Proxies(this);
    if (open.size === 0) process.on('exit', closeAll);
    open.add(this);
  }

  /** Whether it is closed. */
  get closed() {
    return this.#pointer === undefined;
  }

  /**
   * Submits a method with its parameters. Whatever makes no sense is refused by a rejection, too.
   * When `signal` aborts, nobody waits any longer; see the README for what goes on then.
   */
  call(method, params, { signal } = {}) {
    const tag = this.#nextTag++;
    // Where it was asked for is what a reader of the error looks for.
    const asked = {};
    Error.captureStackTrace(asked, this.call);
    let op;
    const operation = new Operation(() => op !== undefined && this.#cancel(op));
    try {
      if (typeof method !== 'string' || method.includes('\0')) throw new TypeError('a method is a text');
      signal?.throwIfAborted();
      const out = [null];
      checked(native().submit, this.#live(), method, json(params, 'params'), tag, out);
      op = out[0];
    } catch (error) {
      operation.reject(error);
      return operation;
    }
    const abort = () => this.#cancel(op);
    signal?.addEventListener('abort', abort, { once: true });
    const forget = () => signal?.removeEventListener('abort', abort);
    this.#operations.set(tag, { operation, signal, forget, asked });
    this.#rest();
    return operation;
  }

  /** Asks until the answer is 2xx: `{ url, timeoutMs?, intervalMs? }`, or `{ socket, path }`. */
  health(check, options) {
    return this.call('health.check', check, options);
  }

  /** What a restart policy makes of exits: `{ exitsMs, restart?, restartDelayMs? }`. */
  decide(question, options) {
    return this.call('restart.decide', question, options);
  }

  /** Which events come: `['process.*', 'rollout.step']`. Without types: all but `log`, as at first. */
  subscribe(types) {
    checked(native().subscribe, this.#live(), JSON.stringify(types === undefined ? {} : { types }));
  }

  /** How `status` (of the engine), `processes`, `proxies` or `leases` are, from memory: never waits. */
  snapshot(what = 'status') {
    const out = [null];
    checked(native().snapshot, this.#live(), JSON.stringify({ what }), out);
    return JSON.parse(out[0]);
  }

  /** All events from now on, for `for await`. While somebody waits for one, the program does not end. */
  events() {
    const feed = new Feed(() => {
      this.#feeds.delete(feed);
      this.#rest();
    });
    if (this.closed) feed.end();
    else this.#feeds.add(feed);
    this.#rest();
    return feed;
  }

  /** Keeps the program running until `unref` or `close`, also while nothing is asked for. */
  ref() {
    this.#held = true;
    this.#rest();
    return this;
  }

  /** Takes `ref` back. */
  unref() {
    this.#held = false;
    this.#rest();
    return this;
  }

  /**
   * On these signals (`closeOn('SIGINT', 'SIGTERM')`) it closes, and then lets the signal end the program. Without this, a
   * signal ends the program at once, and leaves what it has started.
   */
  closeOn(...signals) {
    for (const signal of signals.filter((signal) => !this.#farewells.has(signal))) {
      const leave = async () => {
        await this.close().catch(() => {});
        // Unless somebody else has plans.
        if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
      };
      process.once(signal, leave);
      this.#farewells.set(signal, leave);
    }
    return this;
  }

  /** Stops everything that was started, and ends. What is under way is answered first. */
  close() {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    return this.close();
  }

  /** Ends at once, and holds up the program until everything is stopped (at most `graceMs`). For the way out. */
  destroy() {
    if (this.closed) return;
    const pointer = this.#pointer;
    this.#pointer = undefined;
    open.delete(this);
    if (open.size === 0) process.removeListener('exit', closeAll);
    this.#pipe.destroy();
    for (const [signal, leave] of this.#farewells) process.removeListener(signal, leave);
    native().free(pointer);
    const gone = new RollcoreError({ code: 'closed', message: 'the handle is closed' }, STATUS.CLOSED);
    for (const [tag] of this.#operations) this.#settle(tag, ({ operation }) => operation.reject(gone));
    for (const feed of this.#feeds) feed.end();
    this.#feeds.clear();
  }

  async #close() {
    if (this.closed) return;
    try {
      await this.call('shutdown');
    } finally {
      this.destroy();
    }
  }

  #live() {
    if (this.closed) throw new RollcoreError({ code: 'closed', message: 'the handle is closed' }, STATUS.CLOSED);
    return this.#pointer;
  }

  /** It may be over already. */
  #cancel(op) {
    if (!this.closed) native().cancel(this.#pointer, op);
  }

  /** The program waits for us only while somebody waits for something. */
  #rest() {
    const isAwaited = this.#held || this.#operations.size > 0 || this.#feeds.size > 0;
    if (isAwaited) this.#pipe.ref();
    else this.#pipe.unref();
  }

  #drain() {
    const { nextEvent, eventJson, eventStatus, eventFree } = native();
    for (let count = 0; count < EVENTS_PER_TURN; count += 1) {
      if (this.closed) return;
      const out = [null];
      if (checked(nextEvent, this.#pointer, 0, out) !== STATUS.OK) return;
      const event = JSON.parse(eventJson(out[0]));
      const status = eventStatus(out[0]);
      eventFree(out[0]);
      if (event.type === 'op.done') this.#done(event, status);
      else this.#happened(event);
    }
    setImmediate(() => this.#drain());
  }

  #done({ tag, ok, result, error }, status) {
    this.#settle(tag, ({ operation, signal, asked }) => {
      if (ok) operation.resolve(result);
      else if (signal?.aborted && error.code === 'cancelled') operation.reject(signal.reason);
      else operation.reject(new RollcoreError(error, status).askedAt(asked.stack));
    });
  }

  #settle(tag, how) {
    const pending = this.#operations.get(tag);
    if (!pending) return;
    this.#operations.delete(tag);
    pending.forget();
    how(pending);
    this.#rest();
  }

  /** A listener that throws must not keep the others from hearing of it. */
  #happened(event) {
    for (const feed of this.#feeds) feed.push(event);
    for (const { operation } of this.#operations.values()) operation.happened(event);
    for (const name of [event.type, 'event']) {
      try {
        this.emit(name, event);
      } catch (error) {
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }
}

/** The version of librollcore. */
function version() {
  return native().version();
}

/** The JSON Schema of what a method takes; also of `options`. */
function schema(name) {
  const out = [null];
  checked(native().schema, String(name), out);
  return JSON.parse(out[0]);
}

/** Throws what is wrong with parameters of a method, with `options` or with a `config`; changes nothing. */
function validate(kind, value) {
  checked(native().validate, String(kind), json(value, kind));
}

module.exports = { Rollcore, schema, validate, version };
