-- As much JSON as rollcore needs: LuaJIT has none. A table with elements is a list, one without a mapping.

local json = { null = setmetatable({}, { __tostring = function() return "null" end }), list = {} }

local DEPTH_MAX = 100

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\" }

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(char)
    return ESCAPES[char] or ("\\u%04x"):format(char:byte())
  end) .. '"'
end

local function written(value, depth, around)
  local kind = type(value)
  if value == json.null or value == nil then return "null" end
  if value == json.list then return "[]" end
  if kind == "string" then return quoted(value) end
  if kind == "boolean" then return tostring(value) end
  if kind == "number" then
    if value ~= value or value == math.huge or value == -math.huge then error("not a number", 0) end
    return value % 1 == 0 and math.abs(value) <= 2 ^ 53 and ("%.0f"):format(value) or ("%.17g"):format(value)
  end
  if kind ~= "table" then error("a " .. kind .. " cannot be JSON", 0) end
  if depth > DEPTH_MAX then error("more than " .. DEPTH_MAX .. " levels deep", 0) end
  if around[value] then error("the table is inside of itself", 0) end
  around[value] = true
  local parts = {}
  if #value > 0 then
    for place = 1, #value do parts[place] = written(value[place], depth + 1, around) end
    for key in pairs(value) do
      if type(key) ~= "number" or not parts[key] then error("a list with keys, or with holes", 0) end
    end
    around[value] = nil
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, inner in pairs(value) do
    if type(key) ~= "string" then error("a table with keys that are no text, or a list with holes", 0) end
    parts[#parts + 1] = quoted(key) .. ":" .. written(inner, depth + 1, around)
  end
  around[value] = nil
  return "{" .. table.concat(parts, ",") .. "}"
end

function json.encode(value) return written(value, 1, {}) end

local SHORT = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function utf8(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then return string.char(0xc0 + math.floor(code / 0x40), 0x80 + code % 0x40) end
  local low = { 0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40 }
  if code < 0x10000 then return string.char(0xe0 + math.floor(code / 0x1000), low[1], low[2]) end
  local high = 0x80 + math.floor(code / 0x1000) % 0x40
  return string.char(0xf0 + math.floor(code / 0x40000), high, low[1], low[2])
end

local function unquoted(text)
  text = text:gsub("\\u(d[89ab]%x%x)\\u(d[c-f]%x%x)", function(high, low)
    return utf8(0x10000 + (tonumber(high, 16) - 0xd800) * 0x400 + tonumber(low, 16) - 0xdc00)
  end)
  return (text:gsub("\\(.)(%x?%x?%x?%x?)", function(char, digits)
    if char == "u" then return utf8(tonumber(digits, 16)) end
    return (SHORT[char] or char) .. digits
  end))
end

local function wrong(at) error("no JSON at byte " .. at, 0) end

local function space(text, at) return text:find("[^ \n\r\t]", at) or #text + 1 end

local value_at

local function string_at(text, at)
  local stop = at + 1
  while true do
    stop = text:find('["\\]', stop) or wrong(at)
    if text:sub(stop, stop) == '"' then return unquoted(text:sub(at + 1, stop - 1)), stop + 1 end
    stop = stop + 2
  end
end

-- What is between the brackets, one after the other.
local function each(text, at, close, one)
  at = space(text, at + 1)
  if text:sub(at, at) == close then return at + 1 end
  while true do
    at = space(text, one(at))
    local sign = text:sub(at, at)
    if sign == close then return at + 1 end
    if sign ~= "," then wrong(at) end
    at = space(text, at + 1)
  end
end

local WORDS = { t = { "true", true }, f = { "false", false }, n = { "null", json.null } }

function value_at(text, at, depth)
  if depth > DEPTH_MAX * 2 then wrong(at) end
  local sign = text:sub(at, at)
  if sign == '"' then return string_at(text, at) end
  if sign == "[" then
    local list = {}
    return list, each(text, at, "]", function(place)
      list[#list + 1], place = value_at(text, place, depth + 1)
      return place
    end)
  elseif sign == "{" then
    local map = {}
    return map, each(text, at, "}", function(place)
      if text:sub(place, place) ~= '"' then wrong(place) end
      local key, value
      key, place = string_at(text, place)
      place = space(text, place)
      if text:sub(place, place) ~= ":" then wrong(place) end
      value, place = value_at(text, space(text, place + 1), depth + 1)
      if value ~= json.null then map[key] = value end
      return place
    end)
  end
  local word = WORDS[sign]
  if word and text:sub(at, at + #word[1] - 1) == word[1] then return word[2], at + #word[1] end
  local number = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at)
  if not number or not tonumber(number) then wrong(at) end
  return tonumber(number), at + #number
end

function json.decode(text)
  local at = space(text, 1)
  local value, stop = value_at(text, at, 1)
  stop = space(text, stop)
  if stop <= #text then wrong(stop) end
  return value
end

return json
