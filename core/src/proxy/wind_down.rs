//! Asks those who hold a release to go, each at his time.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use crate::clock;

use super::clients::Clients;
use super::machine::{WindDown, WindDownAction, WindDownEvent};
use super::route::Ledger;

/// Asks everybody who holds one of these, as `machine` says. Goes on until it is dropped.
pub(super) async fn wind_down(
    clients: &Clients,
    ledgers: &[Arc<Ledger>],
    mut machine: WindDown,
) -> Infallible {
    let mut left = Vec::new().into_iter();
    while let Some(at) = machine.next_timeout() {
        tokio::time::sleep(at - clock::now()).await;
        let mut action = machine.handle(WindDownEvent::TimeUp, clock::now());
        if action == Some(WindDownAction::List) {
            left = clients.ask_requests_to_go(ledgers).into_iter();
            action = machine.handle(WindDownEvent::Listed(left.len() as u64), clock::now());
        }
        if let Some(WindDownAction::Tell(more)) = action {
            let more = usize::try_from(more).unwrap_or(usize::MAX);
            left.by_ref().take(more).for_each(|(client, ledger)| client.ask_to_go(ledger));
        }
    }
    pending().await
}
