//! Messages of devices to typed records, beside the plain trees of the `plist` crate and the bare tokens of `quick-xml`, in one run.
//!
//! `cargo bench --bench schema`. Before the times come the figures that no clock disturbs: allocations and bytes. Memory at its peak
//! is held to its bound by `tests/plist_memory.rs`.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

mod sample;

use std::alloc::System;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mdm_core::checkin::{CheckIn, TokenUpdate};
use mdm_core::command::{DeviceInformation, InstalledApplicationList, Report};
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, Value};
use mdm_core::profile::{Payload, Profile, Restrictions, WiFi, WiFiEncryptionType};
use mdm_core::schema::{self, Target, Version};
use mdm_core::secret::Secret;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// 2 kB: a check-in with its tokens.
fn token_update() -> Vec<u8> {
    let message = TokenUpdate {
        topic: Some("com.apple.mgmt.External.8c0b2d5e-3f5a-4b1e-9a57-0d1a3b0a1c2d".into()),
        udid: Some("00008101-000A1D2E3C40001E".into()),
        token: Some(Secret::new(vec![7; 32])),
        push_magic: Some("3B2A1C77-8B0E-4A43-9F3C-0E5E0D9F3A11".into()),
        unlock_token: Some(Secret::new((0..=u8::MAX).cycle().take(900).collect())),
        awaiting_configuration: Some(false),
        not_on_console: Some(false),
        ..TokenUpdate::default()
    };
    CheckIn::from(message).to_xml().expect("the message is of this file")
}

fn report(key: &str, answer: Value) -> Vec<u8> {
    let report = Dictionary::from_iter::<[(&str, Value); 4]>([
        ("CommandUUID", "9F09D114-BCFD-42AD-A974-371AA7D6256E".into()),
        (key, answer),
        ("Status", "Acknowledged".into()),
        ("UDID", "00008101-000A1D2E3C40001E".into()),
    ]);
    plist::to_xml(&report.into()).expect("the report is of this file")
}

/// 3 kB: the answers to forty queries, keys in the order of the alphabet as devices send them.
fn device_information() -> Vec<u8> {
    let table = <mdm_core::command::DeviceInformationQueryResponses as schema::Record>::table();
    let mut keys: Vec<_> = table.keys.iter().collect();
    keys.sort_by_key(|key| key.name);
    let answers = keys.into_iter().filter_map(|key| {
        let value: Value = match key.shape {
            schema::Shape::Boolean => true.into(),
            schema::Shape::Integer => 70_i64.into(),
            schema::Shape::Real => 0.75.into(),
            schema::Shape::String | schema::Shape::OneOf(_) => "value of a query".into(),
            _ => return None,
        };
        Some((key.name, value))
    });
    report("QueryResponses", Dictionary::from_iter(answers.take(40)).into())
}

/// 2.5 MB: the list of 4,000 applications.
fn applications() -> Vec<u8> {
    plist::to_xml(&sample::applications()).expect("the report is of this file")
}

/// Forty payloads of the two types that have most rules.
fn profile() -> Profile {
    (0..40).fold(Profile::new("com.example.bench", "8C0B2D5E-3F5A-4B1E-9A57-0D1A3B0A1C2D"), |profile, number| {
        let (identifier, uuid) = (format!("com.example.bench.{number}"), format!("{number:08}-3F5A-4B1E-9A57-0D1A3B0A1C2D"));
        profile.with(if number % 2 == 0 {
            let network = WiFi {
                ssid_str: Some(format!("Network {number}")),
                encryption_type: Some(WiFiEncryptionType::WPA3),
                password: Some("password".into()),
                auto_join: Some(true),
                disable_association_mac_randomization: Some(true),
                ..WiFi::default()
            };
            Payload::new(&network, identifier, uuid)
        } else {
            let restrictions = Restrictions {
                allow_camera: Some(false),
                allow_app_installation: Some(false),
                allow_screen_shot: Some(false),
                allow_safari: Some(true),
                force_encrypted_backup: Some(true),
                ..Restrictions::default()
            };
            Payload::new(&restrictions, identifier, uuid)
        })
    })
}

fn typed_token_update(body: &[u8]) -> CheckIn {
    CheckIn::parse(body, &Limits::MESSAGE).expect("the message is of this file")
}

fn typed_device_information(body: &[u8]) -> <DeviceInformation as mdm_core::command::Typed>::Answer {
    let report = Report::parse(body, &Limits::MESSAGE).expect("the report is of this file");
    report.into_answer::<DeviceInformation>().expect("the report is of this file")
}

fn typed_applications(body: &[u8]) -> <InstalledApplicationList as mdm_core::command::Typed>::Answer {
    let report = Report::parse(body, &Limits::MESSAGE).expect("the report is of this file");
    report.into_answer::<InstalledApplicationList>().expect("the report is of this file")
}

fn plain(body: &[u8]) -> ::plist::Value {
    ::plist::from_bytes(body).expect("the message is of this file")
}

/// Every token, and the text of each: what any reader over `quick-xml` pays at the least.
fn tokens(body: &[u8]) -> usize {
    let mut reader = quick_xml::Reader::from_reader(body);
    let mut length = 0;
    loop {
        match reader.read_event().expect("the message is of this file") {
            quick_xml::events::Event::Eof => return length,
            quick_xml::events::Event::Text(text) => length += text.xml10_content().len(),
            _ => {}
        }
    }
}

/// Allocations of a step, and the bytes of what it makes.
fn cost<T>(name: &str, size: usize, step: impl FnOnce() -> T) {
    let region = Region::new(ALLOCATOR);
    let made = step();
    let change = region.change();
    let held = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
    println!(
        "{name}: {} allocations, {} reallocations, {:.2} bytes allocated and {:.2} kept for each byte of {size}",
        change.allocations,
        change.reallocations,
        change.bytes_allocated as f64 / size as f64,
        held as f64 / size as f64,
    );
    drop(black_box(made));
}

fn decode(criterion: &mut Criterion) {
    fn compare<T>(criterion: &mut Criterion, name: &str, body: &[u8], typed: fn(&[u8]) -> T) {
        let size = body.len();
        cost(&format!("{name}, typed"), size, || typed(body));
        cost(&format!("{name}, plist::Value of the plist crate"), size, || plain(body));
        let mut group = criterion.benchmark_group(format!("{name} ({size} bytes)"));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function("typed", |bench| bench.iter(|| typed(black_box(body))));
        group.bench_function("plist::Value of the plist crate", |bench| bench.iter(|| plain(black_box(body))));
        group.bench_function("tree, mdm_core::plist", |bench| bench.iter(|| plist::parse(black_box(body), &Limits::MESSAGE)));
        group.bench_function("bare tokens, quick-xml", |bench| bench.iter(|| tokens(black_box(body))));
        group.finish();
    }
    compare(criterion, "TokenUpdate", &token_update(), typed_token_update);
    compare(criterion, "DeviceInformation", &device_information(), typed_device_information);
    compare(criterion, "InstalledApplicationList of 4,000", &applications(), typed_applications);
}

fn encode(criterion: &mut Criterion) {
    let (update, apps) = (typed_token_update(&token_update()), typed_applications(&applications()));
    let mut group = criterion.benchmark_group("encode");
    group.bench_function("TokenUpdate, XML", |bench| bench.iter(|| black_box(&update).to_xml()));
    group
        .bench_function("InstalledApplicationList of 4,000, JSON", |bench| bench.iter(|| serde_json::to_vec(black_box(&apps))));
    group.finish();
}

fn judge(criterion: &mut Criterion) {
    let profile = profile();
    let target = Target::new(schema::System::Ios, Version::new(18, 0, 0));
    let violations = target.check(&profile);
    assert!(violations.len() >= 40, "unsupervised, so that camera and app installation are refused: {violations:?}");
    let mut group = criterion.benchmark_group("profile of 40 payloads");
    group.bench_function("target.check", |bench| bench.iter(|| target.check(black_box(&profile))));
    group.bench_function("schema::check", |bench| bench.iter(|| schema::check(black_box(&profile))));
    group.finish();
}

criterion_group!(benches, decode, encode, judge);
criterion_main!(benches);
