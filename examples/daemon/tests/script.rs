//! `rollcore run`: deploy scripts, as a user writes and runs them.

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "each test binary uses its part")]
mod support;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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
            "Error: deploy.lua:1: open: there is no option \"lgo\"\n",
        ),
    ] {
        let ran = run(&place, script, &[]);
        assert_eq!(parts(&ran), (Some(code), stdout, stderr), "{script}");
    }
    let missing = place.failure(&["run", "nope.lua"]);
    assert_eq!(missing, "Error: nope.lua cannot be read: No such file or directory (os error 2)\n");
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
    for words in [&["run", script, "--simulate"] as &[&str], &["run", script]] {
        let ran = place.run(words);
        assert_eq!(parts(&ran), (Some(0), story.as_str(), ""), "{words:?}");
    }
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

/// A config that is Lua may use only so much memory.
#[test]
fn a_config_that_fills_the_memory_is_refused() {
    let place = Place::new();
    for source in [
        "local t = {} while true do t[#t + 1] = ('x'):rep(1024 * 1024) .. #t end",
        "local t = {} while true do local ok, e = pcall(function() t[#t + 1] = ('x'):rep(1024 * 1024) .. #t end)
         if not ok then error(e, 0) end end",
    ] {
        place.write("rollcore.lua", source);
        let said = place.failure(&["validate"]);
        assert!(said.contains("not enough memory"), "{said}");
    }
}
