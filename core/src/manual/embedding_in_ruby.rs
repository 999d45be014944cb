//! How to deploy from inside of a Ruby program.
//!
//! # Install
//!
//! `gem install rollcore`, on Linux with Ruby 3.1 or later. Nothing is compiled: the gem calls `librollcore` through fiddle,
//! which comes with Ruby. It takes the library that `ROLLCORE_LIB` names, else the one in the gem, else the one that the
//! system has. The gem is made from `examples/ruby`: `ruby bundle.rb path/to/librollcore.so`, then `gem build rollcore.gemspec`.
//!
//! # Deploy
//!
//! ```ruby
//! require "rollcore"
//!
//! config = {
//!   application: "shop",
//!   proxy: { port: 8182 },
//!   processes: [
//!     { id: "web", policy: :proxied, command: ["ruby", "server.rb"], port: 0, health: { path: "/ping" } }
//!   ]
//! }
//! Rollcore.open(config) do |engine|
//!   deploy = engine.deploy(id: "v2", path: "/srv/shop/v2")
//!   deploy.each { |event| puts event[:data][:step] if event[:type] == "rollout.step" }
//!   puts "#{deploy.value![:active_release_id]} is active"
//!   engine.each { |event| puts event[:message] } # until Ctrl-C
//! rescue Rollcore::Error => e
//!   abort "undone: #{e.code}: #{e.message}"
//! end
//! ```
//!
//! Names are those of every host, as snake_case symbols: `graceful_stop_ms` is `gracefulStopMs`. String keys go as they are,
//! and so does what stands below `env`, `ports` and `sockets`. The events of a rollout come before its answer. The same
//! program runs without processes with `Rollcore.open(config, simulate: { seed: 1 })`: see [`simulating`](super::simulating).
//!
//! # Threads
//!
//! The library's threads never run Ruby, and the gem has none of its own: whoever waits takes events out of the queue and hands
//! them to all, so listeners of `on` run in the thread that waits. While nobody waits the queue keeps the newest 4096 (option
//! `queue`); requests are served all the same. A program with a loop of its own waits for the engine with `IO.select([engine])`
//! and calls `dispatch`. Every method may be called in every thread; `Timeout` and `Thread#kill` end a wait at once, and what it
//! waited for can be waited for again.
//!
//! # Signals and children
//!
//! No handler is installed. A wait ends when a signal comes: `trap` runs its block, and Ctrl-C, SIGTERM and SIGHUP raise as
//! they always do in Ruby, so the block of `Rollcore.open` is left and everything that was started is stopped. Do not close in a
//! `trap`: Ruby forbids locks there; raise, or set a flag. Ruby's own children and rollcore's do not see each other. A program
//! that waits for any child (`Process.wait(-1)`, as the masters of Puma and Unicorn do) takes no exit status from rollcore on
//! Linux 6.15 and later; before, such an exit says `known: false`.
//!
//! # The end
//!
//! Everything that was started is stopped, within `grace_ms`, behind the block of `Rollcore.open`, by `close`, when a handle is
//! collected, and at the end of the program, whatever ends it: but not by `exit!` and SIGKILL. `keep_state: true` brings back
//! with the next start what was left running by those.
//!
//! # Fork
//!
//! The child of a fork has no part in its parent's handles: every call there raises `:forked`, `close` does nothing, and what
//! the child's end would clean up stays the parent's. The child may open its own. `Process.daemon` is such a fork, too: open
//! after it, and in a worker of a preforking server rather than in front of it. `system`, `spawn` and backticks start
//! programs, which inherit nothing.
