local rollcore = require "rollcore"

local config = { application = "shop", proxy = { port = 0 }, processes = {
  { id = "web", policy = "proxied", command = "./serve", port = 0 } } }
local engine = assert(rollcore.open { config = config, simulate = { seed = 1, broken = { "v2" } } })
local order = {}

-- Two tasks wait at the same time; the second waits for what the first does.
engine:spawn(function()
  local rollout = assert(engine:rollout { releaseId = "v1", releasePath = "/r/v1" })
  -- Not in a `for`, which cannot yield in Lua 5.1.
  while true do
    local event = rollout:next_step()
    if not event then break end
    if event.type == "rollout.step" then order[#order + 1] = event.data.step end
  end
  assert(rollout:is_done() and rollout:wait().activeReleaseId == "v1")
  local moved, _, code = engine:deploy { releaseId = "v2", releasePath = "/r/v2" }
  assert(moved == nil and code == "exited_before_ready", code)
  order[#order + 1] = "undone"
end)
engine:spawn(function()
  assert(engine:wait_for("traffic.switched", 10))
  order[#order + 1] = "seen"
  local _, _, code = engine:wait_for("never", 0.05)
  assert(code == "timeout", code)
  order[#order + 1] = "late"
end)
assert(#order == 0, "spawn has waited")
assert(engine:run())
local all = table.concat(order, ", ")
assert(all:find "^preflight" and all:find "undone" and all:find "seen" and all:find "late", all)

-- An error of a task goes to whoever dispatches, with its place.
local ok, problem = pcall(function() engine:spawn(function() error "no" end) end)
assert(not ok and problem:find "coroutines.lua:%d+: no", problem)

-- A scheduler of somebody else: every coroutine yields, and is continued by it.
local continued = 0
engine:scheduler(function(thread)
  continued = continued + 1
  assert(coroutine.resume(thread))
end)
local status
local thread = coroutine.create(function() status = assert(engine:submit "engine.status"):wait() end)
assert(coroutine.resume(thread))
while coroutine.status(thread) ~= "dead" do engine:dispatch() end
assert(continued >= 1 and status)

-- Without one, a wait in a coroutine blocks.
engine:scheduler(nil)
assert(coroutine.resume(coroutine.create(function() status = assert(engine:submit "engine.status"):wait(10) end)))
assert(status)

-- Handlers, and one that is gone.
local seen = {}
local off = engine:on("rollout.*", function(event) seen[#seen + 1] = event.type end)
assert(engine:deploy { releaseId = "v3", releasePath = "/r/v3" })
assert(seen[1] == "rollout.started" or seen[1] == "rollout.step", seen[1])
off()
local count = #seen
assert(engine:rollback())
assert(#seen == count)
for _ in engine:events(0) do end
engine:close()
print "passed"
