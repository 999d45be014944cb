//! Who is measured, and with which settings.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::Process;
use crate::scenario::Scenario;

/// How long a proxy may take until it can be connected to.
const START_TIMEOUT: Duration = Duration::from_secs(10);
const START_POLL: Duration = Duration::from_millis(10);

/// Where everybody is: processors, and the application behind the proxies.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub proxy_cpu: usize,
    pub load_cpu: usize,
    pub upstream: SocketAddr,
    /// Whether peers are left without forwarded fields, although rollcore adds them.
    pub is_bare: bool,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Rollcore,
    Nginx,
    NginxTuned,
    Haproxy,
    HaproxyTuned,
    L4Tokio,
    Earlier,
}

/// The earlier build of this program, if one takes part.
static EARLIER: OnceLock<PathBuf> = OnceLock::new();

impl Subject {
    /// All of them; ours first.
    pub const ALL: [Self; 7] = [
        Self::Rollcore,
        Self::Nginx,
        Self::NginxTuned,
        Self::Haproxy,
        Self::HaproxyTuned,
        Self::L4Tokio,
        Self::Earlier,
    ];

    /// Lets an earlier build of this program take part.
    pub fn let_in(earlier: PathBuf) {
        EARLIER.get_or_init(|| earlier);
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Rollcore => "rollcore",
            Self::Nginx => "nginx",
            Self::NginxTuned => "nginx-tuned",
            Self::Haproxy => "haproxy",
            Self::HaproxyTuned => "haproxy-tuned",
            Self::L4Tokio => "l4-tokio",
            Self::Earlier => "earlier",
        }
    }

    /// Whether its settings are for such traffic: the tuned ones are for long bodies only.
    pub fn is_for(self, scenario: &Scenario) -> bool {
        scenario.is_long || !self.is_tuned()
    }

    pub fn is_tuned(self) -> bool {
        matches!(self, Self::NginxTuned | Self::HaproxyTuned)
    }

    /// What must be installed for it, and what it is asked to show that it is.
    fn program(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Nginx | Self::NginxTuned => Some(("nginx", "-v")),
            Self::Haproxy | Self::HaproxyTuned => Some(("haproxy", "-v")),
            Self::Rollcore | Self::L4Tokio | Self::Earlier => None,
        }
    }

    /// The version of its program; `None` when it is missing.
    pub fn version(self) -> Option<String> {
        let Some((program, version)) = self.program() else {
            return Some(env!("CARGO_PKG_VERSION").to_owned());
        };
        let output = Command::new(program).arg(version).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let line = text.lines().next()?.ok()?;
        Some(line.split(" - ").next().unwrap_or(&line).to_owned())
    }

    /// Starts it, and returns when it can be connected to.
    ///
    /// # Errors
    /// When it cannot be started, or ends, or nobody listens in time.
    pub fn start(self, place: Place) -> io::Result<Running> {
        let folder = tempfile::tempdir()?;
        let mut running = match self {
            Self::Rollcore => Running::of_ours("proxy", place, place.proxy_cpu, folder)?,
            Self::L4Tokio => Running::of_ours("relay", place, place.proxy_cpu, folder)?,
            Self::Earlier => {
                let program = EARLIER.get().ok_or_else(|| io::Error::other("there is no earlier build"))?;
                Running::of(program, "proxy", place, place.proxy_cpu, folder)?
            }
            Self::Nginx | Self::NginxTuned => self.start_nginx(place, folder)?,
            Self::Haproxy | Self::HaproxyTuned => self.start_haproxy(place, folder)?,
        };
        running.wait_until_it_listens()?;
        Ok(running)
    }

    fn start_nginx(self, place: Place, folder: TempDir) -> io::Result<Running> {
        let port = free_port()?;
        let text = nginx_conf(port, place, self.is_tuned());
        let (config, errors) = (folder.path().join("nginx.conf"), folder.path().join("error.log"));
        fs::write(&config, text)?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&config).arg("-e").arg(&errors);
        Running::of_theirs(&mut command, place, port, folder)
    }

    fn start_haproxy(self, place: Place, folder: TempDir) -> io::Result<Running> {
        let port = free_port()?;
        let config = folder.path().join("haproxy.cfg");
        fs::write(&config, haproxy_cfg(port, place, self.is_tuned()))?;
        Running::of_theirs(Command::new("haproxy").arg("-db").arg("-f").arg(&config), place, port, folder)
    }
}

/// A started proxy. Ends when it is dropped.
#[derive(Debug)]
pub struct Running {
    pub process: Process,
    pub address: SocketAddr,
    folder: TempDir,
}

impl Running {
    /// This program in one of its roles; it ends when its standard input does, so that none is left behind.
    pub fn of_ours(role: &str, place: Place, cpu: usize, folder: TempDir) -> io::Result<Self> {
        Self::of(&std::env::current_exe()?, role, place, cpu, folder)
    }

    fn of(program: &Path, role: &str, place: Place, cpu: usize, folder: TempDir) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["role", role, "--upstream", &place.upstream.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command, cpu, place.load_cpu)?;
        let printed = process.child().stdout.take().expect("it was asked for");
        let mut line = String::new();
        BufReader::new(printed.take(64)).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| io::Error::other(format!("{role} did not start")))?;
        Ok(Self { process, address, folder })
    }

    fn of_theirs(command: &mut Command, place: Place, port: u16, folder: TempDir) -> io::Result<Self> {
        let log = fs::File::create(folder.path().join("output.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = Process::start(command, place.proxy_cpu, place.load_cpu)?;
        Ok(Self { process, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), folder })
    }

    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(self.address).is_err() {
            if self.process.child().try_wait()?.is_some() || Instant::now() > deadline {
                return Err(io::Error::other(format!("it does not listen: {}", self.said())));
            }
            std::thread::sleep(START_POLL);
        }
        Ok(())
    }

    fn said(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("output.log") + &read("error.log")
    }
}

/// Free at the moment; whoever takes it meanwhile makes the start fail, which is told.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// One worker, kept connections to the application, no access log; the forwarded fields that rollcore adds as well.
/// Tuned: the best of several sizes of buffers that were tried, and no answer goes through a file.
fn nginx_conf(port: u16, place: Place, is_tuned: bool) -> String {
    let Place { upstream, is_bare, .. } = place;
    // As root its worker becomes somebody who may not enter our folder.
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let forwarded = if is_bare {
        ""
    } else {
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
         proxy_set_header X-Forwarded-Proto $scheme;
         proxy_set_header X-Forwarded-Host $http_host;
         proxy_set_header X-Forwarded-Port $server_port;"
    };
    let tuned = if is_tuned {
        "proxy_buffer_size 64k; proxy_buffers 4 64k; proxy_busy_buffers_size 128k; proxy_max_temp_file_size 0;"
    } else {
        ""
    };
    format!(
        "{user}
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid nginx.pid;
events {{ worker_connections 12000; }}
http {{
    access_log off; keepalive_requests 100000000; keepalive_timeout 75s; tcp_nodelay on;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream app {{ server {upstream}; keepalive 64; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://app; proxy_http_version 1.1;
            proxy_set_header Host $http_host; proxy_set_header Connection \"\";
            {forwarded} {tuned}
        }}
        location /echo {{
            proxy_pass http://app; proxy_http_version 1.1; proxy_read_timeout 1h;
            proxy_set_header Host $http_host; proxy_set_header Connection upgrade;
            proxy_set_header Upgrade $http_upgrade;
        }}
    }}
}}
"
    )
}

/// One thread, connections to the application reused always; the forwarded fields that rollcore adds as well.
/// Tuned: the best of several sizes of buffers that were tried, with and without splicing: 1 MiB costs a third less so, and
/// 64 KiB about the same.
fn haproxy_cfg(port: u16, place: Place, is_tuned: bool) -> String {
    let Place { upstream, is_bare, .. } = place;
    let forwarded = if is_bare {
        ""
    } else {
        "option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]"
    };
    let (buffers, splice) =
        if is_tuned { ("tune.bufsize 32768", "option splice-response") } else { ("", "") };
    format!(
        "global
    nbthread 1
    maxconn 6000
    {buffers}
defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 75s
    timeout tunnel 1h
    timeout http-keep-alive 75s
    {splice}
listen app
    bind 127.0.0.1:{port} backlog 4096
    http-reuse always
    {forwarded}
    server app {upstream}
"
    )
}

/// A folder for nobody in particular.
///
/// # Errors
/// When the system has no room for it.
pub fn folder() -> io::Result<TempDir> {
    tempfile::tempdir()
}

/// Whether `path` can be executed by name.
pub fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|paths| {
        std::env::split_paths(&paths).any(|path| Path::new(&path).join(program).is_file())
    })
}
