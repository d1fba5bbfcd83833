//! Reading and writing property lists beside the `plist` crate's `Value`, on the shapes that devices send.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

mod sample;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, Value};

/// About 2 kB: a check-in with tokens.
fn token_update() -> Value {
    Dictionary::from_iter::<[(&str, Value); 8]>([
        ("AwaitingConfiguration", false.into()),
        ("MessageType", "TokenUpdate".into()),
        ("NotOnConsole", false.into()),
        ("PushMagic", "3B2A1C77-8B0E-4A43-9F3C-0E5E0D9F3A11".into()),
        ("Token", vec![7_u8; 32].into()),
        ("Topic", "com.apple.mgmt.External.8c0b2d5e-3f5a-4b1e-9a57-0d1a3b0a1c2d".into()),
        ("UDID", "00008101-000A1D2E3C40001E".into()),
        ("UnlockToken", (0..=u8::MAX).cycle().take(900).collect::<Vec<u8>>().into()),
    ])
    .into()
}

/// About 3 kB: sixty answers of every kind.
fn device_information() -> Value {
    let answers = (0..60_i64).map(|number| {
        let value = match number % 4 {
            0 => Value::from(number % 8 == 0),
            1 => Value::from(number * 1_000),
            2 => Value::from(format!("value {number}")),
            _ => Value::from(number as f64 / 8.0),
        };
        (format!("SomeQuery{number}"), value)
    });
    Dictionary::from_iter::<[(&str, Value); 4]>([
        ("CommandUUID", "9F09D114-BCFD-42AD-A974-371AA7D6256E".into()),
        ("QueryResponses", Dictionary::from_iter(answers).into()),
        ("Status", "Acknowledged".into()),
        ("UDID", "00008101-000A1D2E3C40001E".into()),
    ])
    .into()
}

fn compare(criterion: &mut Criterion) {
    for (name, value) in [
        ("TokenUpdate", token_update()),
        ("DeviceInformation", device_information()),
        ("4,000 applications", sample::applications()),
    ] {
        let xml = plist::to_xml(&value).expect("the value is of this file");
        let binary = plist::to_binary(&value).expect("the value is of this file");
        let mut group = criterion.benchmark_group(format!("{name} ({} bytes of XML)", xml.len()));
        group.throughput(Throughput::Bytes(xml.len() as u64));
        group.bench_function("read XML", |bench| bench.iter(|| plist::parse(black_box(&xml), &Limits::MESSAGE)));
        group.bench_function("read XML, plist crate", |bench| {
            bench.iter(|| ::plist::from_bytes::<::plist::Value>(black_box(&xml)));
        });
        group.bench_function("write XML", |bench| bench.iter(|| plist::to_xml(black_box(&value))));
        group.throughput(Throughput::Bytes(binary.len() as u64));
        group.bench_function("read binary", |bench| bench.iter(|| plist::parse(black_box(&binary), &Limits::MESSAGE)));
        group.bench_function("read binary, plist crate", |bench| {
            bench.iter(|| ::plist::from_bytes::<::plist::Value>(black_box(&binary)));
        });
        group.bench_function("write binary", |bench| bench.iter(|| plist::to_binary(black_box(&value))));
        group.finish();
    }
}

criterion_group!(benches, compare);
criterion_main!(benches);
