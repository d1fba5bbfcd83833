//! What a list of a million entries takes beside itself when it is written piece by piece. A test program of its own, because it counts every allocation.

#![cfg(feature = "rustcrypto")]

use mdm_core::crypto::{Error as CryptoError, KeyKind, Provider, Random, SigningKey, SoftwareKey};
use mdm_core::time::Timestamp;
use mdm_core::x509::{CrlNumber, CrlTemplate, KeyIdentifier, Name, RevocationReason, RevokedEntry, SerialNumber};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(dest).map_err(|_| CryptoError::Random)
    }
}

const ENTRIES: u64 = 1_000_000;

/// The entries as a host's index gives them, one at a time.
fn entries() -> impl Iterator<Item = RevokedEntry> {
    let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    (0..ENTRIES).map(move |number| {
        let serial = (u128::from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 62) | (1 << 126) | u128::from(number);
        RevokedEntry::new(SerialNumber::from_bytes(&serial.to_be_bytes()).unwrap(), now).because(RevocationReason::Superseded)
    })
}

fn template(key: &SoftwareKey, provider: &Provider) -> CrlTemplate {
    let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    CrlTemplate {
        issuer: Name::builder().common_name("Authority").build().unwrap(),
        this_update: now,
        next_update: now.plus_days(7),
        number: CrlNumber::FIRST,
        base: None,
        authority_key_identifier: KeyIdentifier::of(key.public_key(), provider),
        distribution_point: None,
        freshest: vec![],
    }
}

#[test]
fn a_million_entries_take_less_than_1_mib_beyond_the_list() {
    let provider = Provider::rustcrypto(&Os);
    let key = provider.load(&provider.generate(KeyKind::P256).unwrap()).unwrap();
    let template = template(&key, &provider);

    let before = MEMORY.current_usage_as_mb();
    MEMORY.reset_peak_usage();
    let mut measure = template.measure(key.public_key(), key.algorithm()).unwrap();
    entries().for_each(|entry| measure.push(&entry).unwrap());
    let mut writer = measure.writer(&provider);
    let mut length = 0;
    for entry in entries() {
        writer.push(&entry).unwrap();
        if let Some(piece) = writer.piece() {
            length += piece.len();
            writer.written();
        }
    }
    let unsigned = writer.finish().unwrap();
    length += unsigned.last_piece().len();
    let frame = unsigned.sign_with(&key).unwrap();
    length += frame.head.len() + frame.tail.len();
    let streamed = MEMORY.peak_usage_as_mb() - before;
    assert!(streamed < 1.0, "streamed: {streamed} MiB");

    let unsigned = template.to_be_signed(entries(), key.public_key(), key.algorithm(), &provider).unwrap();
    let list = unsigned.sign_with(&key).unwrap();
    // Signatures of ECDSA differ in length by a few octets.
    assert!(list.as_der().len().abs_diff(length) < 8);
}
