local rollcore = require "rollcore"

local function descriptors()
  local pipe = assert(io.popen "ls /proc/$PPID/fd | wc -l")
  local count = tonumber(pipe:read "*a")
  pipe:close()
  return count
end

local function alive(pid)
  local stat = io.open("/proc/" .. pid .. "/stat")
  if stat then stat:close() end
  return stat ~= nil
end

local function started()
  local engine = assert(rollcore.open { grace = 5 })
  local sleeper = assert(engine:process { id = "sleeper", command = "exec sleep 100" })
  assert(sleeper:start())
  local event = assert(engine:wait_for("process.started", 10))
  return event.data.pid
end

local pid = started()
collectgarbage() collectgarbage()
assert(not alive(pid), "what was collected goes on")

local before = descriptors()
for round = 1, 20 do
  assert(rollcore.open { simulate = { seed = round } }):close()
end
for _ = 1, 20 do assert(rollcore.open()) end
collectgarbage() collectgarbage()
assert(descriptors() <= before + 2, "descriptors are left: " .. descriptors() .. " after " .. before)

-- In Lua 5.4 a variable closes it.
local closes = (loadstring or load)([[
  local rollcore = ...
  local kept
  do
    local engine <close> = assert(rollcore.open { simulate = { seed = 1 } })
    kept = engine
  end
  return tostring(kept)
]])
if closes then assert(closes(rollcore) == "rollcore.Engine (closed)") end
print "passed"
