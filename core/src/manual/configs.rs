//! Where a config is, what it may be written in, and when it is read again.
//!
//! The library reads JSON, or a [`serde_json::Value`] that came from somewhere else. What follows is what the daemon of
//! the examples adds to it, and how a host of your own can do the same.
//!
//! # Where it is
//!
//! The daemon and its commands take `--config <path>` as it is. Without one, they take the first of `rollcore.json`,
//! `rollcore.toml`, `rollcore.lua`, `rollcore.js` and `rollbridge.js` in the current directory. An application without a
//! name is named after the directory of its config.
//!
//! # What it may be
//!
//! | file | is | by |
//! | --- | --- | --- |
//! | `.json`, or no extension | text | the library |
//! | `.toml` | text | the daemon |
//! | `.js`, `.mjs`, `.cjs` | a module whose default export is the config, or a function, async or not, that returns it | the `node` on the PATH |
//! | `.lua` | a chunk that returns the config, or a function that returns it | Lua 5.4 inside of the daemon |
//!
//! A program runs in a process of its own, without input, for [10 seconds](super::limits#a-config-that-is-a-program) at
//! most. It may do what it likes: import packages, read files, ask a service. What it prints goes to stderr. It ends when
//! the config is there; whatever it left running is stopped.
//!
//! - In JavaScript, what it sets or removes in `process.env` is what `{{env.NAME}}` and the processes see, and nothing else
//!   is: not the daemon itself. `process.pid` is the pid of whoever loads the config, which is the daemon's in the daemon.
//! - In Lua, `require` looks beside the config first, and `os.getenv` works. A table with elements is a list; one without
//!   is a mapping, so leave an empty list out.
//! - A value that means nothing in a config, such as a function or NaN, is reported at its key; under an unknown key it has
//!   no effect.
//!
//! A host of its own hands such changes over with the config:
//!
//! ```
//! use std::collections::BTreeMap;
//! use rollcore::Config;
//!
//! let text = r#"{ "proxy": {}, "processes": [
//!     { "id": "web", "policy": "proxied", "port": 0, "command": "exec ./serve --db {{env.DATABASE}}" }
//! ] }"#;
//! let changes = BTreeMap::from([
//!     ("DATABASE".to_owned(), Some("shop".to_owned())),
//!     ("SECRET".to_owned(), None),
//! ]);
//! let application = Config::from_json(text)?.with_environment(changes).into_application();
//! assert_eq!(application.environment["SECRET"], None);
//! # Ok::<(), rollcore::ConfigError>(())
//! ```
//!
//! # When it is read again
//!
//! Before every deploy and every rollback, and at no other time; a program is evaluated anew, with all that it imports.
//! When that fails, so does the deploy, in the words of the config's own error, and nothing has been touched. So it is
//! with what a running engine cannot take over: [`restart_needed`](crate::restart_needed) names it. Everything else
//! applies to the new release. [`Engine::reload_with`](crate::Engine::reload_with) is what does it.
//!
//! Of the proxy, this much applies while it runs: `proxy.limits`, `proxy.trustedFronts` and `proxy.drainTimeoutMs`, from the
//! moment at which traffic moves to the new release. `proxy.workers` and `proxy.upgrades` belong to the threads that serve
//! and need a new daemon, as its address does. `proxy.upgrades` are the protocols that a connection may become
//! (`["websocket"]`); `h2c` is refused, because its requests would pass unread. The limits are listed in
//! [limits](super::limits#traffic).
