//! What each kind of worker asks, over and over.

use bytes::Bytes;

use super::Job;
use super::client::{Client, Question};
use super::tally::Kind;

const LARGE: usize = 64 * 1024;
const SMALL: usize = 200;

pub(super) async fn keep_alive(mut job: Job, number: u32) {
    let mut client = Client::new(job.options.address);
    let question = Question::get(Kind::Get, "/", |_, body| !body.is_empty());
    // The workers of one kind begin one after the other, so that they do not march in step.
    tokio::time::sleep(job.options.think * number / job.options.keep_alive.max(1)).await;
    loop {
        client.ask(&job.ledger, &question).await;
        if !job.goes_on().await {
            return;
        }
    }
}

pub(super) async fn fresh(mut job: Job) {
    let mut client = Client::new(job.options.address);
    let question = Question::get(Kind::NewConnection, "/", |_, body| !body.is_empty());
    loop {
        client.ask(&job.ledger, &question).await;
        client.close();
        if !job.goes_on().await {
            return;
        }
    }
}

pub(super) async fn posts(mut job: Job, number: u32) {
    let mut client = Client::new(job.options.address);
    for turn in number.. {
        let length = if turn % 3 == 0 { LARGE } else { SMALL };
        client.ask(&job.ledger, &Question::post(pattern(turn, length))).await;
        if !job.goes_on().await {
            return;
        }
    }
}

pub(super) async fn orders(mut job: Job, number: u32) {
    let mut client = Client::new(job.options.address);
    for turn in 0_u32.. {
        client.ask(&job.ledger, &Question::order(format!("{number}-{turn}"))).await;
        if !job.goes_on().await {
            return;
        }
    }
}

pub(super) async fn streams(mut job: Job, number: u32) {
    let mut client = Client::new(job.options.address);
    for turn in number.. {
        let question = match turn % 2 {
            0 => Question::get(Kind::Stream, "/stream", |_, body| ends_with_its_last(body, "piece ", "\n")),
            _ => Question::get(Kind::Events, "/events", |_, body| ends_with_its_last(body, "data: ", "\n\n")),
        };
        client.ask(&job.ledger, &question).await;
        if !job.goes_on().await {
            return;
        }
    }
}

/// A body that differs from turn to turn and from place to place.
fn pattern(turn: u32, length: usize) -> Bytes {
    (0..length).map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ turn as usize) as u8).collect()
}

/// Whether every piece from `1 of n` to `n of n` is there, in order, and nothing else.
fn ends_with_its_last(body: &Bytes, before: &str, after: &str) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let Some(count) =
        text.split(after).next().and_then(|first| first.rsplit(' ').next()?.parse::<u32>().ok())
    else {
        return false;
    };
    let whole: String = (1..=count).map(|piece| format!("{before}{piece} of {count}{after}")).collect();
    count > 0 && text == whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_stream_is_right() {
        let right = |text: &'static str| ends_with_its_last(&Bytes::from(text), "piece ", "\n");
        assert!(right("piece 1 of 2\npiece 2 of 2\n"));
        assert!(!right("piece 1 of 2\n"));
        assert!(!right("piece 1 of 2\npiece 2 of 2"));
        assert!(!right("piece 2 of 2\npiece 1 of 2\n"));
        assert!(!right("Bad gateway\n"));
        assert!(!right(""));
    }

    #[test]
    fn bodies_differ() {
        assert_ne!(pattern(1, LARGE), pattern(2, LARGE));
        assert_eq!(pattern(3, LARGE).len(), LARGE);
    }
}
