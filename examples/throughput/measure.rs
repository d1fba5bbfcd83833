//! Doing one thing over and over, and what that costs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::counted::{self, Cost};
use crate::{MEMORY, Result};

/// What is measured.
pub struct Workload {
    /// Bytes that one operation reads; 0 when it reads no message.
    pub input: usize,
    /// One operation.
    pub operation: Box<dyn FnMut() -> Result<()>>,
}

/// What so many operations cost.
pub struct Measured {
    /// From the first to the last.
    pub time: Duration,
    /// How many.
    pub operations: u64,
    /// Bytes that one reads.
    pub input: usize,
    allocations: u64,
    bytes: u64,
    keys: Cost,
    /// The fastest batch: its time and that of its key operations, for one operation in microseconds.
    fastest: (f64, f64),
}

/// The same for one operation.
pub struct Each {
    pub per_second: f64,
    pub micros: f64,
    pub megabytes_per_second: f64,
    pub allocations: f64,
    pub bytes: f64,
    pub key_operations: f64,
    pub key_micros: f64,
    pub own_micros: f64,
    pub own_allocations: f64,
    pub own_bytes: f64,
    pub fastest_micros: f64,
    pub fastest_own_micros: f64,
}

/// About how long a batch is: the clock is read once for each.
const BATCH: Duration = Duration::from_millis(5);

/// Runs a workload for about so long, after it has warmed up for a tenth of that.
pub fn run(mut workload: Workload, time: Duration) -> Result<Measured> {
    let batch = warm_up(&mut workload, time / 10)?;
    measured(&mut workload, |operations, elapsed| if elapsed < time || operations == 0 { batch } else { 0 })
}

/// Runs a workload so often.
pub fn exactly(mut workload: Workload, operations: u64) -> Result<Measured> {
    (workload.operation)()?;
    (workload.operation)()?;
    measured(&mut workload, |done, _| operations - done)
}

/// Runs batches until the next one is empty; `next` is told the operations that were done, and the time. A function of its own, by
/// whose name a profiler finds it.
#[inline(never)]
fn measured(workload: &mut Workload, next: impl Fn(u64, Duration) -> u64) -> Result<Measured> {
    let (keys_before, memory_before) = (counted::cost(), MEMORY.stats());
    let begun = Instant::now();
    let (mut operations, mut elapsed, mut fastest) = (0, Duration::ZERO, (f64::INFINITY, 0.0));
    loop {
        let batch = next(operations, elapsed);
        if batch == 0 {
            break;
        }
        let keys = counted::cost();
        for _ in 0..batch {
            (workload.operation)()?;
        }
        operations += batch;
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / batch as f64;
        let before = std::mem::replace(&mut elapsed, begun.elapsed());
        if micros(elapsed - before) < fastest.0 {
            fastest = (micros(elapsed - before), micros((counted::cost() - keys).time));
        }
    }
    let memory = MEMORY.stats() - memory_before;
    Ok(Measured {
        time: elapsed,
        operations,
        fastest,
        input: workload.input,
        allocations: (memory.allocations + memory.reallocations) as u64,
        bytes: memory.bytes_allocated as u64,
        keys: counted::cost() - keys_before,
    })
}

/// Fills caches and finds how many operations make a batch.
fn warm_up(workload: &mut Workload, time: Duration) -> Result<u64> {
    let begun = Instant::now();
    let mut operations = 0_u32;
    loop {
        (workload.operation)()?;
        operations += 1;
        if begun.elapsed() >= time {
            let each = begun.elapsed() / operations;
            return Ok((BATCH.as_nanos() / each.as_nanos().max(1)).max(1) as u64);
        }
    }
}

impl Measured {
    /// The cost of one operation.
    pub fn each(&self) -> Each {
        let operations = self.operations as f64;
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / operations;
        let per_second = operations / self.time.as_secs_f64();
        Each {
            per_second,
            micros: micros(self.time),
            megabytes_per_second: per_second * self.input as f64 / 1e6,
            allocations: self.allocations as f64 / operations,
            bytes: self.bytes as f64 / operations,
            key_operations: self.keys.operations as f64 / operations,
            key_micros: micros(self.keys.time),
            own_micros: micros(self.time.saturating_sub(self.keys.time)),
            own_allocations: self.allocations.saturating_sub(self.keys.allocations) as f64 / operations,
            own_bytes: self.bytes.saturating_sub(self.keys.bytes) as f64 / operations,
            fastest_micros: self.fastest.0,
            fastest_own_micros: (self.fastest.0 - self.fastest.1).max(0.0),
        }
    }

    /// The object that the head of `main.rs` describes.
    pub fn to_json(&self, workload: &str, backend: &str) -> Value {
        let each = self.each();
        let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
        json!({
            "workload": workload,
            "backend": backend,
            "version": env!("CARGO_PKG_VERSION"),
            "seconds": rounded(self.time.as_secs_f64()),
            "operations": self.operations,
            "operations_per_second": rounded(each.per_second),
            "microseconds_per_operation": rounded(each.micros),
            "input_bytes": self.input,
            "megabytes_per_second": rounded(each.megabytes_per_second),
            "allocations_per_operation": rounded(each.allocations),
            "allocated_bytes_per_operation": rounded(each.bytes),
            "key_operations_per_operation": rounded(each.key_operations),
            "key_microseconds_per_operation": rounded(each.key_micros),
            "own_microseconds_per_operation": rounded(each.own_micros),
            "own_allocations_per_operation": rounded(each.own_allocations),
            "own_allocated_bytes_per_operation": rounded(each.own_bytes),
            "fastest_microseconds_per_operation": rounded(each.fastest_micros),
            "fastest_own_microseconds_per_operation": rounded(each.fastest_own_micros),
        })
    }
}
