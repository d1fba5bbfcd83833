//! The authority: issuing, answering, listing, replaying. With the feature `aws-lc-rs` over that provider, else over RustCrypto:
//!
//! ```text
//! cargo bench --bench ca --features aws-lc-rs
//! ```
//!
//! "own" is everything but the signature: the key behind it signs at once, with what is no signature.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mdm_core::ca::{Authority, CertificateRecord, Creation, IssuanceRequest, Profile};
use mdm_core::crypto::DigestAlgorithm::Sha1;
use mdm_core::crypto::{
    Digest, Error as CryptoError, KeyKind, Legacy, Provider, PublicKey, Random, SignatureAlgorithm, SigningKey, SoftwareKey,
};
use mdm_core::record::Record;
use mdm_core::time::Timestamp;
use mdm_core::x509::ocsp::{CertId, Issuer, Nonce, RequestTemplate};
use mdm_core::x509::{
    CrlNumber, CrlTemplate, CsrTemplate, KeyIdentifier, Name, ProvenCsr, RevocationReason, RevokedEntry, SerialNumber,
};

struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(dest).map_err(|_| CryptoError::Random)
    }
}

#[cfg(feature = "aws-lc-rs")]
fn provider() -> Provider {
    Provider::aws_lc_rs(&Os)
}

#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> Provider {
    Provider::rustcrypto(&Os)
}

/// Signs in no time.
#[derive(Debug)]
struct Free(PublicKey);

impl SigningKey for Free {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: SignatureAlgorithm, _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(vec![0x5A; 71])
    }

    fn sign_digest(&self, _: SignatureAlgorithm, _: &Digest) -> Result<Vec<u8>, CryptoError> {
        Ok(vec![0x5A; 71])
    }

    fn checks_itself(&self) -> bool {
        true
    }
}

struct Ca {
    authority: Authority,
    key: SoftwareKey,
    free: Free,
    csr: ProvenCsr,
    profile: Profile,
    now: Timestamp,
}

fn ca() -> Ca {
    let provider = provider();
    let key = || provider.load(&provider.generate(KeyKind::P256).unwrap()).unwrap();
    let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let (ca_key, device) = (key(), provider.load(&provider.generate(KeyKind::Rsa(2048)).unwrap()).unwrap());
    let creation = Creation::new("builtin", "Example", ca_key.public_key().clone());
    let created = Authority::create(&creation, now, &provider).unwrap().record;
    let authority = created.to_be_signed(now, &provider).unwrap().unwrap().sign_with(&ca_key).unwrap().record;
    let subject = Name::builder().organization("Example").common_name("Device 7").build().unwrap();
    let csr = CsrTemplate::new(subject, SigningKey::public_key(&device).clone());
    let csr = csr.to_be_signed(SigningKey::algorithm(&device), &provider).unwrap().sign_with(&device).unwrap();
    let csr = csr.verify(&provider, Legacy::NONE).unwrap();
    let mut profile = Profile::device_identity();
    profile.crl_uris = vec!["http://ca.example.com/crl/{key}.crl".into()];
    profile.ocsp_uris = vec!["http://ca.example.com/ocsp".into()];
    let free = Free(SigningKey::public_key(&ca_key).clone());
    Ca { authority, key: ca_key, free, csr, profile, now }
}

impl Ca {
    fn issue(&self, key: &dyn SigningKey, provider: &Provider) -> CertificateRecord {
        let request = IssuanceRequest::new(&self.csr, "transaction 7", &self.profile);
        let reserved = self.authority.reserve(&request, None, self.now, provider).unwrap();
        reserved.sign_with(key).unwrap().record
    }
}

fn issuing(c: &mut Criterion) {
    let (ca, provider) = (ca(), provider());
    let mut group = c.benchmark_group("issue");
    group.throughput(Throughput::Elements(1));
    group.bench_function("own", |b| b.iter(|| black_box(ca.issue(&ca.free, &provider))));
    group.bench_function("P-256", |b| b.iter(|| black_box(ca.issue(&ca.key, &provider))));
    group.finish();
    let record = ca.issue(&ca.key, &provider);
    c.bench_function("revoke", |b| b.iter(|| black_box(record.revoke(RevocationReason::Superseded, None, ca.now).unwrap())));
}

fn answering(c: &mut Criterion) {
    let (ca, provider) = (ca(), provider());
    let record = ca.issue(&ca.key, &provider);
    let issuer = Issuer::of(ca.authority.certificate().unwrap(), &provider);
    let ids = vec![CertId::new(Sha1, &issuer, record.serial())];
    let question = RequestTemplate { ids, nonce: Some(Nonce::new([7; 32])) }.to_der().unwrap();
    let responder = ca.authority.responder(&provider).unwrap();
    let find = |_: &SerialNumber| Some(&record);
    let mut group = c.benchmark_group("ocsp");
    group.throughput(Throughput::Elements(1));
    group.bench_function("own", |b| b.iter(|| black_box(responder.respond(&question, find, &[&ca.free], ca.now, &provider))));
    group.bench_function("P-256", |b| b.iter(|| black_box(responder.respond(&question, find, &[&ca.key], ca.now, &provider))));
    group.finish();
}

const ENTRIES: u64 = 1_000_000;

fn entries(now: Timestamp) -> impl Iterator<Item = RevokedEntry> {
    (0..ENTRIES).filter_map(move |number| {
        let serial = (u128::from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 62) | (1 << 126) | u128::from(number);
        let serial = SerialNumber::from_bytes(&serial.to_be_bytes()).ok()?;
        Some(RevokedEntry::new(serial, now).because(RevocationReason::Superseded))
    })
}

fn listing(c: &mut Criterion) {
    let (ca, provider) = (ca(), provider());
    let issuer = ca.authority.certificate().unwrap();
    let template = CrlTemplate {
        issuer: issuer.subject().clone(),
        this_update: ca.now,
        next_update: ca.now.plus_days(7),
        number: CrlNumber::FIRST,
        base: None,
        authority_key_identifier: KeyIdentifier::of(issuer.public_key(), &provider),
        distribution_point: None,
        freshest: vec![],
    };
    let mut group = c.benchmark_group("list of 1,000,000");
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES));
    group.bench_function("entries alone", |b| b.iter(|| entries(ca.now).for_each(|entry| _ = black_box(entry))));
    group.bench_function("whole, signed", |b| {
        b.iter(|| {
            let list = template.to_be_signed(entries(ca.now), issuer.public_key(), ca.key.algorithm(), &provider);
            black_box(list.unwrap().sign_with(&ca.key).unwrap().as_der().len())
        });
    });
    group.bench_function("streamed, signed", |b| {
        b.iter(|| {
            let mut measure = template.measure(issuer.public_key(), ca.key.algorithm()).unwrap();
            entries(ca.now).for_each(|entry| measure.push(&entry).unwrap());
            let mut writer = measure.writer(&provider);
            for entry in entries(ca.now) {
                writer.push(&entry).unwrap();
                if writer.piece().is_some() {
                    writer.written();
                }
            }
            black_box(writer.finish().unwrap().sign_with(&ca.key).unwrap().tail.len())
        });
    });
    group.finish();
}

fn replaying(c: &mut Criterion) {
    let (ca, provider) = (ca(), provider());
    let request = IssuanceRequest::new(&ca.csr, "transaction 7", &ca.profile);
    let reserved = ca.authority.reserve(&request, None, ca.now, &provider).unwrap();
    let mut events = reserved.change().events.clone();
    let issued = reserved.sign_with(&ca.key).unwrap();
    let delivered = issued.record.delivered(ca.now).unwrap();
    let revoked = delivered.record.revoke(RevocationReason::Superseded, None, ca.now).unwrap();
    events.extend(issued.events.into_iter().chain(delivered.events).chain(revoked.events));
    let stored: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let mut group = c.benchmark_group("replay of 1,000,000 events");
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES));
    group.bench_function("in memory", |b| {
        b.iter(|| (0..ENTRIES / 4).for_each(|_| _ = black_box(CertificateRecord::replay(&events).unwrap())));
    });
    group.bench_function("from JSON", |b| {
        b.iter_batched(
            || (),
            |()| {
                for _ in 0..ENTRIES / 4 {
                    let events: Vec<_> = stored.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
                    black_box(CertificateRecord::replay(&events).unwrap());
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, issuing, answering, listing, replaying);
criterion_main!(benches);
