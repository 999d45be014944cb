-- require "rollcore" for LuaJIT without a module to build: the same API over librollcore, by LuaJIT's FFI.
--
--   LUA_PATH='examples/luajit/?.lua;;' luajit examples/lua/story.lua
--
-- ROLLCORE_LIB names the library, otherwise the system's is taken. What Lua calls is in lua/src/api; here is what it stands
-- on. Nothing calls back into Lua: LuaJIT must not be entered on a thread that it does not know.

local ffi = require "ffi"
local json = require "rollcore_json"

ffi.cdef [[
typedef struct rollcore rollcore;
typedef struct rollcore_event rollcore_event;
uint32_t rollcore_abi_version(void);
const char *rollcore_version(void);
int32_t rollcore_new(const char *options, rollcore **out, char **error);
void rollcore_free(rollcore *rc);
int32_t rollcore_submit(rollcore *rc, const char *method, const char *params, uint64_t tag, uint64_t *op, char **error);
int32_t rollcore_cancel(rollcore *rc, uint64_t op);
int32_t rollcore_subscribe(rollcore *rc, const char *filter, char **error);
int32_t rollcore_snapshot(const rollcore *rc, const char *selector, char **out, char **error);
int32_t rollcore_schema(const char *name, char **out, char **error);
int rollcore_event_fd(const rollcore *rc);
int32_t rollcore_next_event(rollcore *rc, int32_t timeout_ms, rollcore_event **out, char **error);
const char *rollcore_event_json(const rollcore_event *event);
void rollcore_event_free(rollcore_event *event);
void rollcore_string_free(char *string);
typedef struct { long seconds; long nanoseconds; } rollcore_luajit_timespec;
int clock_gettime(int clock, rollcore_luajit_timespec *now);
]]

local ABI = 1
local MONOTONIC = 1
local TIMEOUT, INTERRUPTED, CLOSED = 1, 2, 3
local FORKED, FAILED = -6, -10

local C = ffi.load(os.getenv("ROLLCORE_LIB") or "librollcore.so.0.1")
if C.rollcore_abi_version() ~= ABI then
  error("librollcore speaks another version of its interface: " .. C.rollcore_abi_version(), 0)
end

-- Frees what the library has given, and keeps its text.
local function taken(out)
  if out[0] == nil then return nil end
  local text = ffi.string(out[0])
  C.rollcore_string_free(out[0])
  return text
end

local function failure(status, out)
  local text = taken(out)
  local problem = text and json.decode(text) or { code = "unknown", message = "status " .. status, detail = {} }
  return nil, problem.message, problem.code, problem.detail, tonumber(status)
end

local function encoded(value)
  local ok, text = pcall(json.encode, value)
  if ok then return text end
  return nil, text, "argument", {}, -1
end

local Handle = {}
Handle.__index = Handle

function Handle:submit(method, params)
  local text, message, code, detail, number = encoded(params)
  if not text then return nil, message, code, detail, number end
  local op, out = ffi.new "uint64_t[1]", ffi.new "char *[1]"
  local status = C.rollcore_submit(self.rc, method, text, 0, op, out)
  if status ~= 0 then return failure(status, out) end
  return tonumber(op[0])
end

function Handle:next(seconds)
  if self.rc == nil then return nil, "the engine is closed", "closed", {}, CLOSED end
  -- What waits longer than three weeks waits for ever.
  local ms = seconds and seconds < 2e6 and math.ceil(math.max(seconds, 0) * 1000) or -1
  local event, out = ffi.new "rollcore_event *[1]", ffi.new "char *[1]"
  local status = C.rollcore_next_event(self.rc, ms, event, out)
  if status == 0 then
    local text = ffi.string(C.rollcore_event_json(event[0]))
    C.rollcore_event_free(event[0])
    return json.decode(text)
  end
  if status == TIMEOUT then return nil, "nothing happened in time", "timeout", {}, FAILED end
  if status == INTERRUPTED then return nil, "a signal came", "interrupted", {}, FAILED end
  if status == CLOSED then return nil, "the engine is closed", "closed", {}, FAILED end
  return failure(status, out)
end

-- The only call that has nothing to say beyond its status.
function Handle:cancel(op)
  local status = C.rollcore_cancel(self.rc, op)
  if status == 0 then return true end
  if status == FORKED then
    return nil, "this process is a fork of the one that made the handle; make another one here", "forked", {}, FORKED
  end
  return nil, "there is no such operation", "not_found", {}, tonumber(status)
end

function Handle:subscribe(types)
  local out = ffi.new "char *[1]"
  local filter = json.encode { types = #types > 0 and types or json.list }
  local status = C.rollcore_subscribe(self.rc, filter, out)
  if status ~= 0 then return failure(status, out) end
  return true
end

function Handle:snapshot(what)
  local text, out = ffi.new "char *[1]", ffi.new "char *[1]"
  local status = C.rollcore_snapshot(self.rc, json.encode { what = what }, text, out)
  if status ~= 0 then return failure(status, out) end
  return json.decode(taken(text))
end

function Handle:fd() return C.rollcore_event_fd(self.rc) end

function Handle:close()
  if self.rc == nil then return true end
  -- Freeing says nothing, also where it does nothing.
  local _, message, code, detail, status = self:cancel(0)
  C.rollcore_free(ffi.gc(self.rc, nil))
  self.rc = nil
  if status == FORKED then return nil, message, code, detail, status end
  return true
end

local core = { version = ffi.string(C.rollcore_version()), null = json.null, list = json.list }

function core.open(options)
  local text, message, code, detail, number = encoded(options)
  if not text then return nil, message, code, detail, number end
  local rc, out = ffi.new "rollcore *[1]", ffi.new "char *[1]"
  local status = C.rollcore_new(text, rc, out)
  if status ~= 0 then return failure(status, out) end
  return setmetatable({ rc = ffi.gc(rc[0], C.rollcore_free) }, Handle)
end

function core.now()
  local now = ffi.new "rollcore_luajit_timespec"
  ffi.C.clock_gettime(MONOTONIC, now)
  return tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9
end

function core.schema(name)
  local text, out = ffi.new "char *[1]", ffi.new "char *[1]"
  if C.rollcore_schema(name, text, out) ~= 0 then
    taken(out)
    return nil
  end
  return json.decode(taken(text))
end

function core.methods() return core.schema(nil).methods end

function core.encode(value) return encoded(value) end

function core.decode(text)
  local ok, value = pcall(json.decode, text)
  if ok then return value end
  return nil, value, "invalid_json", {}, FAILED
end

function core.read_config(path)
  local file, problem = io.open(path, "rb")
  local text = file and file:read "*a"
  if file then file:close() end
  local ok, config = pcall(json.decode, text or "")
  if text and ok then return config end
  problem = problem or (text and config) or "it is no file"
  return nil, path .. " cannot be read: " .. problem, "config_unreadable", {}, FAILED
end

-- Beside this file when it was installed, else where the sources have it.
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"

local function compiled(name)
  local file = io.open(here .. "rollcore_api/" .. name .. ".lua", "rb")
    or assert(io.open(here .. "../../lua/src/api/" .. name .. ".lua", "rb"))
  local source = file:read "*a"
  file:close()
  -- A mistake of the caller is told at the first place with another name.
  return assert(loadstring(source, "=rollcore/" .. name))
end

return compiled "parts"(core, compiled)
