-- An engine among others: in somebody's event loop, and in coroutines.

local core, part = ...
local check = part "check"
local events = part "events"
local waiting = part "waiting"
local Engine = part "engine"

-- Readable while there is something to dispatch. To be polled, not to be read or closed.
function Engine:fd()
  return check.opened(self):fd()
end

-- Takes what is there, calls handlers, and continues who waited for it. Never waits.
function Engine:dispatch()
  local taken, message, code
  repeat
    taken, message, code = events.pump(self, 0)
  until not taken
  waiting.wake(self)
  if code ~= "timeout" then return nil, message, code end
  return true
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
  check.kind("spawn", f, "function")
  local thread = coroutine.create(f)
  self._tasks[thread] = true
  waiting.resume(self, thread, ...)
  return thread
end

-- Lets waits yield in every coroutine; `continue(thread)` resumes one, as the loop wants it.
function Engine:scheduler(continue)
  check.kind("scheduler", continue, "function", "nil")
  self._resume = continue
end

-- Dispatches until everything that was spawned has ended.
function Engine:run()
  while next(self._tasks) do
    if not waiting.wake(self) then
      local ok, message, code = events.pump(self, self:timeout())
      if not ok and code ~= "timeout" then return nil, message, code end
    end
  end
  return true
end

return Engine
