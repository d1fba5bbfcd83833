//! Latencies, errors, and what did not hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What all devices have seen.
#[derive(Default)]
pub struct Tally {
    kinds: Mutex<BTreeMap<&'static str, Kind>>,
    broken: Mutex<Vec<String>>,
}

/// One kind of message.
#[derive(Default)]
struct Kind {
    latencies: Vec<Duration>,
    lost: u64,
    busy: u64,
    refused: u64,
}

/// How a message failed.
#[derive(Clone, Copy)]
pub enum Error {
    Lost,
    Busy,
    Refused,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    /// A message was answered.
    pub fn answered(&self, kind: &'static str, after: Duration) {
        locked(&self.kinds).entry(kind).or_default().latencies.push(after);
    }

    /// A message was not.
    pub fn failed(&self, kind: &'static str, error: Error) {
        let mut kinds = locked(&self.kinds);
        let kind = kinds.entry(kind).or_default();
        match error {
            Error::Lost => kind.lost += 1,
            Error::Busy => kind.busy += 1,
            Error::Refused => kind.refused += 1,
        }
    }

    /// Something did not hold.
    pub fn broke(&self, what: String) {
        locked(&self.broken).push(what);
    }

    /// All that did not hold.
    pub fn broken(&self) -> Vec<String> {
        locked(&self.broken).clone()
    }

    /// For the progress bar.
    pub fn line(&self) -> String {
        let kinds = locked(&self.kinds);
        let answered: usize = kinds.values().map(|kind| kind.latencies.len()).sum();
        let failed: u64 = kinds.values().map(|kind| kind.lost + kind.busy + kind.refused).sum();
        let broken = locked(&self.broken).len();
        format!("{answered} answers, {failed} errors, {broken} broken")
    }

    /// The table: milliseconds by kind of message.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<14}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>9}\n",
            "message", "answers", "p50 ms", "p95 ms", "p99 ms", "max ms", "lost", "busy", "refused"
        );
        for (name, kind) in locked(&self.kinds).iter_mut() {
            kind.latencies.sort_unstable();
            let at = |percent: usize| percentile(&kind.latencies, percent).as_secs_f64() * 1e3;
            let (p50, p95, p99, max) = (at(50), at(95), at(99), at(100));
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "{name:<14}{:>9}{p50:>9.1}{p95:>9.1}{p99:>9.1}{max:>9.1}{:>7}{:>7}{:>9}",
                kind.latencies.len(),
                kind.lost,
                kind.busy,
                kind.refused
            );
        }
        table
    }
}

/// The smallest latency that so many of a hundred do not exceed; of a sorted list.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(at).copied().unwrap_or_default()
}
