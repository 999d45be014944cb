#!/usr/bin/env -S rollcore run
-- A deploy script for a machine without Lua: `rollcore run deploy.lua <release> <directory> [--rehearse]`.
local release = arg[1] or fail("which release?", 2)
local path = arg[2] or fail("in which directory?", 2)
local made_up = arg[3] == "--rehearse" and { seed = 1 } or nil

on_error(function(why) log("the end of %s: %s", release, why) end)
env.RELEASE = release
sh { "test -e greeting.txt", cwd = path }

local engine = assert(require("rollcore").open { config = env.CONFIG or "rollcore.json", simulate = made_up })
local moved, message, code = engine:deploy { releaseId = release, releasePath = path }
if not moved then fail(code .. ": " .. message, 3) end
log("%s is active", moved.activeReleaseId)
if not made_up then engine:wait_for("never") end
