//! Installing, renewing and sharing.

use std::collections::BTreeSet;

use super::*;

const OTHER: &str = "com.apple.mgmt.External.ffffffff";

fn requested(tenant: &str, seed: u8) -> PushCertificate {
    PushCertificate::request(tenant.into(), descent(), key(seed)).record
}

fn sketch(uid: &str, serial: u32, key: u8) -> Certificate {
    Sketch { uids: &[(Tag::UTF8_STRING, uid.as_bytes())], serial, key, ..Sketch::default() }.certificate()
}

#[test]
fn what_was_requested_is_installed_once() {
    let request = requested("a", 1);
    let installed = request.install(&sketch(TOPIC, 7, 1), Environment::Production, NOW).unwrap();
    assert_eq!(installed.effects, [CertificateEffect::ReleasePushes(TOPIC.parse().unwrap())]);
    assert!(binding("a", TOPIC, &[1], "M").wake(&installed.record, NOW).is_ok());
    let again = installed.record.install(&sketch(TOPIC, 7, 1), Environment::Production, NOW);
    assert_eq!(again, Err(Error::NotRequested));
    assert_eq!(request.install(&sketch(TOPIC, 7, 2), Environment::Production, NOW), Err(Error::OtherKey));
    let development = request.install(&sketch(TOPIC, 7, 1), Environment::Development, NOW);
    assert_eq!(development, Err(Error::OtherEnvironment { found: Environment::Production }));
}

#[test]
fn a_renewal_leaves_no_gap() {
    let old = Sketch::default().adopt("a");
    let renewal = old.renew(&requested("a", 2), &sketch(TOPIC, 8, 2), 10, TopicChange::Refuse, NOW).unwrap();
    let (new, predecessor) = (renewal.successor.record, renewal.predecessor.unwrap());
    let device = binding("a", TOPIC, &[1], "M");
    assert_eq!(device.wake(&new, NOW).unwrap().route().serial, "08".parse().unwrap());
    assert_eq!(device.wake(&predecessor.record, NOW).unwrap_err(), Refused::Superseded);
    assert_eq!(predecessor.effects, [CertificateEffect::CloseConnections("07".parse().unwrap())]);
    assert_eq!(predecessor.record.status(&NoticeSchedule::default(), NOW), Status::Superseded);
    assert_eq!(
        predecessor.record.renew(&requested("a", 3), &sketch(TOPIC, 9, 3), 0, TopicChange::Refuse, NOW),
        Err(Error::NotInstalled)
    );
}

#[test]
fn an_expired_certificate_can_still_be_renewed() {
    let late = NOW.plus_days(400);
    let old = Sketch::default().adopt("a");
    let uids = [(Tag::UTF8_STRING, TOPIC.as_bytes())];
    let new = Sketch { uids: &uids, serial: 8, key: 2, days: 765, ..Sketch::default() }.certificate();
    assert!(old.renew(&requested("a", 2), &new, 10, TopicChange::Refuse, late).is_ok());
}

#[test]
fn another_topic_is_a_conflict_that_counts_who_would_be_stranded() {
    let old = Sketch::default().adopt("a");
    let renew = |choice| old.renew(&requested("a", 2), &sketch(OTHER, 8, 2), 1_234, choice, NOW);
    let conflict = renew(TopicChange::Refuse).unwrap_err();
    assert_eq!(
        conflict,
        Error::TopicConflict { current: TOPIC.parse().unwrap(), found: OTHER.parse().unwrap(), stranded: 1_234 }
    );
    assert!(conflict.to_string().contains("1234 enrollments"));
    // A topic that differs by case only strands them as well.
    let case = sketch(&TOPIC.replace("External", "EXTERNAL"), 8, 2);
    assert!(matches!(old.renew(&requested("a", 2), &case, 1, TopicChange::Refuse, NOW), Err(Error::TopicConflict { .. })));
    // Chosen openly, both stay in use, each for its own devices.
    let both = renew(TopicChange::ReenrollDevices).unwrap();
    assert_eq!(both.predecessor, None);
    assert!(binding("a", TOPIC, &[1], "M").wake(&old, NOW).is_ok());
    assert!(binding("a", OTHER, &[1], "M").wake(&both.successor.record, NOW).is_ok());
}

#[test]
fn a_renewal_stays_within_its_tenant_and_environment() {
    let old = Sketch::default().adopt("a");
    let foreign = old.renew(&requested("b", 2), &sketch(TOPIC, 8, 2), 0, TopicChange::Refuse, NOW);
    assert_eq!(foreign, Err(Error::OtherTenant));
    let wrong_key = old.renew(&requested("a", 2), &sketch(TOPIC, 8, 3), 0, TopicChange::Refuse, NOW);
    assert_eq!(wrong_key, Err(Error::OtherKey));
    let uids = [(Tag::UTF8_STRING, TOPIC.as_bytes())];
    let marked = Sketch { uids: &uids, marks: &[1], serial: 8, key: 2, ..Sketch::default() }.certificate();
    let development = old.renew(&requested("a", 2), &marked, 0, TopicChange::Refuse, NOW);
    assert_eq!(development, Err(Error::OtherEnvironment { found: Environment::Development }));
    let waiting = requested("a", 1).renew(&requested("a", 2), &sketch(TOPIC, 8, 2), 0, TopicChange::Refuse, NOW);
    assert_eq!(waiting, Err(Error::NotInstalled));
}

fn policy(owner: &str, with: &[&str]) -> SharingPolicy {
    SharingPolicy { owner: owner.into(), with: with.iter().map(|tenant| TenantId::from(*tenant)).collect() }
}

#[test]
fn a_certificate_is_shared_by_name_and_taken_back() {
    let own = Sketch::default().adopt("a");
    let guest = binding("b", TOPIC, &[1], "M");
    assert_eq!(guest.wake(&own, NOW).unwrap_err(), Refused::OtherTenant);
    assert_eq!(own.share(&policy("b", &["a"])), Err(Error::OtherTenant));
    let shared = own.share(&policy("a", &["b", "a"])).unwrap().unwrap();
    assert_eq!(shared.record.shared_with(), &BTreeSet::from([TenantId::from("b")]));
    let wake = guest.wake(&shared.record, NOW).unwrap();
    assert_eq!((wake.tenant().as_str(), wake.route().tenant.as_str()), ("b", "a"));
    assert_eq!(binding("c", TOPIC, &[1], "M").wake(&shared.record, NOW).unwrap_err(), Refused::OtherTenant);
    assert_eq!(shared.record.share(&policy("a", &["b"])), Ok(None));

    let renewal = shared.record.renew(&requested("a", 2), &sketch(TOPIC, 8, 2), 0, TopicChange::Refuse, NOW).unwrap();
    assert!(guest.wake(&renewal.successor.record, NOW).is_ok(), "a renewal keeps the guests");
    let events: Vec<_> =
        PushCertificate::request("a".into(), descent(), key(2)).events.into_iter().chain(renewal.successor.events).collect();
    assert_eq!(PushCertificate::replay(&events), Ok(renewal.successor.record));

    let ended = shared.record.share(&policy("a", &[])).unwrap().unwrap();
    assert_eq!(guest.wake(&ended.record, NOW).unwrap_err(), Refused::OtherTenant);
}
