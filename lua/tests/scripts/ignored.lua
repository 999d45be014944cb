-- Whoever started this ignores SIGCHLD, so the system forgets how children end; Linux 6.15 and later does not.
local rollcore = require "rollcore"
local version = io.open("/proc/sys/kernel/osrelease"):read "*l"
local major, minor = version:match "^(%d+)%.(%d+)"
local is_kept = tonumber(major) > 6 or (tonumber(major) == 6 and tonumber(minor) >= 15)
local COUNT = 40

local engine = assert(rollcore.open { grace = 5 })
for number = 1, COUNT do
  local process = assert(engine:process {
    id = "p" .. number, command = "exit " .. number, restart = { maxRestarts = 0, windowMs = 60000 },
  })
  assert(process:start())
end
local seen = {}
for _ = 1, COUNT do
  local data = assert(engine:wait_for("process.exit", 30)).data
  assert(not seen[data.id], data.id)
  seen[data.id] = true
  if data.known then assert("p" .. ("%d"):format(data.code) == data.id, data.id) else assert(not is_kept, data.id) end
end
assert(engine:close())
print "passed"
