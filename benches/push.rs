//! How fast pushes are prepared, answers judged, and risks added up.
//!
//! Aims: a wake request and an answer below 2 µs each, the exposure of 1,000 tenants below 1 ms, a sweep over a million bindings
//! within a second and without holding them.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mdm_core::checkin::{Authenticate, CheckIn, TokenUpdate};
use mdm_core::enrollment::{Contact, Enrollment, Fingerprint, Identity};
use mdm_core::push::{Answer, Binding, Descent, Environment, Estate, Installed, Node, PushCertificate, RetryPolicy, Stake};
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, Standing};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn push_certificate(tenant: &str, account: &str) -> PushCertificate {
    let certificate = Certificate::from_pem(include_bytes!("../tests/data/push/apsp.pem")).unwrap();
    let descent = Descent { developer_account: "dev".into(), vendor_certificate: "v1".into(), apple_account: account.into() };
    PushCertificate::adopt(tenant.into(), descent, &certificate, certificate.public_key(), Environment::Production, NOW)
        .unwrap()
        .record
}

fn binding(certificate: &PushCertificate, number: u32) -> Binding {
    let topics = [certificate.installed().map(|Installed { topic, .. }| topic.clone()).unwrap()];
    let udid = format!("00008120-{number:016X}");
    let identity = Identity::new(Fingerprint::from_bytes([1; 32]), Standing::InForce);
    let contact = Contact::new(certificate.tenant(), &topics, identity);
    let (topic, udid) = (Some(topics[0].to_string()), Some(udid));
    let hello = CheckIn::from(Authenticate { topic: topic.clone(), udid: udid.clone(), ..Authenticate::default() });
    let update = CheckIn::from(TokenUpdate {
        topic,
        udid,
        token: Some(number.to_be_bytes().repeat(8).into()),
        push_magic: Some("7B8A3C1E-5D2F-4A6B-9C0D-1E2F3A4B5C6D".into()),
        ..TokenUpdate::default()
    });
    let record = Enrollment::begin(&hello, &contact, NOW).unwrap().enrollment.record;
    record.receive(&update, &contact, NOW).unwrap().enrollment.record.binding().unwrap().clone()
}

fn push(criterion: &mut Criterion) {
    let certificate = push_certificate("acme", "push@example.com");
    let bindings: Vec<Binding> = (0..1_000).map(|number| binding(&certificate, number)).collect();
    let one = &bindings[0];

    criterion.bench_function("push/wake request", |bench| {
        bench.iter(|| black_box(one).wake(black_box(&certificate), NOW).unwrap().request());
    });

    let gone = http::Response::builder()
        .status(410)
        .header("apns-id", "ec1bf194-b3b2-424a-89e9-5a918a6e6b5c")
        .body(br#"{"reason":"Unregistered","timestamp":1900000000000}"#.to_vec())
        .unwrap();
    let wake = one.wake(&certificate, NOW).unwrap();
    criterion.bench_function("push/answer read and judged", |bench| {
        bench.iter(|| one.answered(&wake, &Answer::read(black_box(&gone)), &RetryPolicy::default(), 1, NOW));
    });

    let estate: Vec<(PushCertificate, u64)> =
        (0..1_000).map(|tenant| (push_certificate(&tenant.to_string(), &format!("account {}", tenant % 10)), tenant)).collect();
    let stakes = || {
        estate.iter().map(|(certificate, enrollments)| Stake {
            certificate,
            tenant: certificate.tenant(),
            enrollments: *enrollments,
        })
    };
    let node = Node::DeveloperAccount("dev".into());
    criterion.bench_function("push/exposure of 1,000 tenants", |bench| {
        bench.iter(|| Estate::new(stakes()).exposure(black_box(&node)));
    });
    criterion.bench_function("push/sharing among 1,000 tenants", |bench| bench.iter(|| Estate::new(stakes()).sharing()));

    let mut sweep = criterion.benchmark_group("push/sweep");
    sweep.sample_size(10).throughput(Throughput::Elements(1_000_000));
    // Bindings come as from a cursor, one after the other, and none is kept.
    sweep.bench_function("1,000,000 bindings", |bench| {
        bench.iter(|| {
            let stream = bindings.iter().cycle().take(1_000_000);
            stream.filter(|binding| black_box(binding).wake(&certificate, NOW).is_ok()).count()
        });
    });
    sweep.finish();
}

criterion_group!(benches, push);
criterion_main!(benches);
