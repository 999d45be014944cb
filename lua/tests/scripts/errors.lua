-- What can fail: nil, message, code, detail. What is used wrongly: an error with the caller's place.
local rollcore = require "rollcore"

local function misused(expected, f, ...)
  local ok, problem = pcall(f, ...)
  assert(not ok, expected)
  assert(type(problem) == "string", "a text, not a " .. type(problem))
  assert(problem:find(expected, 1, true), problem)
  assert(not problem:find("traceback", 1, true), problem)
end

-- The place is that of this file.
misused("errors.lua:", function() rollcore.open { log = "loud" } end)
misused('there is no option "lgo"', function() rollcore.open { lgo = "warn" } end)
misused("table or nil expected, got number", function() rollcore.open(7) end)
misused("0 or more", function() rollcore.open { grace = -1 } end)
misused("a function cannot be JSON", function() rollcore.open { queue = print } end)

local engine, message, code, detail = rollcore.open { config = { proxy = { port = "x" }, processes = {} } }
assert(engine == nil and code == "config_invalid", code)
assert(message:find "proxy.port" and #detail.issues > 0, message)
engine, message, code = rollcore.open { config = "/nope.json" }
assert(engine == nil and code == "config_unreadable" and message:find "^/nope.json cannot be read", message)

engine, message, code = rollcore.open { config = "/\255.json" }
assert(engine == nil and code == "config_unreadable", code)

engine = assert(rollcore.open { simulate = { seed = 1 } })
local done
done, message, code = engine:deploy { releaseId = "v1", releasePath = "/r" }
assert(done == nil and code == "not_open", code)
misused("unknown method", function() engine:submit("engine.dance") end)
misused("errors.lua:", function() engine:deploy { releaseID = "v1" } end)
misused("unknown field `releaseID`", function() engine:deploy { releaseID = "v1" } end)
misused("submit: method: string expected, got nil", function() engine:submit() end)
misused("inside of itself", function() local t = {} t.t = t engine:submit("engine.deploy", t) end)
misused("with holes", function() engine:submit("engine.deploy", { 1, 2, x = 3 }) end)
misused("0 or more", function() engine:next_event(-1) end)
misused("schema: string expected, got table", function() rollcore.schema {} end)
misused("method", function() engine:submit "\255" end)
misused("not UTF-8", function() engine:submit("engine.deploy", { releaseId = "\255", releasePath = "/r" }) end)
misused("", function() return engine:status "\255" end)
assert(engine:subscribe { "process.*" })
misused("on: handler: function expected", function() engine:on("x") end)
local none
none, message, code = engine:next_event(0)
assert(none == nil and code == "timeout", code)
none, message, code = engine:wait_for("process.exit", 0.01)
assert(none == nil and code == "timeout" and message == "wait_for process.exit: timed out after 0.01 s", message)

assert(engine:close() and engine:close())
misused("the engine is closed", function() return engine:status() end)
misused("errors.lua:", function() return engine:next_event(0) end)
misused("the engine is closed", function() engine:deploy { releaseId = "v1", releasePath = "/r" } end)
assert(tostring(engine) == "rollcore.Engine (closed)")

assert(rollcore.decode(rollcore.encode { a = { 1, 2.5, "x\n\"ü" }, b = rollcore.list }).a[3] == "x\n\"ü")
none, message, code = rollcore.decode "{"
assert(none == nil and code == "invalid_json", code)
assert(rollcore.encode { port = 8182.0 } == '{"port":8182}')
assert(rollcore.encode(rollcore.list) == "[]" and rollcore.encode {} == "{}")
assert(rollcore.schema "engine.deploy".type == "object" and rollcore.schema "x" == nil)
assert(#rollcore.methods() > 10)
print "passed"
