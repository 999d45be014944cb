'use strict';
// Events for a `for await` loop. Bounded: a loop that is too slow loses the oldest, and is told how many.

const EVENTS_MAX = 10_000;

class Feed {
  #events = [];
  #dropped = 0;
  #waiting = [];
  #ended = false;
  #left;

  /** `left` is called when nobody reads any more. */
  constructor(left) {
    this.#left = left;
  }

  push(event) {
    if (this.#ended) return;
    const reader = this.#waiting.shift();
    if (reader) return void reader({ value: event, done: false });
    this.#events.push(event);
    if (this.#events.length > EVENTS_MAX) {
      this.#events.shift();
      this.#dropped += 1;
    }
  }

  end() {
    this.#ended = true;
    for (const reader of this.#waiting.splice(0)) reader({ value: undefined, done: true });
  }

  next() {
    if (this.#dropped > 0) {
      const value = { type: 'queue.lagged', dropped: this.#dropped };
      this.#dropped = 0;
      return Promise.resolve({ value, done: false });
    }
    if (this.#events.length > 0) return Promise.resolve({ value: this.#events.shift(), done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(value) {
    this.#left();
    this.#events = [];
    this.end();
    return Promise.resolve({ value, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

module.exports = { Feed };
