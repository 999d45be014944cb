-- require "rollcore": what Lua calls. Works in Lua 5.1, 5.3, 5.4 and LuaJIT.
--
-- What can fail returns nil, a message, a code and a detail; what is used wrongly is an error. Numbers are seconds.
-- A wait blocks, or yields where a scheduler is: see `spawn` and `scheduler`.

local core = ...

local rollcore = {
  version = core.version,
  -- Stands for null in a list, and for a list that is empty: a table without elements is a mapping.
  null = core.null,
  list = core.list,
  methods = core.methods,
  schema = core.schema,
}

-- How many events nobody took are kept for `next_event`; older ones are dropped, and a `queue.lagged` says how many.
local KEPT_MAX = 4096

-- A wrong argument, a wait inside of itself, a closed engine: mistakes of whoever calls.
local MISUSE = { [-1] = true, [-7] = true, [3] = true }

local OWN = select(2, pcall(error, "", 2)):match "^(.*):%d+: $"

-- Where this file was called from: a level will not do, because a tail call takes its own frame away.
local function caller()
  for level = 3, 30 do
    local _, where = pcall(error, "", level)
    local file = where:match "^(.*):%d+: $"
    if file and file ~= OWN then return where end
  end
  return ""
end

local function misuse(message)
  error(caller() .. message, 0)
end

local function check(what, value, ...)
  for index = 1, select("#", ...) do
    if type(value) == select(index, ...) then return value end
  end
  local expected = table.concat({ ... }, " or ")
  misuse(("%s: %s expected, got %s"):format(what, expected, type(value)))
end

-- What the core answers.
local function told(value, message, code, detail, number)
  if value ~= nil then return value end
  if MISUSE[number] then misuse(message) end
  return nil, message, code, detail
end

local function opened(engine)
  if engine._closed then misuse("the engine is closed") end
  return engine._core
end

local function milliseconds(what, seconds)
  if seconds == nil then return nil end
  if type(seconds) ~= "number" or seconds ~= seconds or seconds < 0 then
    misuse(what .. ": seconds expected, 0 or more")
  end
  return math.floor(math.min(seconds * 1000, 2 ^ 53) + 0.5)
end

local function copy(given, what)
  if given ~= nil and type(given) ~= "table" then
    misuse(("%s: table expected, got %s"):format(what, type(given)))
  end
  local copied = {}
  for key, value in pairs(given or {}) do copied[key] = value end
  return copied
end

-- In the place of seconds under a name of Lua, milliseconds under that of the core.
local function in_milliseconds(what, params, names)
  for _, name in ipairs(names) do
    if params[name] ~= nil then
      params[name .. "Ms"] = milliseconds(what .. "." .. name, params[name])
      params[name] = nil
    end
  end
  return params
end

local function matches(pattern, kind)
  if pattern:sub(-1) == "*" then
    return kind:sub(1, #pattern - 1) == pattern:sub(1, -2)
  end
  return pattern == kind
end

-- Operations ------------------------------------------------------------------------------------------------------------

local Operation = {}
Operation.__index = Operation
Operation.__name = "rollcore.Operation"

local Engine = {}
Engine.__index = Engine
Engine.__name = "rollcore.Engine"

-- Events ----------------------------------------------------------------------------------------------------------------

local function keep(engine, event)
  local kept = engine._kept
  if kept.last - kept.first + 1 >= KEPT_MAX then
    kept[kept.first] = nil
    kept.first = kept.first + 1
    kept.dropped = kept.dropped + 1
  end
  kept.last = kept.last + 1
  kept[kept.last] = event
end

local function take(engine, wanted)
  local kept = engine._kept
  if kept.dropped > 0 and not wanted then
    local dropped = kept.dropped
    kept.dropped = 0
    return { type = "queue.lagged", dropped = dropped }
  end
  for index = kept.first, kept.last do
    local event = kept[index]
    if not wanted or wanted(event) then
      for place = index, kept.first + 1, -1 do kept[place] = kept[place - 1] end
      kept[kept.first] = nil
      kept.first = kept.first + 1
      return event
    end
  end
end

-- To the operation that it ends or the rollout whose step it is, and to every handler; else it is kept.
local function route(engine, event)
  if event.type == "op.done" then
    local operation = engine._operations[event.op]
    engine._operations[event.op] = nil
    if operation then
      operation._done = event
      if engine._rollout == operation then engine._rollout = nil end
    end
    return
  end
  local taken = false
  if engine._rollout and event.type:sub(1, 8) == "rollout." then
    local steps = engine._rollout._steps
    steps[#steps + 1] = event
    taken = true
  end
  for _, handler in ipairs(engine._handlers) do
    if matches(handler.pattern, event.type) then
      taken = true
      handler.call(event)
    end
  end
  if not taken then keep(engine, event) end
end

-- Ctrl-C is raised inside of the core, which makes a userdata with a traceback of it.
local function unwrapped(ok, ...)
  if ok then return ... end
  local problem = ...
  if type(problem) ~= "userdata" then error(problem, 0) end
  error((tostring(problem):gsub("^runtime error: ", ""):gsub("\nstack traceback:.*$", "")), 0)
end

-- Takes one event, or waits for it. true, or nil with the message and the code.
local function pump(engine, seconds)
  local handle = opened(engine)
  local event, message, code, _, number = unwrapped(pcall(handle.next, handle, seconds))
  if event then
    route(engine, event)
    return true
  end
  if code == "interrupted" then
    -- Whoever has a handler for the signal is asked here; Lua's own interpreters raise by themselves.
    if rollcore.interrupted then rollcore.interrupted() end
    return true
  end
  if MISUSE[number] then misuse(message) end
  return nil, message, code
end

local function is_scheduled(engine)
  local thread, is_main = coroutine.running()
  return thread and not is_main and (engine._resume or engine._tasks[thread]) and thread
end

-- Until `ready` says so. nil, message and code when that does not come.
local function wait_until(engine, ready, seconds, what)
  local deadline = seconds and core.now() + seconds
  local function timed_out() return nil, ("%s: timed out after %g s"):format(what, seconds), "timeout" end
  local thread = is_scheduled(engine)
  while not ready() do
    local left = deadline and deadline - core.now()
    if left and left <= 0 and seconds > 0 then return timed_out() end
    if thread then
      if engine._closed then return nil, "the engine is closed", "closed" end
      if seconds == 0 then return timed_out() end
      local sleeper = { ready = ready, deadline = deadline, thread = thread }
      engine._sleepers[sleeper] = true
      coroutine.yield(engine)
      engine._sleepers[sleeper] = nil
    else
      local ok, message, code = pump(engine, left and math.max(left, 0))
      if not ok and code ~= "timeout" then return nil, message, code end
      if not ok and not ready() then return timed_out() end
    end
  end
  return true
end

-- Errors of a task go to whoever dispatches.
local function resume(engine, thread, ...)
  if engine._resume and not engine._tasks[thread] then return engine._resume(thread, ...) end
  local ok, problem = coroutine.resume(thread, ...)
  if coroutine.status(thread) == "dead" then engine._tasks[thread] = nil end
  if not ok then error(problem, 0) end
end

local function wake(engine)
  local now, due = core.now(), {}
  for sleeper in pairs(engine._sleepers) do
    if engine._closed or sleeper.ready() or (sleeper.deadline and sleeper.deadline <= now) then
      due[#due + 1] = sleeper
    end
  end
  for _, sleeper in ipairs(due) do
    if engine._sleepers[sleeper] and coroutine.status(sleeper.thread) == "suspended" then
      engine._sleepers[sleeper] = nil
      resume(engine, sleeper.thread)
    end
  end
  return #due > 0
end

-- What was begun ----------------------------------------------------------------------------------------------------------

-- The result; or nil, message, code and detail. Without seconds it waits for ever.
function Operation:wait(seconds)
  milliseconds("wait", seconds)
  local ok, message, code = wait_until(self._engine, function() return self._done end, seconds, self.method)
  if not ok then return nil, message, code end
  local done = self._done
  if done.ok then return done.result == nil and true or done.result end
  return nil, done.error.message, done.error.code, done.error.detail
end

-- Asks for its end; `wait` says how it ended.
function Operation:cancel()
  if self._done then return true end
  return told(opened(self._engine):cancel(self.id))
end

function Operation:is_done()
  return self._done ~= nil
end

-- The next event of this rollout; nil when it is over. Only of a deploy or rollback that was begun, not waited for.
function Operation:next_step()
  if not self._steps then misuse("next_step: only a rollout has steps") end
  local place = self._seen + 1
  local ready = function() return self._steps[place] or self._done end
  if not wait_until(self._engine, ready, nil, self.method) then return nil end
  self._seen = place
  return self._steps[place]
end

-- All of them. The loops of Lua 5.1 cannot yield: in its coroutines, call `next_step`.
function Operation:steps()
  if not self._steps then misuse("steps: only a rollout has steps") end
  return function() return (self:next_step()) end
end

function Operation:__tostring()
  return ("rollcore.Operation: %d %s"):format(self.id, self.method)
end

-- An engine ---------------------------------------------------------------------------------------------------------------

local function begin(engine, method, params)
  local op, message, code, detail = told(opened(engine):submit(method, params))
  if not op then return nil, message, code, detail end
  local operation = setmetatable({ id = op, method = method, _engine = engine }, Operation)
  engine._operations[op] = operation
  return operation
end

local ROLLOUTS = { ["engine.deploy"] = true, ["engine.rollback"] = true }

-- Begins a method by its name, see `rollcore.methods()`; its parameters are the core's, times in milliseconds.
function Engine:submit(method, params)
  check("submit: method", method, "string")
  check("submit: params", params, "table", "nil")
  local operation, message, code, detail = begin(self, method, params or {})
  if not operation then return nil, message, code, detail end
  if ROLLOUTS[method] then
    operation._steps, operation._seen = {}, 0
    self._rollout = self._rollout or operation
  end
  return operation
end

local function call(engine, method, params, seconds)
  milliseconds(method, seconds)
  local operation, message, code, detail = begin(engine, method, params)
  if not operation then return nil, message, code, detail end
  return operation:wait(seconds)
end

-- Begins a deploy, and does not wait for it: `for step in rollout:steps() do`, `rollout:wait()`.
function Engine:rollout(release)
  return self:submit("engine.deploy", copy(release, "rollout"))
end

for name, method in pairs {
  deploy = "engine.deploy", plan = "engine.plan", rollback = "engine.rollback", stop = "engine.stop",
  restart = "engine.restart", resume = "engine.resume", shutdown = "engine.shutdown", history = "engine.events",
} do
  Engine[name] = function(self, params, seconds)
    return call(self, method, copy(params, name), seconds)
  end
end

-- Requests wait from now on, for so many seconds at most; without, until `resume`.
function Engine:pause(seconds)
  return call(self, "engine.pause", { timeoutMs = milliseconds("pause", seconds) })
end

function Engine:reload(config)
  local told_config, message, code, detail = rollcore.config(config)
  if not told_config then return nil, message, code, detail end
  return call(self, "engine.reload", { config = told_config })
end

-- How it is, from memory: "status" (of the engine), "processes", "proxies" or "leases".
function Engine:status(what)
  check("status", what, "string", "nil")
  return told(opened(self):snapshot(what or "status"))
end

-- Which events are told from now on: { "process.*", "rollout.*" }.
function Engine:subscribe(types)
  check("subscribe", types, "table")
  for _, kind in ipairs(types) do check("subscribe", kind, "string") end
  return told(opened(self):subscribe(types))
end

-- Calls `handler` for each event of that type, or of all that begin so: "process.*".
function Engine:on(pattern, handler)
  check("on: type", pattern, "string")
  check("on: handler", handler, "function")
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
  milliseconds("next_event", seconds)
  local event
  local function ready()
    event = event or take(self)
    return event
  end
  local ok, message, code = wait_until(self, ready, seconds, "next_event")
  if ok then return event end
  return nil, message, code
end

-- The next event of that type, for which `is_it(event)` holds; all others stay.
function Engine:wait_for(pattern, seconds, is_it)
  check("wait_for: type", pattern, "string")
  milliseconds("wait_for", seconds)
  check("wait_for: is_it", is_it, "function", "nil")
  local event
  local function ready()
    event = event or take(self, function(one) return matches(pattern, one.type) and (not is_it or is_it(one)) end)
    return event
  end
  local ok, message, code = wait_until(self, ready, seconds, "wait_for " .. pattern)
  if ok then return event end
  return nil, message, code
end

-- Every event that no handler took, until none comes in so many seconds.
function Engine:events(seconds)
  milliseconds("events", seconds)
  return function() return (self:next_event(seconds)) end
end

-- In an event loop ----------------------------------------------------------------------------------------------------------

-- Readable while there is something to dispatch. To be polled, not to be read or closed.
function Engine:fd()
  return opened(self):fd()
end

-- Takes what is there, calls handlers, and continues who waited for it. Never waits.
function Engine:dispatch()
  repeat
    local taken = pump(self, 0)
  until not taken
  wake(self)
end

-- In how many seconds `dispatch` has to be called although nothing is readable; nil: not at all.
function Engine:timeout()
  local nearest
  for sleeper in pairs(self._sleepers) do
    if sleeper.deadline and (not nearest or sleeper.deadline < nearest) then nearest = sleeper.deadline end
  end
  return nearest and math.max(0, nearest - core.now())
end

-- Starts a coroutine whose waits yield. Somebody has to call `dispatch`; or `run`.
function Engine:spawn(f, ...)
  check("spawn", f, "function")
  local thread = coroutine.create(f)
  self._tasks[thread] = true
  resume(self, thread, ...)
  return thread
end

-- Lets waits yield in every coroutine; `continue(thread)` resumes one, as the loop wants it.
function Engine:scheduler(continue)
  check("scheduler", continue, "function", "nil")
  self._resume = continue
end

-- Dispatches until everything that was spawned has ended.
function Engine:run()
  while next(self._tasks) do
    if not wake(self) then
      local ok, message, code = pump(self, self:timeout())
      if not ok and code ~= "timeout" then return nil, message, code end
    end
  end
  return true
end

-- Each hand alone -------------------------------------------------------------------------------------------------------------

local function hand(methods)
  local class = methods
  class.__index = class
  return class
end

local Process = hand {}
for name, method in pairs {
  start = "process.start", stop = "process.stop", restart = "process.restart", remove = "process.remove",
} do
  Process[name] = function(self, seconds)
    return call(self._engine, method, { id = self.id }, seconds)
  end
end

function Process:status()
  return call(self._engine, "process.status", { id = self.id })
end

function Process:signal(name)
  check("signal", name, "string")
  return call(self._engine, "process.signal", { id = self.id, signal = name })
end

-- A process to look after: { id = "web", command = "exec ./serve", ... } as in a config. It is not started yet.
function Engine:process(spec)
  local params = copy(spec, "process")
  local ok, message, code, detail = call(self, "process.define", params)
  if not ok then return nil, message, code, detail end
  return setmetatable({ id = params.id, _engine = self }, Process)
end

local Proxy = hand {}

-- Requests go there from now on: { { port = 18182 } }, in turn when there are several.
function Proxy:switch(targets, name)
  check("switch: targets", targets, "table")
  check("switch: name", name, "string", "nil")
  if next(targets) == nil then targets = rollcore.list end
  return call(self._engine, "proxy.switch", { id = self.id, targets = targets, name = name })
end

for name, method in pairs { drain = "proxy.drain", close = "proxy.close" } do
  Proxy[name] = function(self, seconds)
    return call(self._engine, method, { id = self.id, timeoutMs = milliseconds(name, seconds) })
  end
end

function Proxy:status()
  return call(self._engine, "proxy.status", { id = self.id })
end

-- A proxy that listens: { id = "web", host = "127.0.0.1", port = 8182, ... } as in a config.
function Engine:proxy(spec)
  local params = copy(spec, "proxy")
  local bound, message, code, detail = call(self, "proxy.open", params)
  if not bound then return nil, message, code, detail end
  return setmetatable({ id = params.id, host = bound.host, port = bound.port, _engine = self }, Proxy)
end

local Lease = hand {}

function Lease:release()
  return call(self._engine, "port.release", { leaseId = self.id })
end

-- A port that nobody else gets: a number, { from = 18000, to = 18099 }, or nil for any.
function Engine:port(port, host)
  check("port", port, "number", "table", "nil")
  check("port: host", host, "string", "nil")
  local lease, message, code, detail = call(self, "port.acquire", { port = port, host = host })
  if not lease then return nil, message, code, detail end
  return setmetatable({ id = lease.leaseId, port = lease.port, host = lease.host, _engine = self }, Lease)
end

-- Asks until the answer is 2xx: { url = "http://127.0.0.1:18182/ping", timeout = 30, interval = 0.25 }.
function Engine:health(probe)
  local params = in_milliseconds("health", copy(probe, "health"), { "timeout", "interval", "startDelay", "probeTimeout" })
  return call(self, "health.check", params)
end

-- Whether a process that exited at these seconds is started again, and when: { exits = { 0, 1.5 }, restart = {...} }.
function Engine:decide(given)
  local params = in_milliseconds("decide", copy(given, "decide"), { "restartDelay" })
  check("decide: exits", params.exits, "table")
  params.exitsMs = {}
  for place, seconds in ipairs(params.exits) do
    params.exitsMs[place] = milliseconds("decide: exits", seconds)
  end
  params.exits = nil
  return call(self, "restart.decide", params)
end

-- The end ---------------------------------------------------------------------------------------------------------------------

-- Ends the engine and every process, within its grace. Twice is once.
function Engine:close()
  if self._closed then return true end
  self._closed = true
  return told(self._core:close())
end

Engine.__close = function(engine) engine:close() end

function Engine:__tostring()
  return ("rollcore.Engine (%s)"):format(self._closed and "closed" or "open")
end

-- Opening -----------------------------------------------------------------------------------------------------------------------

-- A config as a table: the table itself, or what is in a file that is JSON.
function rollcore.config(config)
  check("config", config, "table", "string")
  if type(config) == "table" then return config end
  return told(core.read_config(config))
end

function rollcore.encode(value) return told(core.encode(value)) end

function rollcore.decode(text)
  check("decode", text, "string")
  return told(core.decode(text))
end

local OPTIONS = { workers = "workerThreads", queue = "queue", log = "log", simulate = "simulate" }

-- { config = "rollcore.json" or a table, keepState = true, log = "warn", grace = 10, workers = 1, queue = 4096,
--   simulate = { seed = 1 } }; without a config there is no engine, but each hand.
function rollcore.open(options)
  check("open", options, "table", "nil")
  local given, config, keep_state = {}, nil, nil
  for key, value in pairs(options or {}) do
    if OPTIONS[key] then given[OPTIONS[key]] = value
    elseif key == "grace" then given.graceMs = milliseconds("open: grace", value)
    elseif key == "config" then config = value
    elseif key == "keepState" then keep_state = value
    else misuse(("open: there is no option %q"):format(tostring(key))) end
  end
  local message, code, detail
  if config ~= nil then
    config, message, code, detail = rollcore.config(config)
    if not config then return nil, message, code, detail end
  end
  local handle
  handle, message, code, detail = told(core.open(given))
  if not handle then return nil, message, code, detail end
  local engine = setmetatable({
    _core = handle, _operations = {}, _handlers = {}, _kept = { first = 1, last = 0, dropped = 0 },
    _tasks = {}, _sleepers = {},
  }, Engine)
  if config then
    local bound
    bound, message, code, detail = call(engine, "engine.open", { config = config, keepState = keep_state })
    if not bound then
      engine:close()
      return nil, message, code, detail
    end
    engine.host, engine.port, engine.restored = bound.host, bound.port, bound.restored
  end
  return engine
end

return rollcore
