//! What one SCEP transaction of a server allocates, RSA left out: a bound that holds on every machine. Times are in `benches/scep.rs`.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[path = "../benches/transaction/mod.rs"]
mod transaction;
mod support;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The only test of this program, so that nobody else allocates meanwhile.
#[test]
fn a_transaction_allocates_less_than_two_hundred_times_beside_rsa() {
    for (name, provider) in support::providers() {
        let desk = transaction::Desk::new(provider);
        transaction::check(&desk);
        let own = desk.without_rsa();
        drop(own.transaction());
        let region = Region::new(ALLOCATOR);
        let answer = own.transaction();
        let change = region.change();
        println!("{name}: {change:?}");
        assert!(change.allocations + change.reallocations < 200, "{name}: {change:?}");
        assert!(change.bytes_allocated < 64 * answer.len(), "{name}: {change:?}");
    }
}
