-- What types/rollcore.d.lua, whose path is the argument, says of the API is so, and nothing is left out.
local rollcore = require "rollcore"

local file = assert(io.open(arg[1]))
local text = file:read "*a"
file:close()

-- What it says: the fields of each class, and the parameters of each function with their own fields.
local fields, functions, class, parameters = {}, {}, nil, {}
for line in text:gmatch "[^\n]+" do
  local name, kind = line:match "^%-%-%-@field ([%w_]+%??) (.*)$"
  class = line:match "^%-%-%-@class ([%w_.]+)" or class
  if name then
    fields[class] = fields[class] or {}
    fields[class][name:gsub("%?$", "")] = { optional = name:sub(-1) == "?", kind = kind }
  end
  local parameter, of = line:match "^%-%-%-@param ([%w_.]+)%?? (.*)$"
  if parameter then parameters[#parameters + 1] = { name = parameter, kind = of } end
  local owner, called, list = line:match "^function (%w+)[.:]([%w_]+)%(([^)]*)%) end$"
  if owner then
    local names = {}
    for one in list:gmatch "[%w_.]+" do names[#names + 1] = one end
    functions[owner] = functions[owner] or {}
    functions[owner][called] = { names = names, parameters = parameters }
    parameters = {}
  end
end

local engine = assert(rollcore.open { grace = 5 })
local objects = {
  rollcore = rollcore,
  Engine = engine,
  Operation = assert(engine:submit "engine.status"),
  Process = assert(engine:process { id = "p", command = "true" }),
  Proxy = assert(engine:proxy { id = "front", port = 0 }),
  Lease = assert(engine:port()),
}

local function sorted(keys)
  local list = {}
  for key in pairs(keys) do list[#list + 1] = key end
  table.sort(list)
  return table.concat(list, " ")
end

local function same(what, said, is)
  assert(sorted(said) == sorted(is), ("%s: it says: %s; there is: %s"):format(what, sorted(said), sorted(is)))
end

-- Every function of every class.
for name, object in pairs(objects) do
  local methods = getmetatable(object) and getmetatable(object).__index or object
  local is = {}
  for key, value in pairs(methods) do
    if type(value) == "function" and key:sub(1, 1) ~= "_" then is[key] = value end
  end
  same(name, functions[name], is)
  for key, said in pairs(functions[name]) do
    local info = debug.getinfo(is[key], "u")
    -- Lua 5.1 does not tell, and nothing does of what is not Lua.
    if info.nparams and not info.isvararg then
      local count = #said.names + (methods ~= object and 1 or 0)
      assert(info.nparams == count, ("%s.%s has %d parameters, and it says %d"):format(name, key, info.nparams, count))
    end
    for place, parameter in ipairs(said.parameters) do
      assert(parameter.name == said.names[place], name .. "." .. key .. ": " .. parameter.name)
    end
  end
end

-- Every field.
for name, object in pairs(objects) do
  local said = fields[name == "rollcore" and name or "rollcore." .. name] or {}
  for key, value in pairs(object) do
    if type(value) ~= "function" and key:sub(1, 1) ~= "_" then assert(said[key], name .. "." .. key .. " is not said") end
  end
  for key, field in pairs(said) do
    assert(object[key] ~= nil or field.optional, ("%s has no %s"):format(name, key))
  end
end

-- Every option of `open`, which tells them when it does not know one.
local _, problem = pcall(rollcore.open, { x = 1 })
local options = {}
for word in problem:match("there are (.*)"):gmatch "%w+" do options[word] = true end
same("open", fields["rollcore.Options"], options)

-- Every parameter of the core's methods.
local function written(kind)
  local named = kind:match "^rollcore%.%w+$"
  if named then return fields[named] end
  local keys = {}
  for key in kind:gmatch "([%w_]+)%??:" do keys[key] = true end
  return keys
end

local SECONDS = { timeout = true, interval = true, startDelay = true, probeTimeout = true, exits = true, restartDelay = true }
for name, method in pairs {
  deploy = "engine.deploy", rollout = "engine.deploy", plan = "engine.plan", rollback = "engine.rollback",
  stop = "engine.stop", restart = "engine.restart", shutdown = "engine.shutdown", history = "engine.events",
  health = "health.check", decide = "restart.decide",
} do
  local said = {}
  for key in pairs(written(functions.Engine[name].parameters[1].kind)) do
    said[(name == "health" or name == "decide") and SECONDS[key] and key .. "Ms" or key] = true
  end
  same(name, said, rollcore.schema(method).properties)
end

engine:close()
print "passed"
