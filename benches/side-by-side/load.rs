//! The clients: each asks, waits for the whole answer, checks it, and asks again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::answer::{Answer, Failure};
use crate::frame;
use crate::scenario::{Scenario, Way};

/// All clients read into one buffer: only lengths are looked at, and a buffer for each would fill the cache.
const READ: usize = 256 * 1024;
/// A request that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a failure, so that a dead proxy is not asked a million times.
const PAUSE: Duration = Duration::from_millis(20);

const OK: u16 = 200;
const SWITCHED: u16 = 101;

/// What was seen since the last look.
#[derive(Debug, Default)]
pub struct Seen {
    pub answered: u64,
    pub failed: BTreeMap<Failure, u64>,
    /// Of each answered request, in microseconds.
    pub latencies: Vec<u32>,
}

#[derive(Default)]
struct Tally {
    answered: Cell<u64>,
    failed: RefCell<BTreeMap<Failure, u64>>,
    latencies: RefCell<Vec<u32>>,
}

/// Clients at work. They stop when it is dropped.
pub struct Load {
    tally: Rc<Tally>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts the clients of `scenario`; to be called inside of a `LocalSet`.
    pub fn start(address: SocketAddr, scenario: &'static Scenario) -> Self {
        let tally = Rc::new(Tally::default());
        let clients = (0..scenario.clients)
            .map(|_| tokio::task::spawn_local(ask_forever(address, scenario, Rc::clone(&tally))))
            .collect();
        Self { tally, clients }
    }

    /// What was seen since the last look.
    pub fn look(&self) -> Seen {
        Seen {
            answered: self.tally.answered.take(),
            failed: self.tally.failed.take(),
            latencies: self.tally.latencies.take(),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.clients.iter().for_each(JoinHandle::abort);
    }
}

async fn ask_forever(address: SocketAddr, scenario: &'static Scenario, tally: Rc<Tally>) {
    loop {
        if let Err(failure) = ask_until_it_fails(address, scenario, &tally).await {
            *tally.failed.borrow_mut().entry(failure).or_default() += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn ask_until_it_fails(address: SocketAddr, scenario: &Scenario, tally: &Tally) -> Result<(), Failure> {
    let mut client = Client::open(address, scenario).await?;
    loop {
        let began = Instant::now();
        if scenario.way == Way::Close {
            client = Client::open(address, scenario).await?;
        }
        timeout(PATIENCE, client.ask(scenario)).await.map_err(|_| Failure::Wrong("no answer in time"))??;
        tally.answered.set(tally.answered.get() + 1);
        let took = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
        tally.latencies.borrow_mut().push(took);
    }
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    answer: Answer,
    /// What a tunnel sends, and what must come back.
    message: (Vec<u8>, Vec<u8>),
}

impl Client {
    /// Connects, and opens the tunnel if there is to be one.
    ///
    /// # Errors
    /// What went wrong, as it is counted.
    pub async fn open(address: SocketAddr, scenario: &Scenario) -> Result<Self, Failure> {
        let stream =
            TcpStream::connect(address).await.map_err(|error| Failure::Connect(error.kind().to_string()))?;
        stream.set_nodelay(true).map_err(failed)?;
        let message = (frame::from_client(), frame::from_server());
        let mut client = Self { stream, answer: Answer::new(), message };
        if scenario.way == Way::Tunnel {
            client.request(scenario, SWITCHED).await?;
        }
        Ok(client)
    }

    /// Asks once, and checks the answer.
    ///
    /// # Errors
    /// What went wrong, as it is counted.
    pub async fn ask(&mut self, scenario: &Scenario) -> Result<(), Failure> {
        match scenario.way {
            Way::Tunnel => self.echo().await,
            Way::Keep => self.request(scenario, OK).await,
            Way::Close => {
                self.request(scenario, OK).await?;
                match self.read(<[u8]>::len).await? {
                    0 => Ok(()),
                    _ => Err(Failure::Wrong("more bytes than the answer has")),
                }
            }
        }
    }

    async fn request(&mut self, scenario: &Scenario, status: u16) -> Result<(), Failure> {
        self.stream.write_all(scenario.request).await.map_err(failed)?;
        self.answer.reset();
        let mut answer = std::mem::replace(&mut self.answer, Answer::new());
        while !self
            .read(|bytes| if bytes.is_empty() { Err(Failure::Closed) } else { answer.take(bytes, status) })
            .await??
        {}
        let length = answer.body();
        self.answer = answer;
        if length == scenario.answer { Ok(()) } else { Err(Failure::Wrong("a body of another length")) }
    }

    async fn echo(&mut self) -> Result<(), Failure> {
        let Self { stream, message: (message, echo), .. } = self;
        stream.write_all(message).await.map_err(failed)?;
        let mut came = 0;
        while came < echo.len() {
            let taken = read(stream, |bytes| {
                let is_it = echo.get(came..came + bytes.len()) == Some(bytes);
                if is_it { bytes.len() } else { 0 }
            });
            match taken.await? {
                0 => return Err(Failure::Wrong("another echo")),
                length => came += length,
            }
        }
        Ok(())
    }

    async fn read<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T, Failure> {
        read(&mut self.stream, look).await
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Reads what is there, and has it looked at.
async fn read<T>(stream: &mut TcpStream, look: impl FnOnce(&[u8]) -> T) -> Result<T, Failure> {
    let mut look = Some(look);
    poll_fn(|cx| {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            std::task::ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)).map_err(failed)?;
            let look = look.take().expect("it is looked at once");
            std::task::Poll::Ready(Ok(look(buffer.filled())))
        })
    })
    .await
}

fn failed(error: io::Error) -> Failure {
    Failure::Io(error.kind().to_string())
}
