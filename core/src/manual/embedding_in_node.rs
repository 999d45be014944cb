//! How to deploy from inside of a Node program.
//!
//! # Install
//!
//! `npm install rollcore`, on Linux with Node 18 or later. Nothing is compiled: the package calls `librollcore` through koffi,
//! whose binary comes with it. It takes the library that `ROLLCORE_LIB` names, else the one in the package, else the one that
//! the system has. The package is made from `examples/node`: `node bundle.mjs path/to/librollcore.so`, then `npm pack`.
//!
//! # Deploy
//!
//! ```js
//! import { Engine } from 'rollcore';
//!
//! const engine = await Engine.open({
//!   application: 'shop',
//!   proxy: { port: 8182 },
//!   processes: [
//!     { id: 'web', policy: 'proxied', command: ['node', 'server.js'], port: 0, health: { path: '/ping' } },
//!   ],
//! });
//! engine.ref().closeOn('SIGINT', 'SIGTERM');
//! const deploy = engine.deploy({ id: 'v2', path: '/srv/shop/v2' });
//! for await (const { type, data } of deploy) if (type === 'rollout.step') console.log(data.step);
//! await deploy.then(
//!   ({ activeReleaseId }) => console.log(`${activeReleaseId} is active`),
//!   ({ code, message }) => console.error(`undone: ${code}: ${message}`),
//! );
//! ```
//!
//! Events have the types and fields of every host; those of a rollout come before its answer. The same program runs without
//! processes with `{ simulate: { seed: 1 } }` as the second argument of `Engine.open`: see [`simulating`](super::simulating).
//!
//! # Threads
//!
//! The library's threads never run JavaScript. What happens comes through a pipe in Node's own event loop, so a busy program
//! hears of it later, and requests are served all the same. Each worker thread may open engines of its own. One that is
//! terminated does not close them: close them first.
//!
//! # Signals and children
//!
//! No handler is installed, unless you ask for it: `closeOn('SIGINT', 'SIGTERM')` closes before these signals end the program.
//! Without it they end Node at once; the programs that rollcore started are in sessions of their own, and live on. Node reaps
//! its children on SIGCHLD, rollcore waits for its own by descriptor, and neither sees those of the other.
//!
//! # The end
//!
//! A program ends when nothing is asked for and nobody waits for an event, unless `ref()` was called; then, and by
//! `process.exit` or an error that nobody catches, everything that was started is stopped first, for `graceMs` at most. After
//! a SIGKILL it is left running, and `keepState` brings it back with the next start.
//!
//! # Fork
//!
//! `child_process.fork` starts a new program, which has no part in this one's handles and may open its own.
