//! Revocation lists: their numbers, who stands on them and for how long.

use mdm_core::ca::{
    Authority, CertificateRecord, CrlParts, CrlScope, Effect, Error, IssuanceRequest, IssuedCrl, Profile, Settings,
};
use mdm_core::crypto::{Legacy, SigningKey};
use mdm_core::record::{Change, Record, ReplayError};
use mdm_core::time::Timestamp;
use mdm_core::x509::{CrlDistributionPoints, Extensions, RevocationReason};
use proptest::prelude::*;

use super::{CA_KEY, DEVICE_KEY, authority, csr, issued, name, noon, provider};

fn scope(authority: &Authority) -> CrlScope {
    CrlScope::full(authority.active().unwrap().key.clone())
}

fn plan(authority: &Authority, now: Timestamp) -> Change<Authority> {
    authority.plan_crl(&scope(authority), now).unwrap()
}

/// The list over these records.
fn list(authority: &Authority, records: &[&CertificateRecord], now: Timestamp) -> IssuedCrl {
    let scope = scope(authority);
    let planned = plan(authority, now).record;
    let previous = planned.last_crl(&scope).map(|last| last.this_update);
    let entries: Vec<_> = records.iter().filter_map(|record| record.crl_entry(&scope, previous)).collect();
    planned.crl(&scope, entries, &provider()).unwrap().sign_with(&*CA_KEY).unwrap()
}

#[test]
fn a_list_says_who_is_revoked_since_when_and_why() {
    let authority = authority();
    let record = issued(&authority);
    let feared = noon().plus_days(-1);
    let lost = record.revoke(RevocationReason::KeyCompromise, Some(feared), noon()).unwrap().record;
    let IssuedCrl { crl, change } = list(&authority, &[&lost], noon().plus_seconds(5));
    let root = authority.certificate().unwrap();
    assert_eq!(crl.issuer().as_der(), root.subject().as_der());
    assert_eq!(crl.authority_key_identifier(), root.subject_key_identifier());
    assert_eq!(crl.this_update(), noon().plus_seconds(5));
    assert_eq!(crl.next_update(), Some(noon().plus_seconds(5).plus_days(7)));
    assert_eq!((crl.base(), crl.issuing_distribution_point()), (None, None), "a full list needs neither");
    let entry = crl.find(&lost.serial()).unwrap();
    assert_eq!((entry.date, entry.reason, entry.invalidity_date), (noon(), RevocationReason::KeyCompromise, Some(feared)));
    crl.verify_signature(root.public_key(), &provider(), Legacy::NONE).unwrap();

    let last = *change.record.last_crl(&scope(&authority)).unwrap();
    assert_eq!((Some(last.number), last.this_update), (crl.number(), crl.this_update()));
    assert_eq!(change.record.planned_crl(&scope(&authority)), None);
}

#[test]
fn numbers_are_spent_before_the_list_is_signed_and_rise_for_ever() {
    let authority = authority();
    let first = plan(&authority, noon()).record;
    let scope = scope(&authority);
    let number = |authority: &Authority| authority.planned_crl(&scope).unwrap().number;
    let second = plan(&first, noon()).record;
    assert!(number(&second) > number(&first), "in the same second, the first one lost");
    // A copy of the record that is older than the numbers it has spent: the clock keeps them apart.
    let restored = plan(&authority, noon().plus_seconds(1)).record;
    assert!(number(&restored) > number(&second));
    // Many lists in one second use the numbers of that second, and no others.
    let many = (0..1000).fold(authority, |authority, _| plan(&authority, noon()).record);
    assert!(number(&many) < number(&restored));
}

#[test]
fn only_the_list_that_was_planned_last_is_made() {
    let authority = authority();
    let scope = scope(&authority);
    assert_eq!(authority.crl(&scope, [], &provider()).unwrap_err(), Error::CrlNotPlanned);
    let planned = plan(&authority, noon()).record;
    let first = planned.crl(&scope, [], &provider()).unwrap();
    let issued = first.sign_with(&*CA_KEY).unwrap().change;
    assert_eq!(issued.record.crl(&scope, [], &provider()).unwrap_err(), Error::CrlNotPlanned, "once");
    // Another list was planned meanwhile: what was signed late does not count.
    let mut overtaken = plan(&planned, noon()).record;
    let mut late = issued.events[0].clone();
    late.revision = overtaken.revision().next();
    assert!(matches!(overtaken.apply(&late), Err(ReplayError::NotThisRecord(_))));
}

#[test]
fn an_entry_stays_until_one_list_after_the_certificates_end() {
    let authority = authority();
    let record = issued(&authority).revoke(RevocationReason::Superseded, None, noon()).unwrap().record;
    let end = record.validity().not_after;
    let on = |issued: &IssuedCrl| issued.crl.find(&record.serial()).is_some();
    let before = list(&authority, &[&record], end.plus_days(-1));
    assert!(on(&before));
    let after = list(&before.change.record, &[&record], end.plus_days(1));
    assert!(on(&after), "the first list after its end still has it");
    let later = list(&after.change.record, &[&record], end.plus_days(2));
    assert!(!on(&later));
    assert!(on(&list(&authority, &[&record], end.plus_days(300))), "whenever that first list comes");
}

#[test]
fn a_hold_is_on_the_list_until_it_is_released() {
    let authority = authority();
    let held = issued(&authority).hold(noon()).unwrap().record;
    let with = list(&authority, &[&held], noon());
    assert_eq!(with.crl.find(&held.serial()).unwrap().reason, RevocationReason::CertificateHold);
    let released = held.release(noon()).unwrap().record;
    assert_eq!(list(&with.change.record, &[&released], noon()).crl.entries().count(), 0);
}

#[test]
fn a_key_lists_its_own_certificates_only() {
    let authority = authority();
    let revoked = issued(&authority).revoke(RevocationReason::Superseded, None, noon()).unwrap().record;
    let other = CrlScope::full(mdm_core::ca::KeyId::of(DEVICE_KEY.public_key(), &provider()));
    assert_eq!(revoked.crl_entry(&other, None), None);
    assert_eq!(authority.plan_crl(&other, noon()).unwrap_err(), Error::UnknownKey);
    assert_eq!(authority.crl(&other, [], &provider()).unwrap_err(), Error::UnknownKey);
    assert_eq!(authority.crl_scopes(), [scope(&authority)]);
}

#[test]
fn a_list_is_refused_to_a_clock_that_runs_backwards_and_to_an_expired_authority() {
    let authority = authority();
    let scope = scope(&authority);
    let issued = list(&authority, &[], noon().plus_days(1)).change.record;
    let latest = noon().plus_days(1);
    assert_eq!(issued.plan_crl(&scope, noon()).unwrap_err(), Error::ClockBackwards { now: noon(), latest });
    let end = authority.certificate().unwrap().validity().not_after;
    assert_eq!(authority.plan_crl(&scope, end.plus_seconds(1)).unwrap_err(), Error::AuthorityExpired(end));
}

#[test]
fn lists_live_as_long_as_the_settings_say() {
    let settings = Settings { crl_lifetime_days: 2, ..Settings::default() };
    let authority = authority().configure(settings, noon()).unwrap().record;
    assert_eq!(list(&authority, &[], noon()).crl.next_update(), Some(noon().plus_days(2)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_revoked_and_not_past_the_end_is_on_every_list(
        devices in prop::collection::vec((1..2000_u32, 0..30_000_000_i64, any::<bool>()), 1..8),
        lists in prop::collection::vec(1..8_000_000_i64, 1..8),
    ) {
        let mut authority = authority();
        let csr = csr(&DEVICE_KEY, name("Device"), Extensions::new());
        let mut records = Vec::new();
        for (number, (lifetime_days, revoked_after, hold)) in devices.into_iter().enumerate() {
            let profile = Profile { lifetime_days, ..Profile::device_identity() };
            let transaction = number.to_string();
            let request = IssuanceRequest::new(&csr, &transaction, &profile);
            let record = authority.reserve(&request, None, noon(), &provider()).unwrap().sign_with(&*CA_KEY).unwrap().record;
            let at = noon().plus_seconds(revoked_after);
            let moved = if hold { record.hold(at) } else { record.revoke(RevocationReason::Superseded, None, at) };
            records.extend(moved.map(|change| (at, change.record)));
        }
        let mut now = noon();
        let mut number = None;
        let mut last_on = vec![None; records.len()];
        for wait in lists {
            now = now.plus_seconds(wait);
            let by_now: Vec<&CertificateRecord> = records.iter().filter(|(at, _)| *at <= now).map(|(_, record)| record).collect();
            let IssuedCrl { crl, change } = list(&authority, &by_now, now);
            prop_assert!(crl.number() > number);
            number = crl.number();
            authority = change.record;
            for ((at, record), last) in records.iter().zip(&mut last_on) {
                let on = crl.find(&record.serial()).is_some();
                if *at <= now && now <= record.validity().not_after {
                    prop_assert!(on, "revoked, and still valid");
                }
                if on {
                    *last = Some(now);
                } else if *at <= now && *at <= record.validity().not_after {
                    prop_assert!(last.is_some_and(|last| last > record.validity().not_after), "left before a list after its end");
                }
            }
        }
    }
}

/// An authority whose lists come in four parts, with delta lists.
fn in_parts() -> Authority {
    let parts = CrlParts { count: 4, uri: "http://ca.example/{key}/{part}.crl".into() };
    let settings = Settings {
        crl_parts: Some(parts),
        delta_crl_uri: Some("http://ca.example/{key}/{part}-delta.crl".into()),
        ..Settings::default()
    };
    authority().configure(settings, noon()).unwrap().record
}

#[test]
fn a_certificate_names_its_part_and_the_part_names_itself_alike() {
    let authority = in_parts();
    let revoked = issued(&authority).revoke(RevocationReason::Superseded, None, noon()).unwrap();
    let record = revoked.record;
    let scope = record.crl_scope().unwrap();
    assert_eq!((scope.part, scope.part < Some(4)), (record.part(), true));
    assert!(revoked.effects.contains(&Effect::RefreshCrl { scope: scope.clone() }));
    let uri = authority.crl_uri(&scope).unwrap();
    assert_eq!(uri, format!("http://ca.example/1/{}.crl", record.part().unwrap()));
    let points = record.certificate().unwrap().extensions().find::<CrlDistributionPoints>().unwrap().unwrap();
    assert_eq!(points.uris, [uri.as_str()]);
    assert_eq!(authority.crl_scopes().len(), 5);
    for scope in authority.crl_scopes() {
        let planned = authority.plan_crl(&scope, noon()).unwrap().record;
        let crl = planned.crl(&scope, record.crl_entry(&scope, None), &provider()).unwrap().sign_with(&*CA_KEY).unwrap().crl;
        let on = scope.part.is_none() || scope.part == record.part();
        assert_eq!(crl.entries().count(), usize::from(on));
        match crl.issuing_distribution_point() {
            Some(point) => assert_eq!(point.uris, [authority.crl_uri(&scope).unwrap()]),
            None => assert_eq!(scope.part, None),
        }
    }
    let beyond = CrlScope::part(scope.key, 4);
    assert!(matches!(authority.plan_crl(&beyond, noon()).unwrap_err(), Error::Misuse(_)));
}

#[test]
fn parts_keep_their_address_and_never_become_fewer() {
    let authority = in_parts();
    let with = |parts| authority.configure(Settings { crl_parts: parts, ..authority.settings().clone() }, noon());
    let parts = authority.settings().crl_parts.clone().unwrap();
    assert!(with(Some(CrlParts { count: 8, ..parts.clone() })).is_ok());
    for refused in [
        None,
        Some(CrlParts { count: 3, ..parts.clone() }),
        Some(CrlParts { count: 0, ..parts.clone() }),
        Some(CrlParts { count: 1 << 17, ..parts.clone() }),
        Some(CrlParts { uri: "http://elsewhere.example/{key}/{part}".into(), ..parts.clone() }),
    ] {
        assert!(matches!(with(refused).unwrap_err(), Error::Misuse(_)));
    }
    for uri in ["http://ca.example/{part}", "http://ca.example/{key}"] {
        let settings = Settings { crl_parts: Some(CrlParts { count: 2, uri: uri.into() }), ..Settings::default() };
        assert!(matches!(super::authority().configure(settings, noon()).unwrap_err(), Error::Misuse(_)), "{uri}");
    }
}

#[test]
fn a_delta_list_goes_with_a_full_one_and_tells_what_has_changed() {
    let authority = in_parts();
    let scope = scope(&authority);
    assert_eq!(authority.plan_delta_crl(&scope, noon()).unwrap_err(), Error::NoBaseCrl);
    let (held, stays) = (issued(&authority).hold(noon()).unwrap().record, issued(&authority).hold(noon()).unwrap().record);
    let base = list(&authority, &[&held, &stays], noon().plus_seconds(600));
    assert_eq!(base.crl.base(), None);
    let released = held.release(noon().plus_seconds(1200)).unwrap().record;
    let lost = issued(&authority).revoke(RevocationReason::KeyCompromise, None, noon().plus_seconds(1200)).unwrap().record;

    let planned = base.change.record.plan_delta_crl(&scope, noon().plus_seconds(1800)).unwrap().record;
    let plan = *planned.planned_crl(&scope).unwrap();
    assert_eq!(plan.base.map(|base| base.number), base.crl.number());
    let changed =
        [&released, &stays, &lost].into_iter().filter_map(|record| record.delta_crl_entry(&scope, &plan.base.unwrap()));
    let delta = planned.delta_crl(&scope, changed, &provider()).unwrap().sign_with(&*CA_KEY).unwrap();
    assert_eq!((delta.number(), delta.base()), (Some(plan.number), base.crl.number()));
    assert_eq!(delta.find(&released.serial()).unwrap().reason, RevocationReason::RemoveFromCrl);
    assert_eq!(delta.find(&lost.serial()).unwrap().reason, RevocationReason::KeyCompromise);
    assert_eq!(delta.find(&stays.serial()), None);
    let full = planned.crl(&scope, [], &provider()).unwrap().sign_with(&*CA_KEY).unwrap();
    assert_eq!(full.crl.number(), delta.number(), "both have one number");
    // The next delta list continues the same base, until a full list is issued alone.
    let again = full.change.record.plan_delta_crl(&scope, noon().plus_seconds(2400)).unwrap().record;
    assert_eq!(again.planned_crl(&scope).unwrap().base, plan.base);
    let without = base.change.record.plan_crl(&scope, noon().plus_seconds(1800)).unwrap().record;
    assert_eq!(without.delta_crl(&scope, [], &provider()).unwrap_err(), Error::CrlNotPlanned);
}

#[test]
fn a_list_that_is_written_piece_by_piece_is_the_same_list() {
    let authority = authority();
    let scope = scope(&authority);
    let record = issued(&authority).revoke(RevocationReason::Superseded, None, noon()).unwrap().record;
    let planned = plan(&authority, noon()).record;
    let entry = record.crl_entry(&scope, None).unwrap();
    let whole = planned.crl(&scope, [entry], &provider()).unwrap().sign_with(&*CA_KEY).unwrap();
    let mut measure = planned.measure_crl(&scope, &provider()).unwrap();
    measure.push(&entry).unwrap();
    let mut writer = measure.writer(&provider());
    writer.push(&entry).unwrap();
    let unsigned = writer.finish().unwrap();
    let last = unsigned.last_piece().to_vec();
    let frame = unsigned.sign_with(&*CA_KEY).unwrap();
    assert_eq!([frame.head.as_slice(), &last, &frame.tail].concat(), whole.crl.as_der());
    let written = planned.crl_written(&scope, &frame).unwrap();
    assert_eq!(written, whole.change);
    assert_eq!(written.record.crl_written(&scope, &frame).unwrap_err(), Error::CrlNotPlanned, "once");
    assert_eq!(authority.measure_crl(&scope, &provider()).unwrap_err(), Error::CrlNotPlanned);
}

#[test]
fn what_a_node_with_a_slow_clock_revoked_is_on_the_delta_list() {
    let authority = authority();
    let scope = scope(&authority);
    let base = list(&authority, &[], noon().plus_seconds(600));
    // Decided after the list was made, by a clock half a minute behind.
    let late = issued(&authority).revoke(RevocationReason::Superseded, None, noon().plus_seconds(570)).unwrap().record;
    let planned = base.change.record.plan_delta_crl(&scope, noon().plus_seconds(1200)).unwrap().record;
    assert!(late.delta_crl_entry(&scope, &planned.planned_crl(&scope).unwrap().base.unwrap()).is_some());
}
