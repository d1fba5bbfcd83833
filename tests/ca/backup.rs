//! The authority's backup, there and back.

use std::sync::LazyLock;

use mdm_core::ca::{Authority, Creation, CrlScope, Effect, Error, KeyId, Renewal, Service};
use mdm_core::crypto::{KeyKind, SigningKey, SoftwareKey};
use mdm_core::id::Revision;
use mdm_core::keystore::{self, KeyStore, Policy, Protection};
use mdm_core::record::Record;
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::CrlNumber;

use super::{noon, provider, sign_all};

/// Private keys with what they are stored as.
static KEYS: LazyLock<Vec<(Secret, SoftwareKey)>> = LazyLock::new(|| {
    let key = |_| {
        let secret = provider().generate(KeyKind::P256).unwrap();
        (secret.clone(), provider().load(&secret).unwrap())
    };
    (0..3).map(key).collect()
});

const CHEAP: Protection = Protection::iterations(1000);

fn password() -> Secret {
    Secret::from("correct horse")
}

fn secrets() -> Vec<Secret> {
    KEYS.iter().map(|(secret, _)| secret.clone()).collect()
}

/// An authority with an old key, a new one, and a service.
fn authority() -> Authority {
    let keys: Vec<&SoftwareKey> = KEYS.iter().map(|(_, key)| key).collect();
    let creation =
        Creation::new("builtin", "Example", keys[0].public_key().clone()).service(Service::Ocsp, keys[1].public_key().clone());
    let authority = sign_all(Authority::create(&creation, noon(), &provider()).unwrap().record, &keys);
    let same_key = sign_all(authority.renew(&Renewal::default(), noon(), &provider()).unwrap().record, &keys);
    let rekey = Renewal { key: Some(keys[2].public_key().clone()), ..Renewal::default() };
    sign_all(same_key.renew(&rekey, noon(), &provider()).unwrap().record, &keys)
}

fn backup(authority: &Authority) -> Vec<u8> {
    authority.backup(&secrets(), &password(), CHEAP, noon(), &provider()).unwrap()
}

fn restore(file: &[u8], current: Option<&Authority>, now: Timestamp) -> Result<mdm_core::ca::Restored, Error> {
    Authority::restore(file, &password(), &Policy::MODERN, current, None, now, &provider())
}

fn spend(authority: &Authority, now: Timestamp) -> (Authority, CrlNumber) {
    let scope = CrlScope::full(authority.active().unwrap().key.clone());
    let planned = authority.plan_crl(&scope, now).unwrap().record;
    let number = planned.planned_crl(&scope).unwrap().number;
    (planned, number)
}

#[test]
fn everything_comes_back_and_other_programs_find_the_keys() {
    let authority = authority();
    let file = backup(&authority);
    let store = keystore::open(&file, &password(), &Policy::MODERN, &provider()).unwrap();
    let aliases: Vec<&str> = store.entries.iter().map(|entry| entry.alias.as_str()).collect();
    assert_eq!(aliases, ["authority 3", "authority 2", "ocsp"]);
    assert_eq!(store.entry(Some("ocsp")).unwrap().chain.len(), 2);
    assert_eq!(store.certificates.len(), 3, "the first generation's, and both across the keys");

    let restored = restore(&file, None, noon()).unwrap();
    let record = &restored.change.record;
    assert_eq!(record.generations(), authority.generations());
    assert_eq!(record.services(), authority.services());
    assert_eq!(record.cross_certificates(), authority.cross_certificates());
    assert_eq!(restored.taken_at, noon());
    let names: Vec<KeyId> = KEYS.iter().map(|(_, key)| KeyId::of(key.public_key(), &provider())).collect();
    assert!(restored.keys.iter().all(|(name, _)| names.contains(name)));
    assert_eq!(restored.keys.len(), 3);
    let scopes = record.crl_scopes().into_iter().map(|scope| Effect::RefreshCrl { scope });
    assert_eq!(restored.change.effects, scopes.collect::<Vec<_>>(), "every list is made anew");
    assert_eq!(Authority::replay(&restored.change.events).unwrap(), *record);
}

#[test]
fn numbers_that_were_spent_since_are_passed_over() {
    let authority = authority();
    let (authority, _) = spend(&authority, noon());
    let file = backup(&authority);
    let mut highest = CrlNumber::default();
    let mut gone_on = authority;
    for _ in 0..2000 {
        (gone_on, highest) = spend(&gone_on, noon());
    }
    let restored = restore(&file, None, noon()).unwrap().change.record;
    let scope = CrlScope::full(restored.active().unwrap().key.clone());
    assert_eq!(restored.crl(&scope, [], &provider()).unwrap_err(), Error::CrlNotPlanned, "the planned one may be signed");
    let (_, number) = spend(&restored, noon());
    assert!(number > highest);

    // Restored where a record is: its series of events goes on.
    let change = restore(&file, Some(&gone_on), noon()).unwrap().change;
    assert_eq!(change.expected(), Some(gone_on.revision()));
    let mut replayed = gone_on.clone();
    replayed.apply(&change.events[0]).unwrap();
    assert_eq!(replayed, change.record);
}

#[test]
fn numbers_above_the_clock_are_passed_over_when_they_are_known() {
    let ahead = authority().trust_clock(noon().plus_days(400)).record;
    let file = backup(&authority());
    let (ahead, far) = spend(&ahead, noon().plus_days(400));
    let right_again = ahead.trust_clock(noon()).record;
    let (_, next) = spend(&right_again, noon());
    assert!(next > far, "numbers rise whatever the clock does");
    let known = restore(&file, Some(&right_again), noon()).unwrap().change.record;
    assert!(spend(&known, noon()).1 > far);
    let told =
        Authority::restore(&file, &password(), &Policy::MODERN, None, Some(far), noon(), &provider()).unwrap().change.record;
    assert!(spend(&told, noon()).1 > far);
}

#[test]
fn numbers_never_run_far_ahead_of_the_clock() {
    let scope = CrlScope::full(authority().active().unwrap().key.clone());
    let mut authority = authority();
    let refused = (0..100_000).find_map(|_| match authority.plan_crl(&scope, noon()) {
        Ok(change) => {
            authority = change.record;
            None
        }
        Err(error) => Some(error),
    });
    assert!(matches!(refused, Some(Error::Misuse(_))), "{refused:?}");
    assert!(authority.plan_crl(&scope, noon().plus_seconds(61)).is_ok());
}

#[test]
fn a_backup_that_is_not_one_is_refused_and_says_why() {
    let authority = authority();
    let file = backup(&authority);
    let wrong = Authority::restore(&file, &Secret::from("wrong"), &Policy::MODERN, None, None, noon(), &provider());
    assert_eq!(wrong.unwrap_err(), Error::Keystore(keystore::Error::Password));
    let cut = restore(&file[..file.len() / 2], None, noon()).unwrap_err();
    assert!(matches!(cut, Error::Keystore(keystore::Error::Malformed { .. })), "{cut}");
    let mut store = keystore::open(&file, &password(), &Policy::MODERN, &provider()).unwrap();
    let written = |store: &KeyStore| store.to_pkcs12(&password(), CHEAP, &provider()).unwrap();
    let without_state = KeyStore { state: None, ..store.clone() };
    assert!(matches!(restore(&written(&without_state), None, noon()).unwrap_err(), Error::NotABackup(_)));
    let other_state = KeyStore { state: Some(Secret::from("{}")), ..store.clone() };
    assert!(matches!(restore(&written(&other_state), None, noon()).unwrap_err(), Error::NotABackup(_)));
    store.entries.remove(0);
    assert_eq!(restore(&written(&store), None, noon()).unwrap_err(), Error::UnknownKey);

    let early = noon().plus_days(-1);
    assert_eq!(restore(&file, None, early).unwrap_err(), Error::ClockBackwards { now: early, latest: noon() });
    let other = Creation::new("other", "Example", KEYS[0].1.public_key().clone());
    let other = Authority::create(&other, noon(), &provider()).unwrap().record;
    assert_eq!(restore(&file, Some(&other), noon()).unwrap_err(), Error::Foreign("authority"));
    assert_eq!(other.revision(), Revision::FIRST);
}

#[test]
fn a_backup_is_whole_or_not_made() {
    let authority = authority();
    let missing = &secrets()[..2];
    assert_eq!(authority.backup(missing, &password(), CHEAP, noon(), &provider()).unwrap_err(), Error::UnknownKey);
    let empty = authority.backup(&secrets(), &Secret::default(), CHEAP, noon(), &provider()).unwrap_err();
    assert!(matches!(empty, Error::Keystore(keystore::Error::Misuse(_))));
    let running = authority.renew(&Renewal::default(), noon(), &provider()).unwrap().record;
    let refused = running.backup(&secrets(), &password(), CHEAP, noon(), &provider()).unwrap_err();
    assert!(matches!(refused, Error::RenewalRunning(_)));
    let unsigned = Creation::new("builtin", "Example", KEYS[0].1.public_key().clone());
    let unsigned = Authority::create(&unsigned, noon(), &provider()).unwrap().record;
    let refused = unsigned.backup(&secrets(), &password(), CHEAP, noon(), &provider()).unwrap_err();
    assert_eq!(refused, Error::NoCertificate);
}
