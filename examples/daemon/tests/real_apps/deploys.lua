-- Deploys an application in this process, under the load that the test lays on its proxy: a Lua program, and a script of
-- `rollcore run`.
local rollcore = require "rollcore"
local config, releases = arg[1], arg[2]

local function tell(...)
  print(...)
  io.stdout:flush()
end

local function deployed(engine, id, directory)
  local path = releases .. "/" .. directory
  -- What a deploy script does first; only `rollcore run` has it.
  if sh then sh { "test -e app.env", cwd = path } end
  return engine:deploy { releaseId = id, releasePath = path }
end

local function replaced(engine, id, directory, before)
  local moved = assert(deployed(engine, id, directory))
  assert(moved.activeReleaseId == id and moved.previousReleaseId == before, moved.previousReleaseId)
  local drained = assert(engine:wait_for("release.drained", 60)).data
  assert(drained.releaseId == before and drained.forced ~= true, drained.releaseId)
  tell(id .. " has taken the place of " .. before)
end

local engine = assert(rollcore.open { config = config })
assert(deployed(engine, "r0", "v1"))
tell(("%s:%d"):format(engine.host, engine.port))

assert(io.read "*l" == "the load is on")
replaced(engine, "r1", "v2", "r0")
local moved, _, code = deployed(engine, "r2", "broken-exits-at-boot")
assert(moved == nil and code == "exited_before_ready", code)
assert(engine:status().activeReleaseId == "r1")
replaced(engine, "r3", "v1", "r1")
tell "that was all"

assert(io.read "*l" == "the load is off")
local report = assert(engine:shutdown())
assert(report.survivors == 0)
engine:close()
