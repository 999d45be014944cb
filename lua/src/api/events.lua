-- Where events go: to the operation that they end, to handlers, or where `next_event` finds them.

local _, part = ...
local check = part "check"

local events = {}

-- Whether a type is meant: "process.exit", or all that begin so, "process.*".
function events.matches(pattern, kind)
  if pattern:sub(-1) == "*" then
    return kind:sub(1, #pattern - 1) == pattern:sub(1, -2)
  end
  return pattern == kind
end

-- How many events nobody took are kept for `next_event`; older ones are dropped, and a `queue.lagged` says how many.
local KEPT_MAX = 4096

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

-- The oldest event that nobody took, of those that are wanted.
function events.take(engine, wanted)
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
    if events.matches(handler.pattern, event.type) then
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

-- A signal has ended a wait: whoever has a handler for it is asked here. Lua's own interpreters raise by themselves.
function events.interrupted() end

-- Takes one event, or waits for it. true, or nil with the message and the code.
function events.pump(engine, seconds)
  local handle = check.opened(engine)
  local event, message, code, _, number = unwrapped(pcall(handle.next, handle, seconds))
  if event then
    route(engine, event)
    return true
  end
  if code == "interrupted" then
    events.interrupted()
    return true
  end
  if check.MISUSE[number] then check.misuse(message) end
  return nil, message, code
end

return events
