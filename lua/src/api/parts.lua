-- Puts the API together: each part is compiled once, and gets the core and a way to the others. `compiled(name)` knows where
-- they are.

local core, compiled = ...

local parts = {}

local function part(name)
  if parts[name] == nil then parts[name] = compiled(name)(core, part) end
  return parts[name]
end

return part "rollcore"
