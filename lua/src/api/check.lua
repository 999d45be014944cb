-- What is used wrongly is an error, at whoever called; what the core refuses is nil, a message, a code and a detail.

local core = ...

local check = {}

-- A wrong argument, a wait inside of itself, a closed engine: mistakes of whoever calls.
check.MISUSE = { [-1] = true, [-7] = true, [3] = true }

-- Where these parts were called from: a level will not do, because a tail call takes its own frame away.
local function caller()
  for level = 3, 30 do
    local _, where = pcall(error, "", level)
    local file = where:match "^(.*):%d+: $"
    if file and not file:find "^rollcore/%l+$" then return where end
  end
  return ""
end

function check.misuse(message)
  error(caller() .. message, 0)
end

-- One of these kinds; tells which, and of what.
function check.kind(what, value, ...)
  for index = 1, select("#", ...) do
    if type(value) == select(index, ...) then return value end
  end
  local expected = table.concat({ ... }, " or ")
  check.misuse(("%s: %s expected, got %s"):format(what, expected, type(value)))
end

-- What the core answers.
function check.told(value, message, code, detail, number)
  if value ~= nil then return value end
  if check.MISUSE[number] then check.misuse(message) end
  return nil, message, code, detail
end

-- The engine in the core; a closed one has none.
function check.opened(engine)
  if engine._closed then check.misuse("the engine is closed") end
  return engine._core
end

-- Seconds as the core has them; nil stays nil.
function check.milliseconds(what, seconds)
  if seconds == nil then return nil end
  if type(seconds) ~= "number" or seconds ~= seconds or seconds < 0 then
    check.misuse(what .. ": seconds expected, 0 or more")
  end
  return math.floor(math.min(seconds * 1000, 2 ^ 53) + 0.5)
end

-- A table of its own, so that nothing is changed in the caller's.
function check.copy(given, what)
  if given ~= nil and type(given) ~= "table" then
    check.misuse(("%s: table expected, got %s"):format(what, type(given)))
  end
  local copied = {}
  for key, value in pairs(given or {}) do copied[key] = value end
  return copied
end

-- In the place of seconds under a name of Lua, milliseconds under that of the core.
function check.in_milliseconds(what, params, names)
  for _, name in ipairs(names) do
    if params[name] ~= nil then
      params[name .. "Ms"] = check.milliseconds(what .. "." .. name, params[name])
      params[name] = nil
    end
  end
  return params
end

-- A config as a table: the table itself, or what is in a file that is JSON.
function check.config(config)
  check.kind("config", config, "table", "string")
  if type(config) == "table" then return config end
  return check.told(core.read_config(config))
end

return check
