#!/bin/sh
# Builds build/rollcore.so for one Lua: ./build.sh lua54, or for the interpreter that LUA names.
set -eu
cd "$(dirname "$0")"

feature=${1:-}
if [ -z "$feature" ]; then
    feature=$("${LUA:-lua}" -e 'print(jit and "luajit" or "lua" .. _VERSION:match("%d.%d"):gsub("%.", ""))')
fi
profile=${ROLLCORE_PROFILE:-release}
target=${CARGO_TARGET_DIR:-../target/lua-module}
case $profile in
    dev | test) folder=debug ;;
    bench) folder=release ;;
    *) folder=$profile ;;
esac

CARGO_TARGET_DIR=$target cargo build --profile "$profile" --package rollcore-lua --lib --no-default-features \
    --features "$feature,module"
mkdir -p build
# In one step: the old one may be loaded.
cp "$target/$folder/librollcore_lua.so" build/rollcore.so.new
mv build/rollcore.so.new build/rollcore.so
