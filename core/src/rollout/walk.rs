//! The way through a plan: forward step by step, and back when one fails.
//!
//! ```text
//!  Do(1) → Do(2) → … → Do(n) → Over: Deployed
//!            │ fails
//!            ▼
//!  Undo(1) ← Undo(2)             → Over: Undone, or Stuck when an undo failed too
//! ```

use crate::step::{Step, Undo};

use super::Failure;

/// Where a rollout is.
#[derive(Clone, Debug)]
pub struct Walk {
    steps: Vec<Step>,
    /// Forward: the step that is being done. Backward: one more than the step that is being undone.
    at: usize,
    direction: Direction,
}

#[derive(Clone, Debug)]
enum Direction {
    Forward,
    Backward { failed: Step, cause: Failure, stuck: Option<(Undo, Failure)> },
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// This step.
    Do(Step),
    /// This undo. The step that failed is undone as well: it may have been half done.
    Undo(Undo),
    /// Nothing more.
    Over(Outcome),
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step was done.
    Deployed,
    /// A step failed, and everything is as it was.
    Undone {
        /// The step that failed.
        step: Step,
        /// Why.
        cause: Failure,
    },
    /// A step failed, and so did an undo: somebody has to look.
    Stuck {
        /// The step that failed.
        step: Step,
        /// Why.
        cause: Failure,
        /// The first undo that failed.
        undo: Undo,
        /// Why.
        undo_cause: Failure,
    },
}

impl Walk {
    /// Stands before the first step.
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps, at: 0, direction: Direction::Forward }
    }

    /// What is to be done now.
    #[must_use]
    pub fn turn(&self) -> Turn {
        match &self.direction {
            Direction::Forward => {
                self.steps.get(self.at).cloned().map_or(Turn::Over(Outcome::Deployed), Turn::Do)
            }
            Direction::Backward { failed, cause, stuck } => match self.at.checked_sub(1) {
                Some(last) => Turn::Undo(self.steps[last].undo()),
                None => Turn::Over(undone(failed, cause, stuck.as_ref())),
            },
        }
    }

    /// What is being done now is done.
    pub fn succeeded(&mut self) {
        match self.direction {
            Direction::Forward => self.at = self.steps.len().min(self.at + 1),
            Direction::Backward { .. } => self.at = self.at.saturating_sub(1),
        }
    }

    /// What is being done now cannot be done: turns back, or, on the way back, remembers it and goes on.
    pub fn failed(&mut self, cause: Failure) {
        match (self.turn(), &mut self.direction) {
            (Turn::Do(step), Direction::Forward) => {
                self.at += 1;
                self.direction = Direction::Backward { failed: step, cause, stuck: None };
            }
            (Turn::Undo(undo), Direction::Backward { stuck, .. }) => {
                stuck.get_or_insert((undo, cause));
                self.at -= 1;
            }
            _ => {}
        }
    }

    /// Why it is on the way back.
    #[must_use]
    pub fn cause(&self) -> Option<&Failure> {
        match &self.direction {
            Direction::Forward => None,
            Direction::Backward { cause, .. } => Some(cause),
        }
    }
}

fn undone(step: &Step, cause: &Failure, stuck: Option<&(Undo, Failure)>) -> Outcome {
    let (step, cause) = (step.clone(), cause.clone());
    match stuck.cloned() {
        None => Outcome::Undone { step, cause },
        Some((undo, undo_cause)) => Outcome::Stuck { step, cause, undo, undo_cause },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk() -> Walk {
        Walk::new(vec![Step::Preflight, Step::LeasePorts, Step::Switch])
    }

    fn broken() -> Failure {
        Failure::new("broken", "it broke")
    }

    #[test]
    fn every_step_is_done_in_order() {
        let mut walk = walk();
        for step in [Step::Preflight, Step::LeasePorts, Step::Switch] {
            assert_eq!(walk.turn(), Turn::Do(step));
            walk.succeeded();
        }
        assert_eq!(walk.turn(), Turn::Over(Outcome::Deployed));
    }

    #[test]
    fn a_failed_step_undoes_itself_and_the_finished_ones_in_reverse() {
        let mut walk = walk();
        walk.succeeded();
        walk.failed(broken());
        assert_eq!(walk.turn(), Turn::Undo(Undo::ReturnPorts));
        walk.succeeded();
        assert_eq!(walk.turn(), Turn::Undo(Undo::Nothing));
        walk.succeeded();
        assert_eq!(walk.turn(), Turn::Over(Outcome::Undone { step: Step::LeasePorts, cause: broken() }));
    }

    #[test]
    fn a_failed_undo_does_not_keep_the_others_from_being_tried() {
        let mut walk = walk();
        walk.succeeded();
        walk.failed(broken());
        walk.failed(Failure::new("worse", "the undo broke"));
        assert_eq!(walk.turn(), Turn::Undo(Undo::Nothing));
        walk.succeeded();
        let Turn::Over(Outcome::Stuck { undo, undo_cause, .. }) = walk.turn() else { panic!("{walk:?}") };
        assert_eq!((undo, undo_cause.code()), (Undo::ReturnPorts, "worse"));
    }
}
