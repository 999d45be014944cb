//! The C example prints the story that every host prints.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{library, run_within, scratch, succeeds, workspace};

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
