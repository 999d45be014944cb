-- Starts a process, prints its pid, and ends in the way that the argument says.
local rollcore = require "rollcore"
local engine = assert(rollcore.open { grace = 5 })
assert(assert(engine:process { id = "sleeper", command = "exec sleep 100" }):start())
print(("%d"):format(assert(engine:wait_for("process.started", 10)).data.pid))
io.stdout:flush()
if arg[1] == "error" then error "a bug of the host" end
if arg[1] == "exit" then os.exit(3) end
if arg[1] == "close" then
  engine:close()
  os.exit(3)
end
if arg[1] == "tidy" then os.exit(3, true) end
