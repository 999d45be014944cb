//! Configs in Lua that nobody should wait for: they end in bounded time and memory, wherever they spend it.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::support::{Place, ROLLCORE, Ran, is_alive, until};
use crate::{messages, ran};

/// How long one may take, and how much longer a busy machine.
const TIMEOUT: Duration = Duration::from_secs(10);
const BUSY: Duration = Duration::from_secs(20);

/// What takes its time is not to have it taken by what wants all of it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How often a busy machine may take longer than a config has.
const TRIES: usize = 5;

/// The first issue with this config, which comes to an end.
fn refusal(place: &Place, source: &str) -> String {
    place.write("rollcore.lua", source);
    let told = (0..TRIES).map(|_| messages(place, "rollcore.lua").swap_remove(0));
    let mut ended = told.filter(|message| !message.contains("did not come to an end"));
    ended.next().unwrap_or_else(|| panic!("{source} does not come to an end"))
}

/// The first line of each: who evaluates it.
const PID: &str = "io.open('PID', 'w'):write(io.open('/proc/self/stat'):read('a'):match('%d+')):close()\n";

/// In Lua, where errors are caught; in a function of C that never comes back, or is called again and again; in what is waited for.
#[test]
fn what_does_not_end_is_stopped_wherever_it_is() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new();
    let sources = [
        "while true do pcall(function() while true do end end) end",
        "local _ = (('a'):rep(5000) .. 'b'):find(('a-'):rep(30) .. 'c')",
        "coroutine.wrap(function() while true do local s = ('x'):rep(10000000) end end)()",
        "io.popen('sleep 1000'):read('a')",
    ];
    let begun = Instant::now();
    let running: Vec<_> = (0..)
        .zip(sources)
        .map(|(number, source)| {
            let (file, pid) = (format!("{number}.lua"), place.path(&format!("{number}.pid")));
            let pid_line = PID.replace("PID", &pid.display().to_string());
            place.write(&file, &format!("{pid_line}{source}"));
            // The other tests have bounds, too, and are not to wait for these.
            let mut command = Command::new("nice");
            command.args(["-n", "10", ROLLCORE, "validate", "-c", &file]).current_dir(place.path(""));
            let child = command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it can be run");
            (source, pid, child)
        })
        .collect();
    for (source, pid, child) in running {
        let ran = Ran::of(&child.wait_with_output().expect("it is our child"));
        assert_eq!(ran.code, Some(1), "{source}: {ran:?}");
        assert!(
            ran.stderr.contains("did not come to an end within 10s and was stopped"),
            "{source}: {ran:?}"
        );
        let pid = fs::read_to_string(pid).expect("it has begun").parse().expect("it is a pid");
        until(|| !is_alive(pid));
    }
    let took = begun.elapsed();
    assert!(took >= TIMEOUT && took < TIMEOUT + BUSY, "{took:?}");
}

#[test]
fn what_fills_the_memory_is_refused() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new();
    for source in [
        "local t = {} while true do t[#t + 1] = ('x'):rep(1024 * 1024) .. #t end",
        "local t = {} while true do local ok, e = pcall(function() t[#t + 1] = ('x'):rep(1024 * 1024) .. #t end)
         if not ok then error(e, 0) end end",
        "return { application = ('x'):rep(1 << 30) }",
        "return table.concat({}, ',') .. string.format('%s', ('x'):rep(300000000))",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "io.open('/dev/zero'):read(1 << 30)",
    ] {
        let told = refusal(&place, source);
        assert!(told.contains("not enough memory"), "{source}: {told}");
    }
}

#[test]
fn what_calls_itself_for_ever_is_refused() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new();
    for (source, message) in [
        ("local function f() return f() + 1 end return f", "stack overflow"),
        ("local function f() return (('x'):gsub('x', f)) end return f", "stack overflow"),
        // Each of them tells its place, and what is longer than a message may be is cut.
        ("local function f() return coroutine.wrap(f)() end return f", "rollcore.lua:1: "),
        ("local function f() local _, e = pcall(f) error(e, 0) end return f", "stack overflow"),
        ("return setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end }).x", "stack overflow"),
        ("local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", "loop"),
        ("error(setmetatable({}, { __tostring = function(e) error(e) end }))", "stack overflow"),
    ] {
        let told = refusal(&place, source);
        assert!(told.contains(message) && told.contains("rollcore.lua"), "{source}: {told}");
    }
}

/// Where a value is in the config is known at every level, and takes no more memory than the config has.
#[test]
fn a_path_of_long_names_takes_no_memory() {
    let place = Place::new();
    place.write(
        "rollcore.lua",
        "local name, config = ('x'):rep(170000), { f = print }
         for _ = 1, 95 do config = { [name] = config } end
         return { application = 'shop', proxy = {}, processes = {}, more = config }",
    );
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 700000; exec \"$@\"", "sh", ROLLCORE, "validate"]);
    let ran = ran(limited.current_dir(place.path("")));
    assert!(ran.stderr.contains("Config must define exactly one"), "{ran:?}");
}
