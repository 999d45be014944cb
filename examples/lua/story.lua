-- The story of examples/README.md, in this process: `lua5.4 story.lua`, or `lua5.4 story.lua --simulate`. It runs without
-- a Lua on the machine, too: `rollcore run story.lua`.

local rollcore = require "rollcore"

local releases = (arg[0]:match("^(.*/)") or "./") .. "../releases/"
local simulate = arg[1] == "--simulate" and { seed = 1, broken = { "v3" } } or nil
local engine = assert(rollcore.open { config = releases .. "rollcore.json", simulate = simulate })

local function say(verb, text) print(("%-10s %s"):format(verb, text)) end

local function active() return engine:status().activeReleaseId .. " is active" end

local function tell(verb, rollout)
  local steps, undone = {}, {}
  for event in rollout:steps() do
    if event.type == "rollout.step" then
      steps[#steps + 1] = event.data.step
    elseif event.type == "rollout.step_undone" then
      undone[#undone + 1] = event.data.undo
    end
  end
  say(verb, table.concat(steps, ", "))
  local moved, _, code = rollout:wait()
  if not moved then
    say("", code .. "; undone: " .. table.concat(undone, ", "))
    say("", active())
  elseif moved.previousReleaseId then
    assert(engine:wait_for("release.drained", 30))
    say("", active() .. "; " .. moved.previousReleaseId .. " has answered its last request")
  else
    say("", active())
  end
end

say("start", engine:status().application .. " runs nothing yet")
for _, id in ipairs { "v1", "v2", "v3" } do
  tell("deploy " .. id, assert(engine:rollout { releaseId = id, releasePath = releases .. id }))
end
tell("rollback", assert(engine:submit("engine.rollback")))

local report = assert(engine:shutdown())
say("shutdown", report.survivors == 0 and "nothing is left" or report.survivors .. " processes are left")
engine:close()
