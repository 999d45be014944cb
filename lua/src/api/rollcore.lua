-- require "rollcore": what Lua calls. Works in Lua 5.1, 5.3, 5.4 and LuaJIT.
--
-- What can fail returns nil, a message, a code and a detail; what is used wrongly is an error. Numbers are seconds.
-- A wait blocks, or yields where a scheduler is: see `spawn` and `scheduler`.

local core, part = ...
local check = part "check"
local events = part "events"
local operations = part "operation"
local Engine = part "engine"
part "loop"
part "hands"

local rollcore = {
  version = core.version,
  -- Stands for null in a list, and for a list that is empty: a table without elements is a mapping.
  null = core.null,
  list = core.list,
  methods = core.methods,
  config = check.config,
}

function events.interrupted()
  if rollcore.interrupted then rollcore.interrupted() end
end

-- What a method takes, as JSON Schema; nil when there is none.
function rollcore.schema(method)
  check.kind("schema", method, "string")
  return core.schema(method)
end

function rollcore.encode(value) return check.told(core.encode(value)) end

function rollcore.decode(text)
  check.kind("decode", text, "string")
  return check.told(core.decode(text))
end

local OPTIONS = { workers = "workerThreads", queue = "queue", log = "log", simulate = "simulate" }
local OPTIONS_TOLD = "config, grace, keepState, log, queue, simulate, workers"

-- { config = "rollcore.json" or a table, keepState = true, log = "warn", grace = 10, workers = 1, queue = 4096,
--   simulate = { seed = 1 } }; without a config there is no engine, but each hand.
function rollcore.open(options)
  check.kind("open", options, "table", "nil")
  local given, config, keep_state = {}, nil, nil
  for key, value in pairs(options or {}) do
    if OPTIONS[key] then given[OPTIONS[key]] = value
    elseif key == "grace" then given.graceMs = check.milliseconds("open: grace", value)
    elseif key == "config" then config = value
    elseif key == "keepState" then keep_state = value
    else check.misuse(("open: there is no option %q; there are %s"):format(tostring(key), OPTIONS_TOLD)) end
  end
  local message, code, detail
  if config ~= nil then
    config, message, code, detail = rollcore.config(config)
    if not config then return nil, message, code, detail end
  end
  local handle
  handle, message, code, detail = check.told(core.open(given))
  if not handle then return nil, message, code, detail end
  local engine = setmetatable({
    _core = handle, _operations = {}, _handlers = {}, _kept = { first = 1, last = 0, dropped = 0 },
    _tasks = {}, _sleepers = {},
  }, Engine)
  if config then
    local bound
    bound, message, code, detail = operations.call(engine, "engine.open", { config = config, keepState = keep_state })
    if not bound then
      engine:close()
      return nil, message, code, detail
    end
    engine.host, engine.port, engine.restored = bound.host, bound.port, bound.restored
  end
  return engine
end

return rollcore
