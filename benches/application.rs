//! The application as a process of its own: the bench starts itself once more.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// What the program is started with when it is the application.
const ROLE: &str = "application";

/// An application. It is killed when this is dropped.
#[derive(Debug)]
pub struct Application {
    child: Child,
    address: SocketAddr,
}

impl Application {
    /// Starts it, and returns when it listens. The program has to begin with [`play_application`].
    ///
    /// # Errors
    /// When it cannot be started, or ends before it listens.
    pub fn start() -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(ROLE).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let printed = child.stdout.take().expect("it was asked for");
        let mut line = String::new();
        BufReader::new(printed.take(64)).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| io::Error::other("the application did not start"))?;
        Ok(Self { child, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until standard input ends and returns `true`, if that is what this process was started for.
///
/// # Errors
/// When nobody can be told where it listens.
pub fn play_application() -> io::Result<bool> {
    if std::env::args().nth(1).as_deref() != Some(ROLE) {
        return Ok(false);
    }
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", crate::start_upstream())?;
    stdout.flush()?;
    // An error is an end, too.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    Ok(true)
}
