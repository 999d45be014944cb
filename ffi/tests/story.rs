//! The C example prints the story that every host prints, and the program of the manual deploys.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{compiled, library, run, run_within, scratch, succeeds, workspace};

fn story() -> String {
    fs::read_to_string(workspace().join("examples/story.txt")).expect("the story is there")
}

/// Built by its Makefile, in a folder of its own.
fn rollout() -> PathBuf {
    let folder = scratch("c").join(std::process::id().to_string());
    fs::create_dir_all(&folder).expect("a folder");
    for file in ["Makefile", "rollout.c"] {
        fs::copy(workspace().join("examples/c").join(file), folder.join(file)).expect("it can be copied");
    }
    let mut make = Command::new("make");
    make.arg("CFLAGS=-Werror -O1 -I../../include")
        .arg(format!("ROLLCORE_LIB_DIR={}", library().folder.display()));
    make.env("CPATH", support::include()).current_dir(&folder);
    succeeds(&mut make);
    folder
}

#[test]
fn the_c_host_prints_the_story_with_real_processes_and_in_a_made_up_world() {
    let folder = rollout();
    let play = |args: &[&str]| {
        let mut rollout = Command::new(folder.join("rollout"));
        let releases = workspace().join("examples/releases");
        run_within(
            Duration::from_secs(120),
            rollout.args(args).env("RELEASES", releases).current_dir(&folder),
        )
    };
    assert_eq!(play(&[]), story());
    let began = Instant::now();
    assert_eq!(play(&["--simulate"]), story());
    assert!(began.elapsed() < Duration::from_secs(1), "a made-up world takes no time: {:?}", began.elapsed());
}

/// The program of the manual, as a newcomer copies it, but in a made-up world.
fn program_of_the_manual() -> String {
    let page =
        fs::read_to_string(workspace().join("core/src/manual/embedding_in_c.rs")).expect("it is there");
    let lines = page.lines().map(|line| line.trim_start_matches("//!").trim_start_matches(' '));
    let program: Vec<_> =
        lines.skip_while(|line| *line != "```c").skip(1).take_while(|line| *line != "```").collect();
    let made_up = r#"rollcore_new("{\"simulate\":{\"seed\":1}}", "#;
    program.join("\n").replace("rollcore_new(NULL, ", made_up)
}

#[test]
fn the_program_of_the_manual_deploys() {
    let source = scratch("c").join(format!("manual-{}.c", std::process::id()));
    let program = program_of_the_manual();
    assert!(program.contains("simulate") && program.lines().count() <= 25, "{program}");
    fs::write(&source, program).expect("it can be written");
    let told = run(&compiled(&source, "manual"), [""; 0]);
    assert_eq!(told, "{\"activeReleaseId\":\"v2\",\"previousReleaseId\":null}\n");
}
