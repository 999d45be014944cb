//! What this program is when it starts itself.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::ValueEnum;
use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};
use tokio::net::TcpListener;

use crate::{relay, upstream};

/// One process of the comparison.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Role {
    /// The application behind the proxies.
    Upstream,
    /// rollcore's proxy as a host of the library would have it: one worker, every default.
    Proxy,
    /// A relay that parses nothing.
    Relay,
}

impl Role {
    /// Prints where it listens, and serves until standard input ends.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn play(self, application: SocketAddr) -> io::Result<()> {
        match self {
            Self::Proxy => {
                let options = ProxyOptions { workers: 1, ..ProxyOptions::new("127.0.0.1", 0) };
                let proxy = DrainingProxy::bind(options).map_err(io::Error::other)?;
                // It is the first release: nobody is replaced.
                let _ = proxy.switch_to(Traffic::to(Generation(1), [application]));
                tell(proxy.local_addr())?;
                wait_for_the_end();
                crate::block_on(proxy.close(Duration::ZERO)).map(drop)
            }
            Self::Upstream | Self::Relay => crate::block_on(self.serve(application))?,
        }
    }

    async fn serve(self, application: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        tell(listener.local_addr()?)?;
        let serve = async {
            match self {
                Self::Relay => relay::serve(listener, application).await,
                _ => upstream::serve(listener).await,
            }
        };
        tokio::select! {
            () = serve => Ok(()),
            ended = tokio::task::spawn_blocking(wait_for_the_end) => ended.map_err(io::Error::other),
        }
    }
}

fn tell(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{address}")?;
    stdout.flush()
}

fn wait_for_the_end() {
    // An error is an end, too.
    let _ = io::stdin().read_to_end(&mut Vec::new());
}
