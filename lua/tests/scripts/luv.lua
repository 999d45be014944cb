local uv = require "luv"
local rollcore = require "rollcore"
local engine = assert(rollcore.open { grace = 5 })
local poll = uv.new_poll(engine:fd())
poll:start("r", function() engine:dispatch() end)

local ours, theirs
uv.spawn("sh", { args = { "-c", "exit 7" } }, function(code) ours = code end)
engine:spawn(function()
  local process = assert(engine:process { id = "p", command = "exec sleep 100" })
  assert(process:start())
  assert(engine:wait_for("process.started"))
  assert(process:stop())
  theirs = assert(engine:wait_for("process.exit")).type
  poll:close()
end)
uv.run()
assert(ours == 7 and theirs == "process.exit", tostring(ours) .. tostring(theirs))
engine:close()
print "passed"
