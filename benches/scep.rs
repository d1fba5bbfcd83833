//! How long a SCEP server takes for an enrollment, beside the RSA in it, and what it allocates.
//!
//! Aims: a transaction within 1.10 times its RSA operations by the same provider; the crate's own share, which is everything else, below
//! 60 µs and 200 allocations; reading a request and verifying its signature below 60 µs (with AWS-LC).
//!
//! ```text
//! cargo bench --bench scep --features aws-lc-rs
//! ```
//!
//! `benches/peers` does the same work with OpenSSL's CMS beside it.
#![cfg_attr(not(any(feature = "rustcrypto", feature = "aws-lc-rs")), allow(unused, reason = "nothing runs without a provider"))]
#![allow(missing_docs, reason = "criterion_group! makes a public function")]

use std::alloc::System;

use criterion::{Criterion, criterion_group, criterion_main};
use mdm_core::crypto::Provider;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

mod transaction;
use transaction::{Desk, Os, check, in_turn};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn providers() -> Vec<(&'static str, Provider)> {
    [
        #[cfg(feature = "aws-lc-rs")]
        ("aws-lc-rs", Provider::aws_lc_rs(&Os)),
        #[cfg(feature = "rustcrypto")]
        ("rustcrypto", Provider::rustcrypto(&Os)),
    ]
    .to_vec()
}

/// Ratio and allocations, which criterion has no place for.
fn summary(name: &str, desk: &Desk, own: &Desk) {
    let rsa = desk.rsa();
    let [whole, floor] = in_turn(400, || drop(desk.transaction()), || rsa.run());
    let [share, _] = in_turn(2_000, || drop(own.transaction()), || ());
    let region = Region::new(ALLOCATOR);
    drop(own.transaction());
    let change = region.change();
    println!(
        "{name}: transaction {whole:.0} µs, its RSA {floor:.0} µs, ratio {:.3}; own share {share:.1} µs, {} allocations, {} reallocations, {} octets",
        whole / floor,
        change.allocations,
        change.reallocations,
        change.bytes_allocated,
    );
}

fn scep(criterion: &mut Criterion) {
    for (name, provider) in providers() {
        let desk = Desk::new(provider);
        check(&desk);
        let own = Desk::new(provider).without_rsa();
        summary(name, &desk, &own);
        let rsa = desk.rsa();
        let mut group = criterion.benchmark_group(format!("scep/{name}"));
        group.bench_function("transaction", |bench| bench.iter(|| desk.transaction()));
        group.bench_function("its RSA operations", |bench| bench.iter(|| rsa.run()));
        group.bench_function("own share", |bench| bench.iter(|| own.transaction()));
        group.bench_function("parse and verify", |bench| bench.iter(|| desk.parse_and_verify()));
        group.bench_function("parse without RSA", |bench| bench.iter(|| own.parse_and_verify()));
        group.finish();
    }
}

criterion_group!(benches, scep);
criterion_main!(benches);
