-- A wait: it blocks, or yields in a coroutine that somebody resumes.

local core, part = ...
local events = part "events"

local waiting = {}

local function is_scheduled(engine)
  local thread, is_main = coroutine.running()
  return thread and not is_main and (engine._resume or engine._tasks[thread]) and thread
end

-- Until `ready` says so. nil, message and code when that does not come.
function waiting.wait_until(engine, ready, seconds, what)
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
      local ok, message, code = events.pump(engine, left and math.max(left, 0))
      if not ok and code ~= "timeout" then return nil, message, code end
      if not ok and not ready() then return timed_out() end
    end
  end
  return true
end

-- Errors of a task go to whoever dispatches.
function waiting.resume(engine, thread, ...)
  if engine._resume and not engine._tasks[thread] then return engine._resume(thread, ...) end
  local ok, problem = coroutine.resume(thread, ...)
  if coroutine.status(thread) == "dead" then engine._tasks[thread] = nil end
  if not ok then error(problem, 0) end
end

-- Continues whose wait is over. Whether there was one.
function waiting.wake(engine)
  local now, due = core.now(), {}
  for sleeper in pairs(engine._sleepers) do
    if engine._closed or sleeper.ready() or (sleeper.deadline and sleeper.deadline <= now) then
      due[#due + 1] = sleeper
    end
  end
  for _, sleeper in ipairs(due) do
    if engine._sleepers[sleeper] and coroutine.status(sleeper.thread) == "suspended" then
      engine._sleepers[sleeper] = nil
      waiting.resume(engine, sleeper.thread)
    end
  end
  return #due > 0
end

return waiting
