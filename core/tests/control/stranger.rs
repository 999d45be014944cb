//! Who is at the other end is asked of the system, on both sides, and a real stranger is turned away.
//!
//! The stranger is this very program, started once more as user 65534. Only root can do that. Where the tests run as
//! somebody else, the same story is told with the only user there is, and says so: nobody is a stranger then.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use rollcore::{
    ControlClient, ControlCommand, ControlError, ControlNote, ControlReply, ControlServer, ControlSpec,
    ServeControl,
};
use serde_json::json;

use super::support::{SOON, deploy, soon, spec};

/// Whom Linux calls nobody.
const STRANGER: u32 = 65_534;

/// Tells a child what to do, and where.
const ROLE: &str = "ROLLCORE_TEST_STRANGER";

/// In front of what a child says; the rest of its output is the test harness's.
const SAYS: &str = "the stranger says: ";

/// A child that runs as somebody else, if it can.
struct Stranger {
    child: Child,
    output: BufReader<ChildStdout>,
    /// It ends when this is closed.
    _input: Option<ChildStdin>,
}

impl Stranger {
    /// `test` is the name of the test that calls this; the child plays its other part.
    fn start(test: &str, path: &Path) -> Self {
        // No directory on the way to this program need be open to others.
        let mut command = Command::new("/proc/self/exe");
        command.args([&format!("stranger::{test}"), "--exact", "--nocapture"]).env(ROLE, path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if is_root() {
            command.uid(STRANGER).gid(STRANGER);
        }
        let mut child = command.spawn().expect("this program can be started again");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let input = child.stdin.take();
        Self { child, output, _input: input }
    }

    /// The next thing that it says; empty when it has ended.
    fn says(&mut self) -> String {
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).expect("text");
            if let Some((_, said)) = line.split_once(SAYS) {
                return said.trim_end().to_owned();
            }
            if length == 0 {
                return String::new();
            }
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether we are root, and there is another user to become: some containers know only one.
fn is_root() -> bool {
    let mut other = Command::new("/proc/self/exe");
    let other = other.arg("--list").uid(STRANGER).gid(STRANGER).stdout(Stdio::null()).stderr(Stdio::null());
    nix::unistd::geteuid().is_root() && other.status().is_ok_and(|status| status.success())
}

/// Said where the test has to do without a stranger.
fn without_root() {
    let _ = writeln!(
        std::io::stderr(),
        "not root: there is no other user to be a stranger; run this test as root"
    );
}

/// A directory that anybody may pass and write.
fn open_directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    open(directory.path(), 0o777);
    let path = directory.path().join("control.sock");
    (directory, path)
}

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn part() -> Option<PathBuf> {
    std::env::var_os(ROLE).map(PathBuf::from)
}

fn say(text: &str) {
    // On a line of its own: the harness may have begun one.
    let _ = writeln!(std::io::stdout(), "\n{SAYS}{text}");
}

/// Remembers what it was asked.
#[derive(Clone, Default)]
struct Diary {
    asked: Arc<Mutex<Vec<String>>>,
    turned_away: Arc<Mutex<Vec<Option<String>>>>,
}

impl ServeControl for Diary {
    async fn handle(&self, command: ControlCommand) -> ControlReply {
        self.asked.lock().expect("no test panics with it").push(command.name().to_owned());
        ControlReply::success(&json!({ "heard": command.name() }))
    }

    fn note(&self, note: ControlNote<'_>) {
        if let ControlNote::ConnectionFailed { code, error } = note
            && error.contains("turned away")
        {
            self.turned_away.lock().expect("no test panics with it").push(code);
        }
    }
}

/// Asks for everything, and says how often it was answered and with what first.
fn ask_everything(path: &Path) {
    let Ok(mut stream) = UnixStream::connect(path) else { return say("not connected") };
    stream.set_read_timeout(Some(SOON)).expect("it is not zero");
    let lines = format!("{{\"command\":\"status\"}}\n{}\n{{\"command\":\"shutdown\"}}\n", deploy("evil"));
    // The other side may be gone by now; what it said before that counts.
    let _ = stream.write_all(lines.as_bytes());
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    say(&format!("heard {} lines", heard.split(|byte| *byte == b'\n').count() - 1));
}

/// The file lets everybody in, as some mounts and some systems do, or as an operator who is in a hurry. The daemon asks
/// who it is, answers nothing, does nothing, and serves those who belong there (C-175).
#[tokio::test]
async fn a_stranger_who_got_through_to_a_private_socket_is_turned_away() {
    const NAME: &str = "a_stranger_who_got_through_to_a_private_socket_is_turned_away";
    if let Some(path) = part() {
        return ask_everything(&path);
    }
    // With a mode in its config the permissions decide, so the same stranger is served: he is able to ask.
    for (mode, is_private) in [(None, true), (Some(0o666), false)] {
        let (_directory, path) = open_directory();
        let diary = Diary::default();
        let server =
            ControlServer::bind(&ControlSpec { mode, ..spec(&path) }).await.expect("the path is free");
        open(&path, 0o666);
        let mut serving = server.serve(diary.clone());
        let heard = soon(tokio::task::spawn_blocking({
            let path = path.clone();
            move || Stranger::start(NAME, &path).says()
        }))
        .await
        .expect("the child says something");

        let asked = |diary: &Diary| diary.asked.lock().expect("no test panics with it").clone();
        let turned_away = diary.turned_away.lock().expect("no test panics with it").clone();
        if is_private && is_root() {
            assert_eq!(heard, "heard 0 lines");
            assert_eq!(asked(&diary), Vec::<String>::new(), "nothing was done");
            assert_eq!(turned_away, [Some("EPERM".to_owned())], "and it is remembered");
            let mut client = ControlClient::connect(&path).await.expect("we belong here");
            let answer = client.request(&json!({"command": "status"}), SOON).await.expect("an answer");
            assert_eq!(answer["heard"], "status", "those who belong here are served on");
            serving.close();
        } else {
            if is_private {
                without_root();
            }
            assert_eq!(heard, "heard 3 lines");
            let mut asked = asked(&diary);
            asked.sort_unstable();
            assert_eq!(
                (asked, turned_away),
                (["deploy", "shutdown", "status"].map(str::to_owned).to_vec(), vec![])
            );
        }
        soon(serving.ended()).await;
    }
}

/// Listens, and answers every line.
fn pretend(path: &Path) {
    let listener = UnixListener::bind(path).expect("anybody may write here");
    say("listening");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines();
            while let Some(Ok(line)) = lines.next() {
                say(&line);
                let _ = (&stream).write_all(b"{\"status\":\"success\"}\n");
            }
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// The file is ours, and somebody else answers behind it: he is told nothing. A stranger's own file is another matter:
/// it may be the socket of a daemon with a user of its own, so who may write the directory decides.
#[tokio::test]
async fn a_client_says_nothing_to_a_stranger_behind_our_socket() {
    const NAME: &str = "a_client_says_nothing_to_a_stranger_behind_our_socket";
    if let Some(path) = part() {
        return pretend(&path);
    }
    let (_directory, path) = open_directory();
    let (mut stranger, said) = soon(tokio::task::spawn_blocking({
        let path = path.clone();
        move || {
            let mut stranger = Stranger::start(NAME, &path);
            let said = stranger.says();
            (stranger, said)
        }
    }))
    .await
    .expect("the child says something");
    assert_eq!(said, "listening");

    let mut client = ControlClient::connect(&path).await.expect("it is the owner of its socket");
    client.request(&json!({"command": "first"}), SOON).await.expect("it pretends well");
    assert_eq!(stranger.says(), r#"{"command":"first"}"#);
    drop(client);

    if is_root() {
        std::os::unix::fs::chown(&path, Some(0), Some(0)).expect("root may");
        let refused = ControlClient::connect(&path).await.expect_err("who answers there is nobody we know");
        assert!(matches!(refused, ControlError::Stranger { uid: STRANGER, .. }), "{refused}");
        assert_eq!((refused.code(), refused.is_unreachable()), ("stranger", false));
        assert!(refused.to_string().contains("runs as user 65534"), "{refused}");
        std::os::unix::fs::chown(&path, Some(STRANGER), None).expect("root may");
    } else {
        without_root();
    }
    // What it hears next is this, so it heard nothing in between.
    let mut client = ControlClient::connect(&path).await.expect("it is the owner again");
    client.request(&json!({"command": "last"}), SOON).await.expect("it pretends well");
    assert_eq!(stranger.says(), r#"{"command":"last"}"#);
}
