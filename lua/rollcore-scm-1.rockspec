rockspec_format = "3.0"
package = "rollcore"
version = "scm-1"
source = { url = "git+https://github.com/rollcore/rollcore" }
description = {
  summary = "Zero-downtime rollouts, in your own process",
  detailed = [[
    Starts the new release beside the old one, asks until it is ready, switches the traffic, drains and stops the old one;
    takes everything back when something fails. The engine runs in the Lua program that deploys: no daemon.
  ]],
  homepage = "https://github.com/rollcore/rollcore",
  license = "MIT OR Apache-2.0",
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.1, < 5.5, ~= 5.2" }
build = {
  -- Needs cargo, and nothing from anywhere else when its registry is filled.
  type = "command",
  build_command = "LUA='$(LUA)' ./build.sh",
  install = { lib = { rollcore = "build/rollcore.so" } },
}
