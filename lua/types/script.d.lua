---@meta

---What a script has that is run with `rollcore run`.

---@class rollcore.Command
---@field [1] string for the shell
---@field check? boolean false: a failure is no error
---@field quiet? boolean the output is only for the script
---@field cwd? string
---@field input? string what it reads
---@field timeout? number seconds

---Runs a command, shows its output while it runs, and returns it. A command that fails is an error.
---@param command string|rollcore.Command
---@return string output without its last line end
---@return integer code its exit code; 128 and the number of a signal that ended it
function sh(command) end

---The environment of what `sh` runs.
---@type table<string, string>
env = {}

---Tells people something, with the time.
---@param message string
---@param ... any for string.format
function log(message, ...) end

---Ends the script as failed.
---@param message string
---@param code? integer exit code; 1
function fail(message, code) end

---When the script fails, the handlers are called in reverse.
---@param handler fun(message: string)
function on_error(handler) end
