//! Whether a first request is entitled to an answer.
//!
//! Owns what a challenge is held against. It stores nothing: a fixed challenge is the host's setting, a [`OneTimeChallenge`] is a record, a
//! [`BoundChallenge`] carries all it needs in itself, and what a person decides is [`Challenge::AcceptedByHost`]. What somebody's service
//! decides is an [`Awaiting`] step, whose [`Question`] and [`Decision`] travel in the messages of [`intune`] and [`smallstep`]; challenges that
//! somebody else makes are got through [`ndes`] and [`jamf`].

mod bound;
mod decision;
mod error;
pub mod intune;
pub mod jamf;
pub mod ndes;
mod one_time;
pub mod smallstep;

pub use bound::{BoundChallenge, ChallengeKey};
pub use decision::{Awaiting, Decision, Issuance, Notification, Question, Verdict};
pub use error::ChallengeError;
pub use one_time::{OneTimeChallenge, OneTimeChallengeEvent, OneTimeChallengeEventKind};

use super::Transaction;
use crate::crypto::Provider;
use crate::secret::Secret;

/// What the host holds a challenge against. There is no default: a host without challenges says so.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Challenge<'a> {
    /// One secret for everybody. An empty one is never right, so that a setting that was forgotten does not open the door.
    Fixed(&'a Secret),
    /// A challenge that is good for one transaction, reserved for this one.
    OneTime(&'a OneTimeChallenge),
    /// A challenge that was made for this device or subject, and expires.
    Bound(&'a BoundChallenge<'a>),
    /// The host has looked the challenge up, asked a service, or asked a person, with the request in hand, and accepts it.
    AcceptedByHost,
    /// Whoever asks gets a certificate. Only where something else than SCEP decides who reaches the server.
    AcceptWithoutChallenge,
}

impl Challenge<'_> {
    pub(super) fn accepts(self, presented: Option<&Secret>, transaction: &Transaction, provider: &Provider) -> bool {
        match (self, presented) {
            (Challenge::AcceptedByHost | Challenge::AcceptWithoutChallenge, _) => true,
            (Challenge::Fixed(expected), Some(presented)) => !expected.is_empty() && presented == expected,
            (Challenge::OneTime(record), Some(presented)) => record.is_reserved_for(presented, transaction, provider),
            (Challenge::Bound(bound), Some(presented)) => bound.accepts(presented, provider),
            (Challenge::Fixed(_) | Challenge::OneTime(_) | Challenge::Bound(_), None) => false,
        }
    }
}
