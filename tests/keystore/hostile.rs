//! Damage, lies and exhaustion.

use mdm_core::asn1::{ErrorKind, Tag, Writer};
use mdm_core::keystore::{Error, Policy, Refusal, private_key};
use mdm_core::secret::Secret;

use super::{PASSWORD, file, open, provider, read};

#[test]
fn iterations_are_counted_over_the_whole_store_before_they_are_run() {
    // One MAC, one part and one key of 2,048 each.
    let enough = Policy { max_iterations: 3 * 2048, ..Policy::MODERN };
    assert!(open("chain.p12", PASSWORD, &enough).is_ok());
    let short = Policy { max_iterations: 3 * 2048 - 1, ..Policy::MODERN };
    assert_eq!(open("chain.p12", PASSWORD, &short), Err(Error::Refused(Refusal::Iterations(3 * 2048 - 1))));
    // The key alone: 2,048 for each of two blocks of SHA-1.
    let short = Policy { max_iterations: 4095, ..Policy::MODERN };
    let outcome = private_key(&file("pbes2-SHA1.p8"), &Secret::from(PASSWORD), &short, &provider());
    assert_eq!(outcome, Err(Error::Refused(Refusal::Iterations(4095))));
}

/// The bytes with the last INTEGER of this content given another.
fn with_integer(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let old = Writer::build(|w| w.element(Tag::INTEGER, old));
    let at = bytes.windows(old.len()).rposition(|window| window == old).unwrap();
    [&bytes[..at + 2], new, &bytes[at + old.len()..]].concat()
}

#[test]
fn a_billion_iterations_are_refused_at_once() {
    let started = std::time::Instant::now();
    // 2,048 has two octets; all counts that fit there, the two of the key and, in the last element of all, that of the MAC.
    let mac = with_integer(&file("chain.p12"), &[8, 0], &[0x7F, 0xFF]);
    let policy = Policy { max_iterations: 10_000, ..Policy::MODERN };
    let outcome = read(&mac, PASSWORD, &policy);
    assert_eq!(outcome, Err(Error::Refused(Refusal::Iterations(10_000))));
    // Of a key alone, whose lengths are easily written anew: a billion, and more than any number holds.
    for iterations in [&[0x3B, 0x9A, 0xCA, 0x00][..], &[0x7F; 40]] {
        let der = Writer::build(|w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.element(Tag::OID, &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x01, 0x03]);
                    w.sequence(|w| {
                        w.octet_string(&[0; 8]);
                        w.element(Tag::INTEGER, iterations);
                    });
                });
                w.octet_string(&[0; 64]);
            });
        });
        let outcome = private_key(&der, &Secret::from(PASSWORD), &Policy::EXTERNAL_CA, &provider());
        assert_eq!(outcome, Err(Error::Refused(Refusal::Iterations(5_000_000))));
    }
    assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
}

/// Every prefix, and every byte with one bit flipped: an error or what was put in, never anything else.
fn damage<T: PartialEq + std::fmt::Debug>(name: &str, right: &T, read: impl Fn(&[u8]) -> Result<T, Error>) {
    let bytes = file(name);
    for length in 0..bytes.len() {
        let error = read(&bytes[..length]).expect_err("a truncated file");
        assert!(matches!(error, Error::Malformed { .. } | Error::Format), "{name} {length}: {error:?}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        if let Ok(other) = read(&flipped) {
            assert_eq!(&other, right, "{name}: byte {at}");
        }
    }
}

#[test]
fn no_damage_makes_another_store_or_a_panic() {
    // So that no flip makes a count of iterations that is worth waiting for.
    let policy = Policy { max_iterations: 30_000, ..Policy::EXTERNAL_CA };
    for name in ["small.p12", "small-old.p12", "small.jks"] {
        let right = open(name, PASSWORD, &policy).unwrap();
        damage(name, &right, |bytes| read(bytes, PASSWORD, &policy));
    }
}

#[test]
fn secret_keys_of_jceks_are_walked_over_however_damaged() {
    let policy = Policy { max_iterations: 0, ..Policy::EXTERNAL_CA };
    let bytes = file("java.jceks");
    // Not one iteration is allowed, so that every key is refused and only the structure and its checksum are at stake.
    let whole = read(&bytes, PASSWORD, &policy);
    assert_eq!(whole, Err(Error::Refused(Refusal::Iterations(0))));
    for at in 0..bytes.len() {
        let cut = read(&bytes[..at], PASSWORD, &policy);
        assert!(matches!(cut, Err(Error::Malformed { .. } | Error::Format)), "{at}: {cut:?}");
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let outcome = read(&flipped, PASSWORD, &policy);
            assert!(matches!(outcome, Err(Error::Malformed { .. } | Error::Format | Error::Password)), "{at}: {outcome:?}");
        }
    }
}

#[test]
fn a_damaged_private_key_is_an_error() {
    let (policy, provider) = (Policy { max_iterations: 10_000, ..Policy::EXTERNAL_CA }, provider());
    let bytes = file("small.p8");
    for length in 0..bytes.len() {
        assert!(private_key(&bytes[..length], &Secret::from(PASSWORD), &policy, &provider).is_err(), "{length}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        // There is no checksum: a flip may change the key, and loading it is then what fails or not.
        let _ = private_key(&flipped, &Secret::from(PASSWORD), &policy, &provider);
    }
}

#[test]
fn limits_hold() {
    let limits = |policy: Policy, limits| Policy { limits, ..policy };
    for (name, size) in [("small.p12", file("small.p12").len()), ("small.jks", file("small.jks").len())] {
        let policy = Policy::EXTERNAL_CA;
        assert!(open(name, PASSWORD, &limits(policy, policy.limits.bytes(size))).is_ok());
        let outcome = open(name, PASSWORD, &limits(policy, policy.limits.bytes(size - 1)));
        assert!(
            matches!(outcome, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::TooLong(size - 1)),
            "{name}: {outcome:?}"
        );
        let outcome = open(name, PASSWORD, &limits(policy, policy.limits.items(2)));
        assert!(
            matches!(outcome, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::TooMany(2)),
            "{name}: {outcome:?}"
        );
    }
    let policy = limits(Policy::MODERN, Policy::MODERN.limits.bytes(100));
    let outcome = private_key(&file("plain.p8"), &Secret::default(), &policy, &provider());
    assert!(matches!(outcome, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::TooLong(100)), "{outcome:?}");
}
