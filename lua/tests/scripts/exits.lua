-- Exits while the engine is at work, without a word to it.
local rollcore = require "rollcore"
local engine = assert(rollcore.open())
local proxy = assert(engine:proxy { id = "front", port = 0 })
engine:submit("health.check", { url = ("http://127.0.0.1:%d/"):format(proxy.port) })
engine:submit("port.acquire")
os.exit(3)
