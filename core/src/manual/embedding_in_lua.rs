//! How to deploy from a Lua script, with a Lua on the machine or without.
//!
//! # Without a Lua: `rollcore run`
//!
//! The daemon's command has Lua 5.4 inside. `rollcore run deploy.lua v2 /srv/shop/v2` runs a script that needs nothing else:
//!
//! ```lua
//! #!/usr/bin/env -S rollcore run
//! local release = arg[1] or fail("which release?", 2)
//! local path = arg[2] or fail("in which directory?", 2)
//! local made_up = arg[3] == "--rehearse" and { seed = 1 } or nil
//!
//! on_error(function(why) log("the end of %s: %s", release, why) end)
//! env.RELEASE = release
//! sh { "./bin/migrate", cwd = path }
//!
//! local engine = assert(require("rollcore").open { config = env.CONFIG or "rollcore.json", simulate = made_up })
//! local moved, message, code = engine:deploy { releaseId = release, releasePath = path }
//! if not moved then fail(code .. ": " .. message, 3) end
//! log("%s is active", moved.activeReleaseId)
//! if not made_up then engine:wait_for("never") end
//! ```
//!
//! The engine lives in the script, and the application with it: the last line keeps both, until Ctrl-C or SIGTERM. A script that
//! is to end while the application runs asks a daemon instead: `sh "rollcore deploy --release-path ..."`.
//!
//! | a script has | which |
//! | --- | --- |
//! | `sh "command"` | shows the output of a shell command while it runs, and returns it with the exit code. A command that fails is an error, unless `check = false`: `sh { "command", check = false, quiet = true, cwd = "/", input = "text", timeout = 60 }` |
//! | `env` | is the environment of what `sh` runs, as a table |
//! | `log("v%d", 2)` | tells people something, with the time, on stderr |
//! | `fail("why", 3)` | ends the script as failed, with this exit code (1) |
//! | `on_error(f)` | calls `f(why)` when the script fails, the last one first |
//! | `arg`, `...` | are its arguments; `require` looks beside the script first |
//!
//! An error is told as `Error: deploy.lua:7: ...`, and the exit code is 1. SIGINT, SIGTERM and SIGHUP are a failure, too (130, 143,
//! 129): what `sh` runs is stopped, the handlers are called, the engine is closed. The second signal closes the engine at once, the
//! third does not even wait for that.
//!
//! # With a Lua: `require "rollcore"`
//!
//! `luarocks make` in `lua/` installs the module for Lua 5.1, 5.3, 5.4 or LuaJIT, and needs cargo and nothing else; `lua/build.sh lua54`
//! only builds it. For LuaJIT, `examples/luajit` is the same over `librollcore.so`, with nothing to build.
//!
//! ```lua
//! local rollcore = require "rollcore"
//! local engine = assert(rollcore.open { config = "rollcore.json" })
//!
//! local rollout = assert(engine:rollout { releaseId = "v2", releasePath = "/srv/shop/v2" })
//! for event in rollout:steps() do
//!   if event.type == "rollout.step" then print(event.data.step) end
//! end
//! local moved, message, code = rollout:wait(300)
//! if not moved then error(code .. ": " .. message, 0) end
//! print(moved.activeReleaseId .. " is active")
//!
//! -- The application runs as long as this program does: until Ctrl-C.
//! for event in engine:events() do print(event.message) end
//! ```
//!
//! What can fail returns `nil`, a message, a code and a detail; what is used wrongly is an error at its caller. Numbers are seconds;
//! only what is of the config is named and measured as there. `types/rollcore.d.lua` lists everything for the language server.
//!
//! A wait blocks. In a coroutine of `engine:spawn(f)` it yields, and `engine:run()` dispatches until all of them have ended. In an event
//! loop, poll `engine:fd()` and call `engine:dispatch()`; waits with a limit also need a call after `engine:timeout()` seconds:
//!
//! ```lua
//! local uv, rollcore = require "luv", require "rollcore"
//! local engine = assert(rollcore.open { config = "rollcore.json" })
//! local poll, timer = uv.new_poll(engine:fd()), uv.new_timer()
//!
//! local function dispatch()
//!   engine:dispatch()
//!   local seconds = engine:timeout()
//!   if seconds then timer:start(math.ceil(seconds * 1000), 0, dispatch) else timer:stop() end
//! end
//! poll:start("r", dispatch)
//!
//! engine:spawn(function()
//!   local moved, message = engine:deploy({ releaseId = "v2", releasePath = "/srv/shop/v2" }, 300)
//!   print(moved and moved.activeReleaseId .. " is active" or message)
//! end)
//! dispatch()
//! uv.run()
//! ```
//!
//! # Threads
//!
//! The library's threads never run Lua, and an engine belongs to the Lua that has opened it. Several engines in one program know
//! nothing of each other.
//!
//! # Signals and children
//!
//! No handler is installed, and none is changed: Ctrl-C ends a wait as it ends any Lua program (`rollcore run` listens itself, as said
//! above). `io.popen` and its exit codes work as without it, and a host that ignores SIGCHLD or waits for every child is no
//! trouble on Linux 6.15 and later; before, how a process ended may then be unknown.
//!
//! # The end
//!
//! `engine:close()`, a variable that is `<close>`, or the garbage collector stops everything that was started, for `grace` seconds (10) at
//! most. So does the end of the program, also by an error, but not `os.exit(1)` without `true` as its second argument, which skips
//! whatever Lua has to clean up; Lua 5.1 has no such argument, so close the engine first. In `rollcore run` every end does.
//!
//! # Fork
//!
//! After a fork by another module the child's engine is dead: whatever is asked of it gives `nil`, a message and the code `forked`. The
//! child may open another one. The parent's goes on, with all that it has started.
