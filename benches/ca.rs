//! The authority: issuing, answering, listing, replaying. With the feature `aws-lc-rs` over that provider, else over RustCrypto:
//!
//! ```text
//! cargo bench --bench ca --features aws-lc-rs
//! ```
//!
//! "own" is everything but the signature: the key behind it signs at once, with what is no signature.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mdm_core::ca::CertificateRecord;
use mdm_core::crypto::Provider;
use mdm_core::record::Record;
use mdm_core::x509::{RevocationReason, SerialNumber};

mod authority;
use authority::{Ca, Os};

#[cfg(feature = "aws-lc-rs")]
fn ca() -> Ca {
    Ca::new(Provider::aws_lc_rs(&Os))
}

#[cfg(not(feature = "aws-lc-rs"))]
fn ca() -> Ca {
    Ca::new(Provider::rustcrypto(&Os))
}

fn issuing(c: &mut Criterion) {
    let ca = ca();
    let mut group = c.benchmark_group("issue");
    group.throughput(Throughput::Elements(1));
    group.bench_function("own", |b| b.iter(|| black_box(ca.issue(&ca.free))));
    group.bench_function("P-256", |b| b.iter(|| black_box(ca.issue(&ca.key))));
    group.finish();
    let record = ca.issue(&ca.key);
    c.bench_function("revoke", |b| b.iter(|| black_box(record.revoke(RevocationReason::Superseded, None, ca.now).unwrap())));
}

fn answering(c: &mut Criterion) {
    let ca = ca();
    let record = ca.issue(&ca.key);
    let question = ca.question(&record);
    let responder = ca.authority.responder(&ca.provider).unwrap();
    let find = |_: &SerialNumber| Some(&record);
    let mut group = c.benchmark_group("ocsp");
    group.throughput(Throughput::Elements(1));
    group.bench_function("own", |b| {
        b.iter(|| black_box(responder.respond(&question, find, &[&ca.free], ca.now, &ca.provider)));
    });
    group.bench_function("P-256", |b| {
        b.iter(|| black_box(responder.respond(&question, find, &[&ca.key], ca.now, &ca.provider)));
    });
    group.finish();
}

const ENTRIES: u64 = 1_000_000;

fn listing(c: &mut Criterion) {
    let ca = ca();
    let mut group = c.benchmark_group("list of 1,000,000");
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES));
    group.bench_function("entries alone", |b| b.iter(|| ca.entries(ENTRIES).for_each(|entry| _ = black_box(entry))));
    group.bench_function("whole, signed", |b| b.iter(|| black_box(ca.list(ENTRIES))));
    group.bench_function("streamed, signed", |b| b.iter(|| black_box(ca.stream(ENTRIES))));
    group.finish();
}

/// The life of one certificate is four events: reserved, issued, delivered, revoked.
fn replaying(c: &mut Criterion) {
    let ca = ca();
    let reserved = ca.authority.reserve(&ca.request(), None, ca.now, &ca.provider).unwrap();
    let mut events = reserved.change().events.clone();
    let issued = reserved.sign_with(&ca.key).unwrap();
    let delivered = issued.record.delivered(ca.now).unwrap();
    let revoked = delivered.record.revoke(RevocationReason::Superseded, None, ca.now).unwrap();
    events.extend(issued.events.into_iter().chain(delivered.events).chain(revoked.events));
    let stored: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let from_json = || {
        let events: Vec<_> = stored.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
        CertificateRecord::replay(&events).unwrap()
    };
    let mut group = c.benchmark_group("replay of 1,000,000 events");
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES));
    group.bench_function("in memory", |b| {
        b.iter(|| (0..ENTRIES / 4).for_each(|_| _ = black_box(CertificateRecord::replay(&events).unwrap())));
    });
    group.bench_function("from JSON", |b| b.iter(|| (0..ENTRIES / 4).for_each(|_| _ = black_box(from_json()))));
    group.finish();
}

criterion_group!(benches, issuing, answering, listing, replaying);
criterion_main!(benches);
