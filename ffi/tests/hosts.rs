//! Hostile hosts: each is a C program of its own, in `tests/hosts/`.
#![expect(clippy::print_stdout, reason = "some of them measure, and say what they saw")]

mod support;

use std::process::Command;
use std::time::Duration;

use support::{has, host, run, run_within, said, succeeds};

fn ends_well(said: &str) {
    assert!(said.ends_with("ok\n"), "{said}");
    println!("{said}");
}

#[test]
fn arguments_that_make_no_sense_are_errors_of_every_function() {
    ends_well(&run(&host("arguments"), [""; 0]));
}

#[test]
fn handles_are_freed_in_every_order_by_several_threads_and_200_times_without_growth() {
    ends_well(&run(&host("lifetimes"), [""; 0]));
}

#[test]
fn a_host_that_exits_without_a_word_exits_cleanly_100_times() {
    let program = host("exits");
    for round in 0..100 {
        let said = run(&program, [if round % 2 == 0 { "at once" } else { "later" }]);
        assert_eq!(said, "");
    }
}

#[test]
fn a_fork_has_no_handle_and_may_make_one_and_the_parent_is_unharmed() {
    ends_well(&run(&host("forks"), [""; 0]));
}

#[test]
fn a_host_that_reaps_everything_steals_no_exit_status() {
    ends_well(&run(&host("children"), ["thief"]));
}

#[test]
fn a_host_that_ignores_sigchld_hears_of_every_exit() {
    ends_well(&run(&host("children"), ["ignored"]));
}

#[test]
fn forty_children_of_the_host_beside_forty_of_ours_have_the_right_status() {
    ends_well(&run(&host("children"), ["own"]));
}

#[test]
fn what_a_host_does_with_signals_is_its_own_business() {
    ends_well(&run(&host("children"), ["masks"]));
}

#[test]
fn ctrl_c_and_interrupts_end_waits_and_none_is_lost() {
    ends_well(&run(&host("interrupts"), [""; 0]));
}

#[test]
fn the_queue_rings_while_it_holds_something_and_is_bounded() {
    ends_well(&run(&host("queue"), [""; 0]));
}

#[test]
fn clients_that_leave_in_the_middle_of_a_response_do_not_kill_the_host() {
    ends_well(&run(&host("sigpipe"), [""; 0]));
}

/// The figures are printed: `cargo test --release -p rollcore-ffi --test hosts costs -- --nocapture`.
#[test]
fn what_it_costs_a_host_is_small_also_beside_two_gibibytes() {
    let folder = support::Folder::new("stripped");
    let stripped = folder.path().join("librollcore.so");
    succeeds(Command::new("strip").arg(support::library().shared()).arg("-o").arg(&stripped));
    let size = stripped.metadata().expect("strip wrote it").len();
    println!(
        "librollcore.so, stripped: {size} bytes{}",
        if cfg!(debug_assertions) { ", not optimized" } else { "" }
    );
    ends_well(&run(&host("measures"), [""; 0]));
}

#[test]
fn valgrind_finds_no_error_and_nothing_lost() {
    if !has("valgrind") {
        return;
    }
    for name in ["arguments", "queue", "sigpipe"] {
        let program = host(name);
        let mut valgrind = Command::new("valgrind");
        valgrind.args([
            "--error-exitcode=9",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite",
        ]);
        // A backtrace would keep the symbols that it has read.
        valgrind
            .env("RUST_BACKTRACE", "0")
            .arg("--child-silent-after-fork=yes")
            .arg(&program)
            .env("UNDER_VALGRIND", "1");
        println!("{}", run_within(Duration::from_secs(500), &mut valgrind));
    }
}

#[test]
fn the_shared_library_stays_loaded_and_says_what_it_is_called() {
    let library = support::library().shared();
    let read = |what: &str| said(&succeeds(Command::new("readelf").arg(what).arg(&library)));
    let dynamic = read("--dynamic");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    assert!(dynamic.contains(&format!("[{}]", support::soname())), "{dynamic}");
}
