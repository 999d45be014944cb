-- What was begun, and has not ended yet: `engine:rollout`, `engine:submit`.

local _, part = ...
local check = part "check"
local waiting = part "waiting"

local Operation = {}
Operation.__index = Operation
Operation.__name = "rollcore.Operation"

-- The result; or nil, message, code and detail. Without seconds it waits for ever.
function Operation:wait(seconds)
  check.milliseconds("wait", seconds)
  local ok, message, code = waiting.wait_until(self._engine, function() return self._done end, seconds, self.method)
  if not ok then return nil, message, code end
  local done = self._done
  if done.ok then return done.result == nil and true or done.result end
  return nil, done.error.message, done.error.code, done.error.detail
end

-- Asks for its end; `wait` says how it ended.
function Operation:cancel()
  if self._done then return true end
  return check.told(check.opened(self._engine):cancel(self.id))
end

function Operation:is_done()
  return self._done ~= nil
end

-- The next event of this rollout; nil when it is over. Only of a deploy or rollback that was begun, not waited for.
function Operation:next_step()
  if not self._steps then check.misuse("next_step: only a rollout has steps") end
  local place = self._seen + 1
  local ready = function() return self._steps[place] or self._done end
  if not waiting.wait_until(self._engine, ready, nil, self.method) then return nil end
  self._seen = place
  return self._steps[place]
end

-- All of them. The loops of Lua 5.1 cannot yield: in its coroutines, call `next_step`.
function Operation:steps()
  if not self._steps then check.misuse("steps: only a rollout has steps") end
  return function() return (self:next_step()) end
end

function Operation:__tostring()
  return ("rollcore.Operation: %d %s"):format(self.id, self.method)
end

local operations = {}

-- Begins a method of the core.
function operations.begin(engine, method, params)
  local op, message, code, detail = check.told(check.opened(engine):submit(method, params))
  if not op then return nil, message, code, detail end
  local operation = setmetatable({ id = op, method = method, _engine = engine }, Operation)
  engine._operations[op] = operation
  return operation
end

-- Begins it, and waits for its end.
function operations.call(engine, method, params, seconds)
  check.milliseconds(method, seconds)
  local operation, message, code, detail = operations.begin(engine, method, params)
  if not operation then return nil, message, code, detail end
  return operation:wait(seconds)
end

return operations
