---@meta rollcore

---Zero-downtime rollouts, in this process. Numbers are seconds; what is of a config has the config's names and units.
---What can fail returns nil, a message, a code and a detail; what is used wrongly is an error.
---@class rollcore
---@field version string
---@field null lightuserdata null in a list
---@field list lightuserdata a list that is empty
---@field interrupted? fun() called when a signal has ended a wait; it may raise
local rollcore = {}

---@class rollcore.Options
---@field config? table|string a config, or the path of one that is JSON; without, there is no engine, but each hand
---@field keepState? boolean write down what runs, and bring it back after a kill
---@field log? "off"|"warn"|"info"|"debug"
---@field grace? number seconds that closing may take; 10
---@field workers? integer threads that conduct; 1
---@field queue? integer events that are kept for whoever does not read; 4096
---@field simulate? { seed?: integer, broken?: string[] } a made-up world: no process, no port, no time

---@param options? rollcore.Options
---@return rollcore.Engine? engine
---@return string? message
---@return string? code
---@return table? detail
function rollcore.open(options) end

---@param config table|string
---@return table? config
---@return string? message
---@return string? code
function rollcore.config(config) end

---@return string[]
function rollcore.methods() end

---@param method string
---@return table? schema
function rollcore.schema(method) end

---@param value any
---@return string json
function rollcore.encode(value) end

---@param text string
---@return any? value
---@return string? message
---@return string? code
function rollcore.decode(text) end

---@class rollcore.Event
---@field type string such as "rollout.step" or "process.exit"
---@field at? string
---@field message? string
---@field data? table
---@field seq? integer

---@class rollcore.Release
---@field releaseId string
---@field releasePath string
---@field revision? string

---@class rollcore.Operation
---@field id integer
---@field method string
local Operation = {}

---@param seconds? number without: for ever
---@return table|true? result
---@return string? message
---@return string? code
---@return table? detail
function Operation:wait(seconds) end

---@return fun(): rollcore.Event?
function Operation:steps() end

---In a coroutine of Lua 5.1, whose loops cannot yield.
---@return rollcore.Event? event nil when it is over
function Operation:next_step() end

---@return boolean
function Operation:is_done() end

---@return true?
---@return string? message
---@return string? code
function Operation:cancel() end

---@class rollcore.Engine
---@field host? string where the proxy listens
---@field port? integer
---@field restored? string the release that was brought back
local Engine = {}

---@param release rollcore.Release
---@param seconds? number
---@return table? moved activeReleaseId, previousReleaseId
---@return string? message
---@return string? code
---@return table? detail
function Engine:deploy(release, seconds) end

---@param release rollcore.Release
---@return rollcore.Operation? rollout
---@return string? message
---@return string? code
---@return table? detail
function Engine:rollout(release) end

---@param release rollcore.Release
---@param seconds? number
---@return table? plan
---@return string? message
---@return string? code
function Engine:plan(release, seconds) end

---@param to? { releaseId?: string }
---@param seconds? number
---@return table? moved
---@return string? message
---@return string? code
---@return table? detail
function Engine:rollback(to, seconds) end

---@param what? { releaseId?: string }
---@param seconds? number
---@return table? done
---@return string? message
---@return string? code
function Engine:stop(what, seconds) end

---@param what? { processId?: string, policy?: string }
---@param seconds? number
---@return table? restarted
---@return string? message
---@return string? code
function Engine:restart(what, seconds) end

---@param config table|string
---@return table? done
---@return string? message
---@return string? code
---@return table? detail
function Engine:reload(config) end

---@param seconds? number after which traffic is resumed by itself
---@return table? traffic
---@return string? message
---@return string? code
function Engine:pause(seconds) end

---@return table? traffic
---@return string? message
---@return string? code
function Engine:resume() end

---@param how? { drain?: boolean }
---@param seconds? number
---@return table? report
---@return string? message
---@return string? code
function Engine:shutdown(how, seconds) end

---@param what? { after?: integer, limit?: integer }
---@param seconds? number
---@return table? events
---@return string? message
---@return string? code
function Engine:history(what, seconds) end

---@param what? "status"|"processes"|"proxies"|"leases"
---@return table? status
---@return string? message
---@return string? code
function Engine:status(what) end

---@param method string see rollcore.methods()
---@param params? table as the core has them: times in milliseconds
---@return rollcore.Operation? operation
---@return string? message
---@return string? code
---@return table? detail
function Engine:submit(method, params) end

---@param types string[] such as { "process.*", "log" }
---@return true?
---@return string? message
---@return string? code
function Engine:subscribe(types) end

---@param pattern string such as "process.exit" or "process.*"
---@param handler fun(event: rollcore.Event)
---@return fun() off
function Engine:on(pattern, handler) end

---@param seconds? number
---@return rollcore.Event? event
---@return string? message
---@return string? code
function Engine:next_event(seconds) end

---@param pattern string
---@param seconds? number
---@param is_it? fun(event: rollcore.Event): boolean
---@return rollcore.Event? event
---@return string? message
---@return string? code
function Engine:wait_for(pattern, seconds, is_it) end

---@param seconds? number
---@return fun(): rollcore.Event?
function Engine:events(seconds) end

---@return integer descriptor to be polled, never read or closed
function Engine:fd() end

---Takes what is there, calls handlers, continues coroutines. Never waits.
---@return true?
---@return string? message
---@return string? code
function Engine:dispatch() end

---@return number? seconds after which dispatch has to be called although nothing is readable
function Engine:timeout() end

---@param f fun(...)
---@return thread
function Engine:spawn(f, ...) end

---@param continue? fun(thread: thread, ...)
function Engine:scheduler(continue) end

---@return true?
---@return string? message
---@return string? code
function Engine:run() end

---@class rollcore.Process
---@field id string
local Process = {}
---@param seconds? number
---@return table?, string?, string?
function Process:start(seconds) end
---@param seconds? number
---@return table?, string?, string?
function Process:stop(seconds) end
---@param seconds? number
---@return table?, string?, string?
function Process:restart(seconds) end
---@return table?, string?, string?
function Process:status() end
---@param seconds? number
---@return table?, string?, string?
function Process:remove(seconds) end
---@param name string such as "SIGHUP"
---@return table?, string?, string?
function Process:signal(name) end

---@param spec table as an entry of `processes` in a config
---@return rollcore.Process?
---@return string? message
---@return string? code
---@return table? detail
function Engine:process(spec) end

---@class rollcore.Proxy
---@field id string
---@field host string
---@field port integer
local Proxy = {}
---@param targets { host?: string, port?: integer, socket?: string }[]
---@param name? string
---@return table?, string?, string?
function Proxy:switch(targets, name) end
---@param seconds? number
---@return table?, string?, string?
function Proxy:drain(seconds) end
---@param seconds? number
---@return table?, string?, string?
function Proxy:close(seconds) end
---@return table?, string?, string?
function Proxy:status() end

---@param spec table as `proxy` in a config, with an id
---@return rollcore.Proxy?
---@return string? message
---@return string? code
---@return table? detail
function Engine:proxy(spec) end

---@class rollcore.Lease
---@field id string
---@field host string
---@field port integer
local Lease = {}
---@return table?, string?, string?
function Lease:release() end

---@param port? integer|{ from: integer, to: integer }
---@param host? string
---@return rollcore.Lease?
---@return string? message
---@return string? code
function Engine:port(port, host) end

---@param probe { url?: string, socket?: string, path?: string, timeout?: number, interval?: number, startDelay?: number, probeTimeout?: number }
---@return table?, string?, string?, table?
function Engine:health(probe) end

---@param exits { exits: number[], restart?: table, restartDelay?: number }
---@return table?, string?, string?
function Engine:decide(exits) end

---Ends the engine and everything it has started, within its grace.
---@return true?
function Engine:close() end

return rollcore
