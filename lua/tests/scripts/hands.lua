-- Each hand alone: a process behind a port, asked for its health, behind a proxy.
local rollcore = require "rollcore"
local engine = assert(rollcore.open { grace = 5 })

local lease = assert(engine:port())
assert(lease.port > 0 and lease.host == "127.0.0.1")
local server = "exec python3 -m http.server --bind 127.0.0.1 " .. ("%d"):format(lease.port)
local web = assert(engine:process { id = "web", command = server, cwd = "/" })
assert(web:start())
local url = ("http://127.0.0.1:%d/"):format(lease.port)
assert(engine:health { url = url, timeout = 30, interval = 0.05 })

local proxy = assert(engine:proxy { id = "front", port = 0 })
assert(proxy:switch { { port = lease.port } })
assert(engine:health { url = ("http://%s:%d/"):format(proxy.host, proxy.port), timeout = 10 })
assert(proxy:switch {})
local ok, _, code = engine:health { url = ("http://%s:%d/"):format(proxy.host, proxy.port), timeout = 0.2 }
assert(ok == nil and code:find "health", code)
assert(proxy:status() and proxy:close(1))

assert(web:signal "SIGCONT" and web:status())
assert(#engine:status "processes" >= 0)
assert(web:restart() and web:stop() and web:remove())
assert(lease:release())
local missing
missing, _, code = web:start()
assert(missing == nil and code, "it was removed")

local decided = assert(engine:decide { exits = { 0, 1 }, restart = { maxRestarts = 1 } })
assert(type(decided) == "table")
engine:close()
print "passed"
