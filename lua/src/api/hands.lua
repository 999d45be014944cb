-- Each hand alone, without a rollout: a process, a proxy, a port, a health check, a decision.

local core, part = ...
local check = part "check"
local operations = part "operation"
local Engine = part "engine"

local function hand()
  local class = {}
  class.__index = class
  return class
end

local PROBE_SECONDS = { "timeout", "interval", "startDelay", "probeTimeout" }

local Process = hand()
for name, method in pairs {
  start = "process.start", stop = "process.stop", restart = "process.restart", remove = "process.remove",
} do
  Process[name] = function(self, seconds)
    return operations.call(self._engine, method, { id = self.id }, seconds)
  end
end

function Process:status()
  return operations.call(self._engine, "process.status", { id = self.id })
end

function Process:signal(name)
  check.kind("signal", name, "string")
  return operations.call(self._engine, "process.signal", { id = self.id, signal = name })
end

-- A process to look after: { id = "web", command = "exec ./serve", ... } as in a config. It is not started yet.
function Engine:process(spec)
  local params = check.copy(spec, "process")
  local ok, message, code, detail = operations.call(self, "process.define", params)
  if not ok then return nil, message, code, detail end
  return setmetatable({ id = params.id, _engine = self }, Process)
end

local Proxy = hand()

-- Requests go there from now on: { { port = 18182 } }, in turn when there are several.
function Proxy:switch(targets, name)
  check.kind("switch: targets", targets, "table")
  check.kind("switch: name", name, "string", "nil")
  if next(targets) == nil then targets = core.list end
  return operations.call(self._engine, "proxy.switch", { id = self.id, targets = targets, name = name })
end

for name, method in pairs { drain = "proxy.drain", close = "proxy.close" } do
  Proxy[name] = function(self, seconds)
    return operations.call(self._engine, method, { id = self.id, timeoutMs = check.milliseconds(name, seconds) })
  end
end

function Proxy:status()
  return operations.call(self._engine, "proxy.status", { id = self.id })
end

-- A proxy that listens: { id = "web", host = "127.0.0.1", port = 8182, ... } as in a config.
function Engine:proxy(spec)
  local params = check.copy(spec, "proxy")
  local bound, message, code, detail = operations.call(self, "proxy.open", params)
  if not bound then return nil, message, code, detail end
  return setmetatable({ id = params.id, host = bound.host, port = bound.port, _engine = self }, Proxy)
end

local Lease = hand()

function Lease:release()
  return operations.call(self._engine, "port.release", { leaseId = self.id })
end

-- A port that nobody else gets: a number, { from = 18000, to = 18099 }, or nil for any.
function Engine:port(port, host)
  check.kind("port", port, "number", "table", "nil")
  check.kind("port: host", host, "string", "nil")
  local lease, message, code, detail = operations.call(self, "port.acquire", { port = port, host = host })
  if not lease then return nil, message, code, detail end
  return setmetatable({ id = lease.leaseId, port = lease.port, host = lease.host, _engine = self }, Lease)
end

-- Asks until the answer is 2xx: { url = "http://127.0.0.1:18182/ping", timeout = 30, interval = 0.25 }.
function Engine:health(probe)
  local params = check.in_milliseconds("health", check.copy(probe, "health"), PROBE_SECONDS)
  return operations.call(self, "health.check", params)
end

-- Whether a process that exited at these seconds is started again, and when: { exits = { 0, 1.5 }, restart = {...} }.
function Engine:decide(given)
  local params = check.in_milliseconds("decide", check.copy(given, "decide"), { "restartDelay" })
  check.kind("decide: exits", params.exits, "table")
  params.exitsMs = {}
  for place, seconds in ipairs(params.exits) do
    params.exitsMs[place] = check.milliseconds("decide: exits", seconds)
  end
  params.exits = nil
  return operations.call(self, "restart.decide", params)
end

return Engine
