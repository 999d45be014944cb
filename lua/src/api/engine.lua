-- An engine: what it is told, how it is, and what it tells.

local _, part = ...
local check = part "check"
local events = part "events"
local operations = part "operation"
local waiting = part "waiting"

local Engine = {}
Engine.__index = Engine
Engine.__name = "rollcore.Engine"

local ROLLOUTS = { ["engine.deploy"] = true, ["engine.rollback"] = true }

-- Begins a method by its name, see `rollcore.methods()`; its parameters are the core's, times in milliseconds.
function Engine:submit(method, params)
  check.kind("submit: method", method, "string")
  check.kind("submit: params", params, "table", "nil")
  local operation, message, code, detail = operations.begin(self, method, params or {})
  if not operation then return nil, message, code, detail end
  if ROLLOUTS[method] then
    operation._steps, operation._seen = {}, 0
    self._rollout = self._rollout or operation
  end
  return operation
end

-- Begins a deploy, and does not wait for it: `for step in rollout:steps() do`, `rollout:wait()`.
function Engine:rollout(release)
  return self:submit("engine.deploy", check.copy(release, "rollout"))
end

for name, method in pairs {
  deploy = "engine.deploy", plan = "engine.plan", rollback = "engine.rollback", stop = "engine.stop",
  restart = "engine.restart", shutdown = "engine.shutdown", history = "engine.events",
} do
  Engine[name] = function(self, params, seconds)
    return operations.call(self, method, check.copy(params, name), seconds)
  end
end

-- Requests wait from now on, for so many seconds at most; without, until `resume`.
function Engine:pause(seconds)
  return operations.call(self, "engine.pause", { timeoutMs = check.milliseconds("pause", seconds) })
end

function Engine:resume()
  return operations.call(self, "engine.resume", {})
end

function Engine:reload(config)
  local told_config, message, code, detail = check.config(config)
  if not told_config then return nil, message, code, detail end
  return operations.call(self, "engine.reload", { config = told_config })
end

-- How it is, from memory: "status" (of the engine), "processes", "proxies" or "leases".
function Engine:status(what)
  check.kind("status", what, "string", "nil")
  return check.told(check.opened(self):snapshot(what or "status"))
end

-- Which events are told from now on: { "process.*", "rollout.*" }.
function Engine:subscribe(types)
  check.kind("subscribe", types, "table")
  for _, kind in ipairs(types) do check.kind("subscribe", kind, "string") end
  return check.told(check.opened(self):subscribe(types))
end

-- Calls `handler` for each event of that type, or of all that begin so: "process.*".
function Engine:on(pattern, handler)
  check.kind("on: type", pattern, "string")
  check.kind("on: handler", handler, "function")
  local entry = { pattern = pattern, call = handler }
  self._handlers[#self._handlers + 1] = entry
  return function()
    for place, known in ipairs(self._handlers) do
      if known == entry then return table.remove(self._handlers, place) and true end
    end
  end
end

-- The next event that no handler took; nil, message and "timeout" when there is none in so many seconds.
function Engine:next_event(seconds)
  check.milliseconds("next_event", seconds)
  local event
  local function ready()
    event = event or events.take(self)
    return event
  end
  local ok, message, code = waiting.wait_until(self, ready, seconds, "next_event")
  if ok then return event end
  return nil, message, code
end

-- The next event of that type, for which `is_it(event)` holds; all others stay.
function Engine:wait_for(pattern, seconds, is_it)
  check.kind("wait_for: type", pattern, "string")
  check.milliseconds("wait_for", seconds)
  check.kind("wait_for: is_it", is_it, "function", "nil")
  local function wanted(one) return events.matches(pattern, one.type) and (not is_it or is_it(one)) end
  local event
  local function ready()
    event = event or events.take(self, wanted)
    return event
  end
  local ok, message, code = waiting.wait_until(self, ready, seconds, "wait_for " .. pattern)
  if ok then return event end
  return nil, message, code
end

-- Every event that no handler took, until none comes in so many seconds.
function Engine:events(seconds)
  check.milliseconds("events", seconds)
  return function() return (self:next_event(seconds)) end
end

-- Ends the engine and every process, within its grace. Twice is once.
function Engine:close()
  if self._closed then return true end
  self._closed = true
  return check.told(self._core:close())
end

Engine.__close = function(engine) engine:close() end

function Engine:__tostring()
  return ("rollcore.Engine (%s)"):format(self._closed and "closed" or "open")
end

return Engine
