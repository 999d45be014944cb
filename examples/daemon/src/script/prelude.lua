-- What a deploy script has beside Lua's own libraries: sh, env, log, fail and on_error.
-- `native` is what only the host can do; what is returned runs a script to its end.

local native = ...

local undo = {}
local is_ending = false

-- What a script ends with on purpose: its message is shown as it is, without a place.
local Failure = { __name = "failure" }
Failure.__tostring = function(failure) return failure.message end

local function failure(message, code)
  return setmetatable({ message = message, code = code }, Failure)
end

local function check_interrupt()
  local signal, number = native.signal()
  if signal then
    error(failure("interrupted by " .. signal, 128 + number), 0)
  end
end

-- A message for people, without a traceback.
local function told(problem)
  if type(problem) == "table" and not (getmetatable(problem) or {}).__tostring then
    return "the error is a table that says nothing"
  end
  local text = tostring(problem):gsub("^runtime error: ", "")
  return (text:gsub("\nstack traceback:.*$", ""))
end

-- Tells what went wrong, then takes back what was done, the last thing first. Returns the exit code.
local function ended_badly(problem)
  is_ending = true
  local signal, number = native.signal()
  if signal then
    problem = failure("interrupted by " .. signal, 128 + number)
    native.forget_signal()
  end
  local message = told(problem)
  io.stdout:flush()
  native.complain("Error: " .. message .. "\n")
  for index = #undo, 1, -1 do
    local ok, another = pcall(undo[index], message)
    if not ok then
      io.stdout:flush()
      native.complain("Error: on_error: " .. told(another) .. "\n")
    end
  end
  return getmetatable(problem) == Failure and problem.code or 1
end

local function checked(name, value, ...)
  for _, expected in ipairs { ... } do
    if type(value) == expected then return value end
  end
  error(("%s: a %s was expected, not a %s"):format(name, table.concat({ ... }, " or a "), type(value)), 3)
end

env = native.environment()

function fail(message, code)
  checked("fail: message", message, "string", "number")
  checked("fail: code", code, "nil", "number")
  if code and (math.type(code) ~= "integer" or code < 1 or code > 255) then
    error("fail: code must be a whole number from 1 to 255", 2)
  end
  error(failure(tostring(message), code or 1), 0)
end

function on_error(handler)
  checked("on_error", handler, "function")
  undo[#undo + 1] = handler
end

function log(message, ...)
  checked("log", message, "string", "number")
  local text = select("#", ...) > 0 and message:format(...) or tostring(message)
  io.stdout:flush()
  native.complain(os.date("%H:%M:%S ") .. text .. "\n")
end

local kinds = {
  cwd = { "string" }, quiet = { "boolean" }, check = { "boolean" }, input = { "string" }, timeout = { "number" },
}

local function order(given)
  local options = type(given) == "table" and given or { given }
  for key, value in pairs(options) do
    if key ~= 1 then
      if not kinds[key] then
        error(("sh: there is no option %q; there are check, cwd, input, quiet and timeout"):format(tostring(key)), 3)
      elseif type(value) ~= kinds[key][1] then
        error(("sh: %s: a %s was expected, not a %s"):format(key, kinds[key][1], type(value)), 3)
      end
    end
  end
  if type(options[1]) ~= "string" then
    error("sh: a command was expected, not a " .. type(options[1]), 3)
  end
  if options.timeout and not (options.timeout > 0 and options.timeout <= native.timeout_max) then
    error(("sh: timeout must be above 0 and at most %d seconds"):format(native.timeout_max), 3)
  end
  return options
end

local function variables()
  local list = {}
  for name, value in pairs(env) do
    local fits = type(name) == "string" and name ~= "" and not name:find("[=%z]")
    if not fits or (type(value) ~= "string" and type(value) ~= "number") or tostring(value):find("%z") then
      error(("sh: env: %q cannot be in an environment"):format(tostring(name)), 3)
    end
    list[#list + 1] = { name, tostring(value) }
  end
  return list
end

function sh(given)
  local options = order(given)
  local list = variables()
  io.stdout:flush()
  local ran = native.sh(options[1], options, list)
  check_interrupt()
  local command = #options[1] > 200 and options[1]:sub(1, 200) .. "..." or options[1]
  local problem = ran.problem
  if not problem and ran.code ~= 0 and options.check ~= false then
    problem = ran.signal and "ended by " .. ran.signal or "ended with exit code " .. ran.code
  end
  if problem then
    if options.quiet then native.complain(ran.output) end
    error(("sh: `%s` %s"):format(command, problem), 2)
  end
  return (ran.output:gsub("\r?\n$", "")), ran.code
end

-- So that what is open is closed, whoever ends the script.
os.exit = function(code)
  if code == nil or code == true then code = 0 elseif code == false then code = 1 end
  checked("os.exit", code, "number")
  code = math.tointeger(code) or error("os.exit: the code must be a whole number", 2)
  if code ~= 0 and not is_ending then
    ended_badly(failure("exit code " .. code, code))
  end
  io.stdout:flush()
  native.exit(code & 0xff)
end

-- A wait that a signal has ended looks here whether to go on.
require("rollcore").interrupted = check_interrupt

return {
  -- As it was before the script.
  xpcall = xpcall,
  -- The script has come to its end. A signal that it has caught ends it all the same.
  ended = function(ok, problem)
    local code = ok and not native.signal() and 0 or ended_badly(problem)
    io.stdout:flush()
    return code
  end,
}
