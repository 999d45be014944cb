'use strict';
// Something that was asked for: a promise of its result, and an iterator over what happens meanwhile.

const { Feed } = require('./feed.cjs');

/** Await it for the result; `for await` it for the events until then. */
class Operation {
  #answered;
  #feeds = new Set();
  #settle;
  #cancel;

  constructor(cancel) {
    this.#cancel = cancel;
    this.#answered = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** Asks for an end before its time. The promise is settled all the same, when it has ended. */
  cancel() {
    this.#cancel();
  }

  then(fulfilled, rejected) {
    return this.#answered.then(fulfilled, rejected);
  }

  catch(rejected) {
    return this.#answered.catch(rejected);
  }

  finally(settled) {
    return this.#answered.finally(settled);
  }

  /**
   * The events from now until it is over. Ends also when it fails: whoever awaits it then learns why.
   */
  [Symbol.asyncIterator]() {
    // Whoever watches first and awaits afterwards has not ignored the failure.
    this.#answered.catch(() => {});
    const feed = new Feed(() => this.#feeds.delete(feed));
    this.#feeds.add(feed);
    this.#answered.then(() => feed.end(), () => feed.end());
    return feed;
  }

  get [Symbol.toStringTag]() {
    return 'Operation';
  }

  /** @internal */
  happened(event) {
    for (const feed of this.#feeds) feed.push(event);
  }

  /** @internal */
  resolve(result) {
    this.#settle.resolve(result);
  }

  /** @internal */
  reject(error) {
    this.#settle.reject(error);
  }
}

module.exports = { Operation };
