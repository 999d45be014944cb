//! The README's first real deploys, typed as they stand there.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

const README: &str = include_str!("../../../README.md");

/// The shell blocks below a heading, up to the next heading of its rank or a higher one.
fn shell_below(heading: &str) -> String {
    let rank = heading.split(' ').next().expect("a heading begins with #");
    let section = README.split_once(&format!("\n{heading}\n")).expect(heading).1;
    let ends = (1..=rank.len()).filter_map(|rank| section.find(&format!("\n{} ", "#".repeat(rank))));
    let section = &section[..ends.min().unwrap_or(section.len())];
    let blocks = section.split("```sh\n").skip(1).filter_map(|block| block.split_once("```"));
    blocks.map(|(block, _)| block).collect()
}

/// Ports that nobody has right now, so that tests can run side by side with whatever uses the README's.
fn with_free_ports(script: &str) -> String {
    let ports = ["8182", "8183"];
    let free = ports.map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let numbers =
        free.each_ref().map(|listener| listener.local_addr().expect("it is bound").port().to_string());
    let mut script = script.to_owned();
    for (port, free) in ports.iter().zip(&numbers) {
        for (before, after) in [("\"port\": ", " }"), ("port = ", "\n"), ("127.0.0.1:", "/")] {
            script = script.replace(&format!("{before}{port}{after}"), &format!("{before}{free}{after}"));
        }
    }
    script
}

fn run(script: &str, directory: &Path, application: &str) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_rollcore"));
    let beside = binary.parent().expect("a program is in a directory");
    let path = format!("{}:{}", beside.display(), std::env::var("PATH").unwrap_or_default());
    // The socket's default place is shared by the whole machine: these tests get names of their own.
    let own = format!("{}-{}\"", application.trim_end_matches('"'), std::process::id());
    let script = with_free_ports(script).replace(application, &own);
    let _leftovers = Leftovers(own.trim_matches('"').to_owned());
    Command::new("sh")
        .args(["-euc", &script])
        .env("PATH", path)
        .current_dir(directory)
        .output()
        .expect("a shell")
}

/// What a daemon in the background leaves at its default places, for a name that nobody uses again.
struct Leftovers(String);

impl Drop for Leftovers {
    fn drop(&mut self) {
        let digest: String = Sha256::digest(&self.0).iter().map(|byte| format!("{byte:02x}")).collect();
        let user = nix::unistd::Uid::effective();
        let _ = std::fs::remove_dir_all(format!("/tmp/rollbridge-{user}-{}-runtime", &digest[..16]));
        for suffix in ["log", "pid"] {
            let _ = std::fs::remove_file(format!("/tmp/rollbridge-{}.{suffix}", self.0));
        }
    }
}

fn said(output: &Output) -> String {
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn the_node_deploy_works_as_it_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = said(&run(&shell_below("### A Node application"), directory.path(), "\"shop\""));
    let hellos: Vec<&str> = text.lines().filter(|line| line.starts_with("hello from")).collect();
    assert_eq!(hellos, ["hello from v1", "hello from v2", "hello from v2"], "{text}");
    assert!(text.contains("AUTH_SECRET missing"), "{text}");
    assert!(text.contains("\"message\": \"shutdown\""), "{text}");
}

#[test]
fn the_python_deploy_works_as_it_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = said(&run(&shell_below("### A Python application"), directory.path(), "\"pyshop\""));
    assert!(text.contains("hello from py2"), "{text}");
    assert!(text.contains("\"message\": \"shutdown\""), "{text}");
}
