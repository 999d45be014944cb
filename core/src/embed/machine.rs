//! The rules of the queue. Pure: nothing here waits, locks or knows what an event is made of.
//!
//! ```text
//!  begin ──▶ pending ──finish──▶ in the queue ──pop──▶ the host
//!               │                    ▲
//!            awaited ──finish──▶ set aside ──▶ whoever waits for it;
//!                                    └── given back when nobody does any more
//! ```
//!
//! Unsolicited events are bounded: one more than there is room for, and the oldest is dropped, counted, and told of by
//! what [`Popped::Lagged`] says, once, before the next event. Completions are never dropped; what bounds them is how many
//! operations there may be. Exits of processes are only dropped where nobody can be reading any more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many operations may be under way, or over and not taken yet; one more is refused.
pub(crate) const OPERATIONS_MAX: usize = 65_536;

/// How many exits of processes are kept for a host that does not read; older ones are dropped, and counted.
pub(crate) const EXITS_MAX: usize = 65_536;

/// Which events may be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// While there is room.
    WithRoom,
    /// As long as anybody can be reading.
    Firmly,
}

/// What is next for the host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Popped<E> {
    /// This.
    Event(E),
    /// So many events were dropped since the last one.
    Lagged(u64),
    /// Nothing.
    Empty,
}

/// How an operation is, for whoever waits for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Awaited<E> {
    /// It is over; this is the only copy of its completion.
    Done(E),
    /// It is under way.
    Pending,
    /// There is none, or somebody else has its completion.
    Unknown,
}

/// Events, oldest first, and the operations that will end with one.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    room: usize,
    next_place: u64,
    next_op: u64,
    /// By place; a completion with its operation.
    events: BTreeMap<u64, (Option<u64>, E)>,
    /// The places of what may be dropped, oldest first.
    with_room: VecDeque<u64>,
    firm: VecDeque<u64>,
    /// The places of completions.
    done: BTreeMap<u64, u64>,
    dropped: u64,
    pending: BTreeSet<u64>,
    awaited: BTreeMap<u64, usize>,
    set_aside: BTreeMap<u64, E>,
}

impl<E> Queue<E> {
    /// With room for so many unsolicited events, at least one.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            room: room.max(1),
            next_place: 0,
            next_op: 1,
            events: BTreeMap::new(),
            with_room: VecDeque::new(),
            firm: VecDeque::new(),
            done: BTreeMap::new(),
            dropped: 0,
            pending: BTreeSet::new(),
            awaited: BTreeMap::new(),
            set_aside: BTreeMap::new(),
        }
    }

    /// Whether [`pop`](Self::pop) has something to give.
    pub(crate) fn is_readable(&self) -> bool {
        self.dropped > 0 || !self.events.is_empty()
    }

    /// Whether an operation is under way, or its completion is still here.
    pub(crate) fn is_known(&self, op: u64) -> bool {
        self.pending.contains(&op) || self.done.contains_key(&op) || self.set_aside.contains_key(&op)
    }

    /// A new operation; `None` when there are too many.
    pub(crate) fn begin(&mut self) -> Option<u64> {
        if self.pending.len() + self.done.len() + self.set_aside.len() >= OPERATIONS_MAX {
            return None;
        }
        let op = self.next_op;
        self.next_op += 1;
        self.pending.insert(op);
        Some(op)
    }

    /// The operation is over. Whoever [awaits](Self::is_awaited) it is to be told. A second completion is ignored.
    pub(crate) fn finish(&mut self, op: u64, completion: E) {
        if !self.pending.remove(&op) {
            return;
        }
        if self.is_awaited(op) {
            self.set_aside.insert(op, completion);
        } else {
            self.enqueue_completion(op, completion);
        }
    }

    pub(crate) fn is_awaited(&self, op: u64) -> bool {
        self.awaited.contains_key(&op)
    }

    /// Something happened that nobody asked for.
    pub(crate) fn push(&mut self, event: E, keep: Keep) {
        let place = self.enqueue(None, event);
        let (kept, max) = match keep {
            Keep::WithRoom => (&mut self.with_room, self.room),
            Keep::Firmly => (&mut self.firm, EXITS_MAX),
        };
        kept.push_back(place);
        if kept.len() > max
            && let Some(oldest) = kept.pop_front()
        {
            self.events.remove(&oldest);
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// So many events were lost before they came here.
    pub(crate) fn lost(&mut self, count: u64) {
        self.dropped = self.dropped.saturating_add(count);
    }

    /// Takes what is next.
    pub(crate) fn pop(&mut self) -> Popped<E> {
        if self.dropped > 0 {
            return Popped::Lagged(std::mem::take(&mut self.dropped));
        }
        let Some((place, (op, event))) = self.events.pop_first() else { return Popped::Empty };
        for kept in [&mut self.with_room, &mut self.firm] {
            if kept.front() == Some(&place) {
                kept.pop_front();
            }
        }
        op.and_then(|op| self.done.remove(&op));
        Popped::Event(event)
    }

    /// Takes the completion of `op`, or begins to wait for it: then [`stop_waiting`](Self::stop_waiting) is to follow.
    pub(crate) fn begin_waiting(&mut self, op: u64) -> Awaited<E> {
        let now = self.poll(op);
        if matches!(now, Awaited::Pending) {
            *self.awaited.entry(op).or_default() += 1;
        }
        now
    }

    /// Takes the completion of `op` if it is there.
    pub(crate) fn poll(&mut self, op: u64) -> Awaited<E> {
        if let Some(completion) = self.set_aside.remove(&op) {
            return Awaited::Done(completion);
        }
        let in_queue = self.done.remove(&op).and_then(|place| self.events.remove(&place));
        match in_queue {
            Some((_, completion)) => Awaited::Done(completion),
            None if self.pending.contains(&op) => Awaited::Pending,
            None => Awaited::Unknown,
        }
    }

    /// Whoever waited for `op` does no more. A completion that nobody took goes into the queue after all.
    pub(crate) fn stop_waiting(&mut self, op: u64) {
        let Some(waiting) = self.awaited.get_mut(&op) else { return };
        *waiting -= 1;
        if *waiting > 0 {
            return;
        }
        self.awaited.remove(&op);
        if let Some(completion) = self.set_aside.remove(&op) {
            self.enqueue_completion(op, completion);
        }
    }

    fn enqueue_completion(&mut self, op: u64, completion: E) {
        let place = self.enqueue(Some(op), completion);
        self.done.insert(op, place);
    }

    fn enqueue(&mut self, op: Option<u64>, event: E) -> u64 {
        let place = self.next_place;
        self.next_place += 1;
        self.events.insert(place, (op, event));
        place
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Events = Queue<&'static str>;

    fn queue(room: usize) -> Events {
        Queue::new(room)
    }

    fn drained(queue: &mut Events) -> Vec<&'static str> {
        let mut all = Vec::new();
        loop {
            match queue.pop() {
                Popped::Event(event) => all.push(event),
                Popped::Lagged(_) => all.push("lagged"),
                Popped::Empty => return all,
            }
        }
    }

    #[test]
    fn events_come_in_their_order() {
        let mut queue = queue(8);
        let op = queue.begin().expect("there is room");
        queue.push("a", Keep::WithRoom);
        queue.finish(op, "done");
        queue.push("exit", Keep::Firmly);
        queue.push("b", Keep::WithRoom);
        assert!(queue.is_readable());
        assert_eq!(drained(&mut queue), ["a", "done", "exit", "b"]);
        assert!(!queue.is_readable());
    }

    #[test]
    fn the_oldest_unsolicited_events_are_dropped_and_told_of_once() {
        let mut queue = queue(2);
        let op = queue.begin().expect("there is room");
        for event in ["a", "b", "c", "d"] {
            queue.push(event, Keep::WithRoom);
            queue.push("exit", Keep::Firmly);
        }
        queue.finish(op, "done");
        assert_eq!(queue.pop(), Popped::Lagged(2));
        assert_eq!(drained(&mut queue), ["exit", "exit", "c", "exit", "d", "exit", "done"]);
        queue.push("e", Keep::WithRoom);
        assert_eq!(drained(&mut queue), ["e"], "what was told of is not told of again");
    }

    #[test]
    fn what_was_lost_elsewhere_is_told_of_with_nothing_else_to_say() {
        let mut queue = queue(2);
        queue.lost(3);
        assert!(queue.is_readable());
        assert_eq!(queue.pop(), Popped::Lagged(3));
        assert_eq!(queue.pop(), Popped::Empty);
    }

    #[test]
    fn a_wait_takes_its_own_completion_and_leaves_the_others() {
        let mut queue = queue(8);
        let (first, second) = (queue.begin().expect("room"), queue.begin().expect("room"));
        queue.push("a", Keep::WithRoom);
        queue.finish(first, "first");
        queue.finish(second, "second");
        assert_eq!(queue.begin_waiting(second), Awaited::Done("second"));
        assert_eq!(queue.begin_waiting(second), Awaited::Unknown, "a completion is there once");
        assert_eq!(drained(&mut queue), ["a", "first"]);
        assert_eq!(queue.poll(first), Awaited::Unknown, "somebody else took it");
    }

    #[test]
    fn what_is_awaited_is_set_aside_and_given_back_when_nobody_takes_it() {
        let mut queue = queue(8);
        let op = queue.begin().expect("room");
        assert_eq!(queue.begin_waiting(op), Awaited::Pending);
        assert_eq!(queue.begin_waiting(op), Awaited::Pending);
        queue.finish(op, "done");
        assert!(!queue.is_readable(), "it is not for whoever drains the queue");
        queue.stop_waiting(op);
        assert!(!queue.is_readable(), "another one still waits");
        queue.stop_waiting(op);
        assert_eq!(drained(&mut queue), ["done"]);
    }

    #[test]
    fn of_two_who_wait_one_gets_it_and_the_other_hears_that_it_is_gone() {
        let mut queue = queue(8);
        let op = queue.begin().expect("room");
        assert_eq!(queue.begin_waiting(op), Awaited::Pending);
        assert_eq!(queue.begin_waiting(op), Awaited::Pending);
        queue.finish(op, "done");
        assert_eq!(queue.poll(op), Awaited::Done("done"));
        queue.stop_waiting(op);
        assert_eq!(queue.poll(op), Awaited::Unknown);
        queue.stop_waiting(op);
        assert_eq!(drained(&mut queue), Vec::<&str>::new());
    }

    #[test]
    fn an_operation_ends_once() {
        let mut queue = queue(8);
        let op = queue.begin().expect("room");
        queue.finish(op, "done");
        queue.finish(op, "again");
        queue.finish(op + 1, "never begun");
        assert_eq!(drained(&mut queue), ["done"]);
    }

    #[test]
    fn operations_that_nobody_takes_the_completions_of_are_bounded() {
        let mut queue = queue(8);
        for _ in 0..OPERATIONS_MAX {
            let op = queue.begin().expect("room");
            queue.finish(op, "done");
        }
        assert_eq!(queue.begin(), None);
        assert_eq!(queue.pop(), Popped::Event("done"));
        assert!(queue.begin().is_some());
    }

    #[test]
    fn exits_that_nobody_reads_are_bounded() {
        let mut queue = queue(8);
        for _ in 0..EXITS_MAX + 2 {
            queue.push("exit", Keep::Firmly);
        }
        assert_eq!(queue.pop(), Popped::Lagged(2));
        assert_eq!(drained(&mut queue).len(), EXITS_MAX);
    }

    #[derive(Clone, Debug)]
    enum Move {
        Begin,
        Finish(usize),
        Push(Keep),
        Pop,
        Wait(usize),
        Stop(usize),
        Take(usize),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            Just(Move::Begin),
            (0_usize..6).prop_map(Move::Finish),
            Just(Move::Push(Keep::WithRoom)),
            Just(Move::Push(Keep::Firmly)),
            Just(Move::Pop),
            (0_usize..6).prop_map(Move::Wait),
            (0_usize..6).prop_map(Move::Stop),
            (0_usize..6).prop_map(Move::Take),
        ];
        prop::collection::vec(one, 1..80)
    }

    proptest! {
        /// Every completion reaches somebody, once, and what is not delivered was told of as dropped.
        #[test]
        fn nothing_is_lost_and_nothing_comes_twice(moves in moves()) {
            let mut queue = Queue::new(3);
            let (mut ops, mut delivered, mut pushed, mut seen, mut lagged) = (vec![], vec![], 0_u64, 0_u64, 0_u64);
            let mut waiting = [0_usize; 6];
            let mut finished = vec![];
            for one in moves {
                match one {
                    Move::Begin if ops.len() < 6 => ops.push(queue.begin().expect("there is room")),
                    Move::Finish(n) if n < ops.len() => {
                        queue.finish(ops[n], Some(ops[n]));
                        if !finished.contains(&ops[n]) {
                            finished.push(ops[n]);
                        }
                    }
                    Move::Push(keep) => {
                        queue.push(None, keep);
                        pushed += 1;
                    }
                    Move::Pop => match queue.pop() {
                        Popped::Event(Some(op)) => delivered.push(op),
                        Popped::Event(None) => seen += 1,
                        Popped::Lagged(count) => lagged += count,
                        Popped::Empty => prop_assert!(!queue.is_readable()),
                    },
                    Move::Wait(n) if n < ops.len() => match queue.begin_waiting(ops[n]) {
                        Awaited::Done(op) => delivered.push(op.expect("a completion")),
                        Awaited::Pending => waiting[n] += 1,
                        Awaited::Unknown => {}
                    },
                    Move::Take(n) if n < ops.len() && waiting[n] > 0 => {
                        if let Awaited::Done(op) = queue.poll(ops[n]) {
                            delivered.push(op.expect("a completion"));
                            waiting[n] -= 1;
                            queue.stop_waiting(ops[n]);
                        }
                    }
                    Move::Stop(n) if n < ops.len() && waiting[n] > 0 => {
                        waiting[n] -= 1;
                        queue.stop_waiting(ops[n]);
                    }
                    _ => {}
                }
            }
            for (n, op) in ops.iter().enumerate() {
                (0..waiting[n]).for_each(|_| queue.stop_waiting(*op));
            }
            loop {
                match queue.pop() {
                    Popped::Event(Some(op)) => delivered.push(op),
                    Popped::Event(None) => seen += 1,
                    Popped::Lagged(count) => lagged += count,
                    Popped::Empty => break,
                }
            }
            delivered.sort_unstable();
            finished.sort_unstable();
            prop_assert_eq!(delivered, finished);
            prop_assert_eq!(seen + lagged, pushed);
        }
    }
}
