'use strict';

/** Why something was not done. `code` is a stable word: `busy`, `exited_before_ready`, `config_invalid`, … */
class RollcoreError extends Error {
  constructor({ code, message, detail }, status) {
    super(message);
    this.name = 'RollcoreError';
    this.code = code;
    this.detail = detail ?? {};
    /** The number of the C border: -1 for a wrong argument, -2 for a config, … */
    this.status = status ?? -10;
  }

  /** @internal */
  askedAt(stack) {
    const frames = stack.slice(stack.indexOf('\n'));
    this.stack = `${this.name}: ${this.message}${frames}`;
    return this;
  }

  /** From what the library hands out. */
  static parse(json, status) {
    if (!json) return new RollcoreError({ code: 'unknown', message: `librollcore says ${status}` }, status);
    return new RollcoreError(JSON.parse(json), status);
  }
}

module.exports = { RollcoreError };
