-- A host that forks when it has an engine. The child's is dead and says so; another one works there; the parent does not notice.
local rollcore = require "rollcore"

-- luaposix, or the same of `hostfork.c` where a Lua has none.
local has_posix, unistd = pcall(require, "posix.unistd")
local own = not has_posix and require "hostfork"
local fork, leave = has_posix and unistd.fork or own.fork, has_posix and unistd._exit or own.leave
local function exit_code(pid)
  if own then return own.wait(pid) end
  local _, how, code = require("posix.sys.wait").wait(pid)
  return how == "exited" and code or nil
end

local function alive(pid)
  local stat = io.open(("/proc/%d/stat"):format(pid))
  local text = stat and stat:read "*a" or ") Z"
  if stat then stat:close() end
  return not text:find(") Z", 1, true)
end

local engine = assert(rollcore.open { grace = 5 })
local process = assert(engine:process { id = "p", command = "exec sleep 100" })
assert(process:start())
local pid = assert(engine:wait_for("process.started", 10)).data.pid
local operation = assert(engine:submit "process.status")

local function forked(what, none, message, code)
  assert(none == nil and code == "forked", ("%s: %s %s %s"):format(what, tostring(none), tostring(message), tostring(code)))
  assert(message:find("is a fork", 1, true), message)
end

local function in_the_child()
  forked("status", engine:status "processes")
  forked("submit", engine:submit "process.status")
  forked("deploy", engine:deploy { releaseId = "v1", releasePath = "/r" })
  forked("stop", process:stop())
  forked("wait", operation:wait(1))
  forked("cancel", operation:cancel())
  -- What it had already is still there.
  for _ in engine:events(0) do end
  forked("next_event", engine:next_event(0))
  forked("wait_for", engine:wait_for("process.exit", 1))
  forked("subscribe", engine:subscribe { "log" })
  forked("dispatch", engine:dispatch())
  engine:spawn(function() engine:wait_for "never" end)
  forked("run", engine:run())
  forked("close", engine:close())
  local another = assert(rollcore.open { grace = 5 })
  local child = assert(another:process { id = "c", command = "exit 9", restart = { maxRestarts = 0, windowMs = 1000 } })
  assert(child:start())
  assert(assert(another:wait_for("process.exit", 10)).data.code == 9)
  another:close()
end

local child = assert(fork())
if child == 0 then
  local ok, problem = pcall(in_the_child)
  if not ok then io.stderr:write(tostring(problem), "\n") end
  leave(ok and 7 or 1)
end
assert(exit_code(child) == 7)

-- One that ends as a program ends: what it collects is not its own.
child = assert(fork())
if child == 0 then
  engine = nil
  collectgarbage() collectgarbage()
  return
end
assert(exit_code(child) == 0)

assert(alive(pid), "the parent's process has ended with a child")
assert(operation:wait(10))
assert(engine:status "processes".processes[1].pid == pid)
assert(process:stop() and engine:wait_for("process.exit", 10))
assert(not alive(pid))
assert(engine:close())
print "passed"
