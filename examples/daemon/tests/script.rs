//! `rollcore run`: deploy scripts, as a user writes and runs them.

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "each test binary uses its part")]
mod support;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Place, Ran, is_alive, until};

/// Runs this script, with these arguments.
fn run(place: &Place, script: &str, arguments: &[&str]) -> Ran {
    place.write("deploy.lua", script);
    let words: Vec<&str> = ["run", "deploy.lua"].into_iter().chain(arguments.iter().copied()).collect();
    place.run(&words)
}

fn parts(ran: &Ran) -> (Option<i32>, &str, &str) {
    (ran.code, ran.stdout.as_str(), ran.stderr.as_str())
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in examples/").to_owned()
}

#[test]
fn it_finds_its_arguments_and_its_neighbours() {
    let place = Place::new();
    place.write("names.lua", "return { shop = 'shop' }");
    let script = "#!/usr/bin/env -S rollcore run\nprint(arg[0], #arg, arg[2], select('#', ...), (...))\n\
                  print(require('names').shop, env.HOME == os.getenv('HOME'))";
    let ran = run(&place, script, &["v1", "--release-path", "-x"]);
    assert_eq!(parts(&ran), (Some(0), "deploy.lua\t3\t--release-path\t3\tv1\nshop\ttrue\n", ""));
}

#[test]
fn commands_show_their_output_and_return_it() {
    let place = Place::new();
    let script = "
        io.write('first ')
        local output, code = sh 'echo shown; echo aside >&2'
        print(output, code)
        env.NAME, env.PWD = 'you', nil
        print(sh { 'echo $NAME; exit 3', check = false, quiet = true })
        print(sh { 'cat; pwd', input = 'in ', cwd = '/', quiet = true })
        print(sh { 'kill -9 $$', check = false })
        local pid = sh { 'sleep 100 2>/dev/null & echo $!', quiet = true }
        print(sh { 'kill ' .. pid })";
    let ran = run(&place, script, &[]);
    let expected = "first shown\nshown\t0\nyou\t3\nin /\t0\n\t137\n\t0\n";
    assert_eq!(parts(&ran), (Some(0), expected, "aside\n"));
}

#[test]
fn a_failure_is_told_with_its_place_and_taken_back_in_reverse() {
    let place = Place::new();
    let script = "
        on_error(function(why) print('first', why) end)
        on_error(function() error('not now') end)
        on_error(function() print 'last' end)
        local function migrate() sh 'echo half; exit 4' end
        migrate()
        print 'not reached'";
    let ran = run(&place, script, &[]);
    let why = "deploy.lua:5: sh: `echo half; exit 4` ended with exit code 4";
    let said = format!("Error: {why}\nError: on_error: deploy.lua:3: not now\n");
    assert_eq!(parts(&ran), (Some(1), format!("half\nlast\nfirst\t{why}\n").as_str(), said.as_str()));
}

#[test]
fn it_ends_with_the_exit_code_that_it_says() {
    let place = Place::new();
    for (script, code, stdout, stderr) in [
        ("fail('no more', 5)", 5, "", "Error: no more\n"),
        ("on_error(print) os.exit(9)", 9, "exit code 9\n", "Error: exit code 9\n"),
        ("on_error(print) io.write('bye') os.exit(true)", 0, "bye", ""),
        ("pcall(fail, 'caught') print 'on'", 0, "on\n", ""),
        ("error({})", 1, "", "Error: the error is a table that says nothing\n"),
        ("\nlocal t\nt.x = 1", 1, "", "Error: deploy.lua:3: attempt to index a nil value (local 't')\n"),
        ("x = = 1", 1, "", "Error: deploy.lua:1: unexpected symbol near '='\n"),
        ("sh(7)", 1, "", "Error: deploy.lua:1: sh: a command was expected, not a number\n"),
        (
            "sh { 'x', quite = true }",
            1,
            "",
            "Error: deploy.lua:1: sh: there is no option \"quite\"; there are check, cwd, input, quiet and timeout\n",
        ),
        (
            "sh { 'sleep 100', timeout = 0.1 }",
            1,
            "",
            "Error: deploy.lua:1: sh: `sleep 100` took too long and was stopped\n",
        ),
        (
            "sh { 'true', cwd = '/nope' }",
            1,
            "",
            "Error: deploy.lua:1: sh: `true` cannot be run: No such file or directory (os error 2)\n",
        ),
        (
            "require('rollcore').open { lgo = 1 }",
            1,
            "",
            "Error: deploy.lua:1: open: there is no option \"lgo\"; there are config, grace, keepState, log, queue, \
             simulate, workers\n",
        ),
    ] {
        let ran = run(&place, script, &[]);
        assert_eq!(parts(&ran), (Some(code), stdout, stderr), "{script}");
    }
    let missing = place.failure(&["run", "nope.lua"]);
    assert_eq!(missing, "Error: nope.lua cannot be read: No such file or directory (os error 2)\n");
}

/// Exactly as much as the limit is fine; one byte more is shown, too, and an error whoever checks the exit code.
#[test]
fn the_output_of_a_command_is_kept_up_to_a_limit() {
    const MAX: usize = 16 * 1024 * 1024;
    let place = Place::new();
    let script = format!(
        "local function zeros(count) return ('head -c %d /dev/zero'):format(count) end
         log('%d', #sh {{ zeros({MAX}), quiet = true }})
         log(select(2, pcall(sh, {{ zeros({MAX} + 1), check = false }})))
         sh(zeros({MAX} + 1) .. '; exit 3')"
    );
    let ran = run(&place, &script, &[]);
    assert_eq!((ran.code, ran.stdout.len()), (Some(1), 2 * (MAX + 1)));
    let why =
        |command: &str| format!("sh: `head -c 16777217 /dev/zero{command}` printed more than {MAX} bytes");
    let told: Vec<_> = ran.stderr.lines().map(|line| line.split_once(' ').expect("the time").1).collect();
    assert_eq!(told, [MAX.to_string(), why(""), format!("deploy.lua:4: {}", why("; exit 3"))]);
}

/// Each option, and each way to be wrong.
#[test]
fn a_command_gets_its_environment_and_its_time_and_no_more() {
    let place = Place::new();
    let script = "
        for name in pairs(env) do env[name] = nil end
        env.ONE, env.TWO = 1, 'two words'
        print(sh { '/usr/bin/env | /usr/bin/sort | /usr/bin/grep -v -E \"^(PWD|SHLVL|_|OLDPWD)=\"', quiet = true })
        local begun = os.time()
        print(select(2, pcall(sh, { 'trap \"\" TERM; echo on; /bin/sleep 100 & wait; wait', timeout = 0.2, quiet = true })))
        log('%s', os.time() - begun >= 4)
        env['A=B'] = 'x'
        print(pcall(sh, 'true'))
        env['A=B'], env.A = nil, {}
        print(pcall(sh, 'true'))";
    let ran = run(&place, script, &[]);
    let long = "sh: `trap \"\" TERM; echo on; /bin/sleep 100 & wait; wait` took too long and was stopped";
    let stdout = format!(
        "ONE=1\nTWO=two words\t0\n{long}\nfalse\tsh: env: \"A=B\" cannot be in an environment\n\
         false\tsh: env: \"A\" cannot be in an environment\n"
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), stdout.as_str()), "{ran:?}");
    assert!(ran.stderr.ends_with(" true\n"), "{ran:?}");
}

/// What types/script.d.lua says a script has is what it has.
#[test]
fn the_types_name_what_a_script_has() {
    let place = Place::new();
    let types = examples().parent().expect("it is in the workspace").join("lua/types/script.d.lua");
    let types = types.to_str().expect("the path is text");
    let script = "
        local text, fields, kinds = io.open(arg[1]):read('a'), {}, { check = 'boolean', quiet = 'boolean', cwd = 'string',
          input = 'string', timeout = 'number' }
        local known = {}
        for name in text:gmatch('\\nfunction ([%w_]+)%(') do known[name] = 'function' end
        for name in text:gmatch('\\n([%w_]+) = {}') do known[name] = 'table' end
        for name, kind in text:gmatch('%-%-%-@field ([%w_]+)%? (%w+)') do fields[name] = kind end
        for name, kind in pairs(kinds) do assert(fields[name] == kind, name) end
        for name in pairs(fields) do assert(kinds[name], name) end
        for name, kind in pairs(known) do assert(type(_G[name]) == kind, name) end
        for name in ('_G _VERSION arg assert collectgarbage coroutine debug dofile error getmetatable io ipairs load loadfile ' ..
          'math next os package pairs pcall print rawequal rawget rawlen rawset require select setmetatable string table ' ..
          'tonumber tostring type utf8 warn xpcall'):gmatch('%S+') do known[name] = true end
        for name in pairs(_G) do assert(known[name], name) end
        for name in pairs(kinds) do assert(select(2, pcall(sh, { 'true', [name] = print })):find(kinds[name], 1, true)) end
        print 'passed'";
    assert_eq!(parts(&run(&place, script, &[types])), (Some(0), "passed\n", ""));
}

fn started(place: &Place, script: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    place.write("deploy.lua", script);
    let mut command = place.command(&["run", "deploy.lua"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run");
    let stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
    (child, stdout)
}

fn interrupted(place: &Place, script: &str, signal: Signal) -> (Option<i32>, String, String, u64) {
    let (mut child, mut stdout) = started(place, script);
    let mut pid = String::new();
    stdout.read_line(&mut pid).expect("it tells a pid");
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid fits")), signal).expect("it is there");
    let (mut said, mut complained) = (String::new(), String::new());
    stdout.read_to_string(&mut said).expect("it prints text");
    child.stderr.take().expect("it is a pipe").read_to_string(&mut complained).expect("it prints text");
    let code = child.wait().expect("it is our child").code();
    (code, said, complained, pid.trim().parse().expect("it is a pid"))
}

/// Whatever it does: a command, a calculation that catches errors, a wait for the engine.
#[test]
fn a_signal_ends_it_as_a_failure() {
    let place = Place::new();
    let undo = "on_error(function(why) print('undone', why) end)\n";
    let me = "print(io.open('/proc/self/stat'):read('a'):match('%d+')) io.stdout:flush()\n";
    for doing in [
        "sh 'sleep 100 & echo $!; wait'".to_owned(),
        format!("{me} while true do pcall(function() while true do end end) end"),
        "local engine = require('rollcore').open { grace = 5 }
         engine:process { id = 'p', command = 'exec sleep 100' }:start()
         print(engine:wait_for('process.started', 10).data.pid) io.stdout:flush()
         engine:wait_for('never')"
            .to_owned(),
    ] {
        for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
            let (ended, said, complained, pid) = interrupted(&place, &format!("{undo}{doing}"), signal);
            let why = format!("interrupted by {signal}");
            assert_eq!(
                (ended, said, complained),
                (Some(code), format!("undone\t{why}\n"), format!("Error: {why}\n")),
                "{doing}"
            );
            until(|| !is_alive(pid));
        }
    }
}

/// `examples/lua/story.lua` and `examples/story.txt`.
#[test]
fn the_story_is_that_of_every_host() {
    let story = std::fs::read_to_string(examples().join("story.txt")).expect("it is there");
    let script = examples().join("lua/story.lua");
    let script = script.to_str().expect("the path is text");
    let place = Place::new();
    let told = |words: &[&str]| {
        let begun = Instant::now();
        let ran = place.run(words);
        assert_eq!(parts(&ran), (Some(0), story.as_str(), ""), "{words:?}");
        begun.elapsed()
    };
    told(&["run", script]);
    // The best of some: the machine may have much else to do.
    let made_up: Vec<_> = (0..5).map(|_| told(&["run", script, "--simulate"])).collect();
    assert!(made_up.iter().any(|took| *took < Duration::from_secs(1)), "{made_up:?}");
}

/// `examples/lua/deploy.lua`, which is the script of the manual.
fn deploy(arguments: &[&str]) -> Command {
    let mut command = Command::new(support::ROLLCORE);
    command.arg("run").arg(examples().join("lua/deploy.lua")).args(arguments).stdin(Stdio::null());
    command.current_dir(examples().join("releases")).env("CONFIG", "rollcore.json");
    command
}

#[test]
fn the_deploy_script_of_the_examples_rehearses() {
    let ran = |arguments: &[&str]| Ran::of(&deploy(arguments).output().expect("it can be run"));
    let rehearsed = ran(&["v1", "v1", "--rehearse"]);
    assert_eq!((rehearsed.code, &rehearsed.stderr[8..]), (Some(0), " v1 is active\n"));
    let broken = ran(&["v3", "v3"]);
    assert_eq!(broken.code, Some(1));
    let why = "deploy.lua:9: sh: `test -e greeting.txt` ended with exit code 1\n";
    assert!(broken.stderr.starts_with("Error: ") && broken.stderr.ends_with(why), "{broken:?}");
    assert!(broken.stderr.contains(" the end of v3: "), "{broken:?}");
    assert_eq!(ran(&["v1"]).stderr, "Error: in which directory?\n");
}

/// The script of the manual, as a newcomer copies it, in a made-up world.
#[test]
fn the_deploy_script_of_the_manual_rehearses() {
    let manual =
        examples().parent().expect("it is in the workspace").join("core/src/manual/embedding_in_lua.rs");
    let manual = std::fs::read_to_string(manual).expect("it is there");
    let script =
        manual.split("//! ```lua\n").nth(1).and_then(|part| part.split("//! ```").next()).expect("one");
    let script: Vec<_> = script.lines().map(|line| line.strip_prefix("//! ").unwrap_or("")).collect();
    let place = Place::with_app();
    let release = place.release("v2", "ok");
    place.write("v2/migrate", "#!/bin/sh\necho \"migrating for $RELEASE\"\n");
    let sh = "sh { \"./bin/migrate\"";
    let script = script.join("\n");
    assert!(script.contains(sh), "{script}");
    let ran = run(&place, &script.replace(sh, "sh { \"sh ./migrate\""), &["v2", &release, "--rehearse"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "migrating for v2\n"), "{ran:?}");
    assert!(ran.stderr.ends_with(" v2 is active\n"), "{ran:?}");
}

#[test]
fn the_deploy_script_of_the_examples_deploys_and_serves() {
    let releases = examples().join("releases/v1");
    let mut child = deploy(&["v1", releases.to_str().expect("the path is text")])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be run");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is a pipe"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("it prints text");
    assert!(line.ends_with(" v1 is active\n"), "{line}");
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid fits")), Signal::SIGTERM)
        .expect("it is there");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("it prints text");
    assert!(rest.contains("interrupted by SIGTERM"), "{rest}");
    assert_eq!(child.wait().expect("it is our child").code(), Some(143));
}
