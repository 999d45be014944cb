import { EventEmitter } from 'node:events';

/** Options of a handle; each may be left out. */
export interface Options {
  /** Threads that conduct: 1 to 64, default 1. The proxy has its own. */
  workerThreads?: number;
  /** Events that are kept for a program that does not read them; the oldest are dropped. Default 4096. */
  queue?: number;
  /** What comes as events of the type `log`. Default `off`. */
  log?: 'off' | 'warn' | 'info' | 'debug';
  /** How long closing may take before what is left is killed, in milliseconds. Default 10000. */
  graceMs?: number;
  /** Plays in a made-up world: no processes, no ports, no time. Releases that are `broken` never become ready. */
  simulate?: { seed?: number; broken?: string[] };
}

export interface EngineOptions extends Options {
  /** Writes down what runs, and brings back what was active when an earlier program was killed. Default false. */
  keepState?: boolean;
}

/** For one operation. */
export interface CallOptions {
  /** Ends the waiting: the operation rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Something that happened. `type` is a stable word, such as `rollout.step`; ignore those that you do not know. */
export interface Event {
  type: string;
  /** Its place in the engine's log. */
  seq?: number;
  /** When, as ISO 8601. */
  at?: string;
  /** What, for people. */
  message?: string;
  /** The particulars. */
  data?: Record<string, any>;
  [field: string]: unknown;
}

/** Something that was asked for. Await it for the result; `for await` it for the events until then. */
export interface Operation<T> extends PromiseLike<T>, AsyncIterable<Event> {
  catch<R = never>(rejected?: ((reason: any) => R | PromiseLike<R>) | null): Promise<T | R>;
  finally(settled?: (() => void) | null): Promise<T>;
  /** Asks for an end before its time; it rejects with the code `cancelled`, unless it was faster. */
  cancel(): void;
}

/** Why something was not done. */
export class RollcoreError extends Error {
  /** A stable word: `busy`, `exited_before_ready`, `config_invalid`, … */
  readonly code: string;
  /** What else is known. */
  readonly detail: Record<string, any>;
  /** The number of the C border. */
  readonly status: number;
}

export interface Target {
  host?: string;
  port?: number;
  socket?: string;
}

/** Programs that are kept running. */
export interface Processes {
  define(spec: { id: string; command: string | string[]; [field: string]: unknown }, options?: CallOptions): Operation<any>;
  start(id: string, options?: CallOptions): Operation<any>;
  stop(id: string, options?: CallOptions): Operation<any>;
  restart(id: string, options?: CallOptions): Operation<any>;
  signal(id: string, signal: string, options?: CallOptions): Operation<any>;
  status(id?: string, options?: CallOptions): Operation<any>;
  remove(id: string, options?: CallOptions): Operation<any>;
}

/** Ports that nobody else gets. */
export interface Ports {
  acquire(which?: { port?: number | { from: number; to: number }; host?: string }, options?: CallOptions): Operation<any>;
  release(leaseId: string, options?: CallOptions): Operation<any>;
}

/** Proxies that switch and drain. */
export interface Proxies {
  open(spec: { id: string; host?: string; port?: number; [field: string]: unknown }, options?: CallOptions): Operation<any>;
  switch(id: string, targets: Target[], options?: CallOptions): Operation<any>;
  drain(id: string, timeoutMs?: number, options?: CallOptions): Operation<any>;
  close(id: string, timeoutMs?: number, options?: CallOptions): Operation<any>;
  status(id?: string, options?: CallOptions): Operation<any>;
}

/** Supervises, leases, asks, switches: everything of librollcore, without an engine. Emits each event by its type, and as `event`. */
export class Rollcore extends EventEmitter {
  constructor(options?: Options);
  readonly closed: boolean;
  readonly processes: Processes;
  readonly ports: Ports;
  readonly proxies: Proxies;
  /** Submits a method by name. */
  call<T = any>(method: string, params?: object, options?: CallOptions): Operation<T>;
  /** Asks until the answer is 2xx. */
  health(
    check: {
      url?: string;
      socket?: string;
      path?: string;
      timeoutMs?: number;
      intervalMs?: number;
      startDelayMs?: number;
      probeTimeoutMs?: number;
    },
    options?: CallOptions,
  ): Operation<any>;
  /** What a restart policy makes of exits. */
  decide(question: { exitsMs: number[]; restart?: object; restartDelayMs?: number }, options?: CallOptions): Operation<any>;
  /** Which events come: `['process.*']`. Without types: all but `log`. */
  subscribe(types?: string[]): void;
  /** From memory: never waits. */
  snapshot(what?: 'status' | 'processes' | 'proxies' | 'leases'): any;
  /** All events from now on. */
  events(): AsyncIterableIterator<Event>;
  /** Keeps the program running until `unref` or `close`. */
  ref(): this;
  unref(): this;
  /** Closes on these signals, and then lets the signal end the program. */
  closeOn(...signals: NodeJS.Signals[]): this;
  /** Stops everything, and ends. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  /** Ends at once, and holds up the program until everything is stopped, at most `graceMs`. */
  destroy(): void;
  on(type: string, listener: (event: Event) => void): this;
  once(type: string, listener: (event: Event) => void): this;
}

export interface Release {
  /** Letters, digits, `.`, `_` and `-`. */
  id: string;
  /** Its directory. */
  path: string;
  /** What it was built from. Default: its id. */
  revision?: string;
}

export interface Deployed {
  activeReleaseId: string;
  previousReleaseId: string | null;
}

/** Moves an application from release to release. */
export class Engine extends Rollcore {
  private constructor();
  static open(config: object, options?: EngineOptions): Promise<Engine>;
  /** Where the proxy listens. */
  readonly address: { host: string; port: number };
  /** The release that was brought back when it was opened with `keepState`. */
  readonly restored: string | null;
  deploy(release: Release, options?: CallOptions): Operation<Deployed>;
  /** To this release, or to the one before. */
  rollback(releaseId?: string, options?: CallOptions): Operation<Deployed>;
  /** What a deploy would do. */
  plan(release: Release, options?: CallOptions): Operation<any>;
  /** Stops this release, or the active one. */
  stop(releaseId?: string, options?: CallOptions): Operation<any>;
  restart(selection?: { processId?: string; policy?: string }, options?: CallOptions): Operation<{ restarted: string[] }>;
  /** The config for the deploys and rollbacks from now on. */
  reload(config: object, options?: CallOptions): Operation<any>;
  status(): any;
  /** What has happened. */
  log(
    which?: { after?: number; limit?: number },
    options?: CallOptions,
  ): Operation<{ events: Event[]; lastSeq: number; missed: number }>;
  pause(timeoutMs?: number, options?: CallOptions): Operation<any>;
  resume(options?: CallOptions): Operation<any>;
  shutdown(how?: { drain?: boolean }, options?: CallOptions): Operation<{ survivors: number }>;
}

/** The version of librollcore. */
export function version(): string;
/** The JSON Schema of what a method takes; also of `options`. */
export function schema(name: string): object;
/** Throws what is wrong; changes nothing. `kind` is a method, `options` or `config`. */
export function validate(kind: string, value: object): void;
