//! It does not matter in which pieces bytes come.

use fastrand::Rng;
use rollcore::internals::MessageReader;

use crate::{made_up, oracle};

const SEEDS: u64 = 20_000;

#[test]
fn any_pieces_of_requests_are_the_same_messages() {
    for seed in 0..SEEDS {
        let mut dice = Rng::with_seed(seed);
        let bytes = made_up::requests(seed);
        let cuts: Vec<usize> = (0..8).map(|_| dice.usize(1..30)).collect();
        oracle::pieces_agree(&bytes, &cuts, MessageReader::of_requests);
        oracle::pieces_agree(&bytes, &[1], MessageReader::of_requests);
    }
}

#[test]
fn any_pieces_of_a_response_are_the_same_messages() {
    for seed in 0..SEEDS {
        let mut dice = Rng::with_seed(seed);
        let bytes = made_up::response(seed);
        let cuts: Vec<usize> = (0..8).map(|_| dice.usize(1..30)).collect();
        let of_response = || MessageReader::of_response(seed % 8 == 0);
        oracle::pieces_agree(&bytes, &cuts, of_response);
        oracle::pieces_agree(&bytes, &[1], of_response);
    }
}
