-- The host has children of its own, and every exit status is right on both sides.
local rollcore = require "rollcore"
local engine = assert(rollcore.open { grace = 5 })
local COUNT = 40

local ours = {}
for number = 1, COUNT do ours[number] = assert(io.popen("sleep 0.2; exit " .. number)) end
for number = 1, COUNT do
  local process = assert(engine:process {
    id = "p" .. number, command = "sleep 0.2; exit " .. number, restart = { maxRestarts = 0, windowMs = 60000 },
  })
  assert(process:start())
end

local codes, seen = {}, 0
while seen < COUNT do
  local event = assert(engine:wait_for("process.exit", 30))
  local number = tonumber(event.data.code)
  if not codes[number] then
    codes[number] = true
    seen = seen + 1
  end
end
for number = 1, COUNT do
  assert(codes[number], "the engine has not seen exit code " .. number)
  local ok, _, code = ours[number]:close()
  -- Lua 5.1 does not tell.
  if _VERSION ~= "Lua 5.1" then assert(not ok and code == number, tostring(code)) end
end
engine:close()
print "passed"
