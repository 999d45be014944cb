/* For a Lua without luaposix: fork, wait and _exit. What it needs of Lua is the same in every version, so no header. */
#include <sys/wait.h>
#include <unistd.h>

typedef struct lua_State lua_State;
extern void lua_createtable(lua_State *lua, int list, int map);
extern void lua_pushcclosure(lua_State *lua, int (*function)(lua_State *), int values);
extern void lua_pushinteger(lua_State *lua, long long number);
extern long long luaL_checkinteger(lua_State *lua, int place);
extern void lua_setfield(lua_State *lua, int table, const char *name);

static int forks(lua_State *lua) {
    lua_pushinteger(lua, fork());
    return 1;
}

static int waits(lua_State *lua) {
    int status = 0;
    pid_t pid = waitpid((pid_t)luaL_checkinteger(lua, 1), &status, 0);
    lua_pushinteger(lua, pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return 1;
}

static int leaves(lua_State *lua) {
    _exit((int)luaL_checkinteger(lua, 1));
}

int luaopen_hostfork(lua_State *lua) {
    lua_createtable(lua, 0, 3);
    lua_pushcclosure(lua, forks, 0);
    lua_setfield(lua, -2, "fork");
    lua_pushcclosure(lua, waits, 0);
    lua_setfield(lua, -2, "wait");
    lua_pushcclosure(lua, leaves, 0);
    lua_setfield(lua, -2, "leave");
    return 1;
}
