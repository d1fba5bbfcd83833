//! States, moves and standing of a certificate.

use mdm_core::ca::{
    CertificateRecord, Effect, Error, Holder, Inventory, IssuanceRequest, Move, Profile, Recorded, Row, State, Status,
};
use mdm_core::id::TenantId;
use mdm_core::record::{Change, Record};
use mdm_core::time::Timestamp;
use mdm_core::x509::{Extensions, RevocationReason, Standing};
use proptest::prelude::*;

use super::{DEVICE_KEY, authority, csr, issued, name, noon, provider};

const LOST: RevocationReason = RevocationReason::KeyCompromise;
const LEFT: RevocationReason = RevocationReason::AffiliationChanged;

fn reserved() -> CertificateRecord {
    let csr = csr(&DEVICE_KEY, name("Device 7"), Extensions::new());
    let profile = Profile::device_identity();
    let request = IssuanceRequest::new(&csr, "t", &profile);
    authority().reserve(&request, None, noon(), &provider()).unwrap().record().clone()
}

/// A certificate that another authority issued.
fn foreign() -> CertificateRecord {
    let certificate = issued(&authority()).certificate().unwrap().clone();
    let recorded = Recorded { authority: "adcs".into(), own: None, certificate, holder: Holder::default() };
    CertificateRecord::record(recorded, noon()).record
}

fn refused(outcome: Result<Change<CertificateRecord>, Error>) -> (State, Move) {
    match outcome.unwrap_err() {
        Error::Move { from, attempted } => (from, attempted),
        other => panic!("{other}"),
    }
}

#[test]
fn time_alone_leads_from_issued_over_expiring_to_expired() {
    let record = issued(&authority());
    let end = record.validity().not_after;
    assert_eq!(record.state(noon(), 30), State::Issued);
    assert_eq!(record.state(end.plus_days(-30), 30), State::Issued);
    assert_eq!(record.state(end.plus_days(-30).plus_seconds(1), 30), State::Expiring);
    assert_eq!(record.state(end, 0), State::Issued, "never expiring for a threshold of 0");
    assert_eq!(record.state(end, 30), State::Expiring);
    assert_eq!(record.state(end.plus_seconds(1), 30), State::Expired);
    assert_eq!(record.standing(end), Standing::InForce);
    assert_eq!(record.standing(end.plus_seconds(1)), Standing::Expired(end));
    let begin = record.validity().not_before;
    assert_eq!(record.standing(begin), Standing::InForce);
    assert_eq!(record.standing(begin.plus_seconds(-1)), Standing::NotYet(begin));
}

#[test]
fn a_revoked_certificate_ends_access_and_nothing_brings_it_back() {
    let record = issued(&authority());
    let later = noon().plus_days(3);
    let revoked = record.revoke(LEFT, None, later).unwrap();
    let serial = record.serial();
    assert_eq!(revoked.effects[0], Effect::EndAccess { serial, holder: Holder::default() });
    assert!(matches!(&revoked.effects[1], Effect::RefreshCrl { scope } if Some(&scope.key) == record.issuer_key()));
    let record = revoked.record;
    assert_eq!(record.standing(later), Standing::Revoked(later));
    assert_eq!(record.state(record.validity().not_after.plus_days(1), 0), State::Revoked, "also past its end");
    assert_eq!(refused(record.release(later)), (State::Revoked, Move::Release));
    assert_eq!(refused(record.hold(later)), (State::Revoked, Move::Hold));
    assert_eq!(refused(record.revoke(LEFT, None, later)), (State::Revoked, Move::Revoke));
    assert_eq!(refused(record.abandon(later)), (State::Revoked, Move::Abandon));
    assert_eq!(refused(record.revocation_confirmed(later)), (State::Revoked, Move::ConfirmRevocation));
}

#[test]
fn only_a_compromised_key_changes_a_revocation_and_its_date_stays() {
    let revoked = issued(&authority()).revoke(LEFT, None, noon()).unwrap().record;
    let feared = noon().plus_days(-2);
    let worse = revoked.revoke(LOST, Some(feared), noon().plus_days(5)).unwrap().record;
    let revocation = worse.revocation().unwrap();
    assert_eq!((revocation.at, revocation.reason, revocation.invalidity_date), (noon(), LOST, Some(feared)));
    assert_eq!(refused(worse.revoke(LOST, None, noon())), (State::Revoked, Move::Revoke));
}

#[test]
fn a_hold_is_released_or_becomes_a_revocation_dated_back() {
    let held = issued(&authority()).hold(noon()).unwrap();
    assert!(matches!(held.effects[..], [Effect::EndAccess { .. }, Effect::RefreshCrl { .. }]));
    let held = held.record;
    assert_eq!(held.state(noon(), 0), State::Held);
    assert_eq!(held.standing(noon()), Standing::Held(noon()));
    assert_eq!(refused(held.hold(noon())), (State::Held, Move::Hold));
    let released = held.release(noon().plus_days(1)).unwrap();
    assert!(matches!(released.effects[..], [Effect::RestoreAccess { .. }, Effect::RefreshCrl { .. }]));
    assert_eq!(released.record.standing(noon().plus_days(1)), Standing::InForce);
    let revoked = held.revoke(LEFT, None, noon().plus_days(1)).unwrap().record;
    assert_eq!(revoked.revocation().unwrap().at, noon(), "since the hold");
    let past = held.validity().not_after.plus_days(1);
    assert_eq!(held.state(past, 0), State::Expired);
    assert_eq!(refused(held.release(past)), (State::Expired, Move::Release));
}

#[test]
fn a_serial_number_without_certificate_can_be_revoked() {
    let abandoned = reserved().abandon(noon()).unwrap().record;
    assert_eq!(abandoned.state(noon(), 0), State::Abandoned);
    assert_eq!(abandoned.standing(noon()), Standing::NotIssued);
    assert_eq!(refused(abandoned.hold(noon())), (State::Abandoned, Move::Hold));
    assert_eq!(refused(abandoned.delivered(noon())), (State::Abandoned, Move::Deliver));
    assert!(abandoned.revoke(LEFT, None, noon()).unwrap().record.stays_on_crl(None));

    let revoked = reserved().revoke(LEFT, None, noon()).unwrap().record;
    assert_eq!(revoked.outstanding(), [], "it is not signed any more");
    assert!(matches!(authority().resume(&revoked, noon(), &provider()), Err(Error::Move { attempted: Move::Sign, .. })));
}

#[test]
fn reasons_that_are_not_a_devices_are_refused() {
    let record = issued(&authority());
    for reason in [
        RevocationReason::CaCompromise,
        RevocationReason::CertificateHold,
        RevocationReason::RemoveFromCrl,
        RevocationReason::AaCompromise,
    ] {
        assert!(matches!(record.revoke(reason, None, noon()), Err(Error::Misuse(_))), "{reason:?}");
    }
}

#[test]
fn another_authoritys_certificate_is_revoked_by_asking() {
    let record = foreign();
    assert_eq!(refused(record.hold(noon())), (State::Issued, Move::Hold));
    assert_eq!(refused(record.revocation_confirmed(noon())), (State::Issued, Move::ConfirmRevocation));
    let asked = record.revoke(LOST, None, noon()).unwrap();
    assert!(matches!(asked.effects[..], [Effect::EndAccess { .. }, Effect::AskRevocation { .. }]));
    let asked = asked.record;
    assert_eq!(asked.state(noon(), 0), State::PendingRevoke);
    assert_eq!(asked.standing(noon()), Standing::Revoked(noon()), "access ends at once");
    assert_eq!(refused(asked.revoke(LOST, None, noon())), (State::PendingRevoke, Move::Revoke));
    assert_eq!(asked.outstanding(), [Effect::AskRevocation { serial: asked.serial() }]);
    let confirmed = asked.revocation_confirmed(noon().plus_days(1)).unwrap().record;
    assert_eq!(confirmed.state(noon(), 0), State::Revoked);
    assert!(!confirmed.stays_on_crl(None), "it is on the other authority's list");
    assert_eq!(confirmed.revocation_confirmed(noon()).unwrap().events, []);
}

#[test]
fn no_clock_stands_in_the_way_of_a_revocation() {
    let record = issued(&authority());
    let revoked = record.revoke(LOST, None, noon().plus_days(-1000)).unwrap().record;
    assert_eq!(revoked.revocation().unwrap().at, noon());
    assert_eq!(revoked.latest(), noon());
}

#[test]
fn delivering_and_assigning_twice_change_nothing() {
    let record = issued(&authority());
    assert_eq!(record.outstanding(), [Effect::Deliver { serial: record.serial() }]);
    let delivered = record.delivered(noon()).unwrap().record;
    assert_eq!(delivered.delivered_at(), Some(noon()));
    assert_eq!(delivered.outstanding(), []);
    assert_eq!(delivered.delivered(noon().plus_days(1)).unwrap().events, []);

    let tenant = |id: &str| Holder { tenant: Some(TenantId::from(id)), ..Holder::default() };
    let assigned = record.assign(tenant("a"), noon()).unwrap().record;
    assert_eq!(assigned.holder(), &tenant("a"));
    assert_eq!(assigned.assign(tenant("a"), noon()).unwrap().events, []);
    assert_eq!(assigned.assign(tenant("b"), noon()).unwrap_err(), Error::Foreign("tenant"));
    assert_eq!(assigned.assign(Holder::default(), noon()).unwrap_err(), Error::Foreign("tenant"));
}

#[test]
fn active_and_inactive_are_all_that_were_issued() {
    for (state, status) in [
        (State::Reserved, None),
        (State::Issued, Some(Status::Active)),
        (State::Expiring, Some(Status::Active)),
        (State::Expired, Some(Status::Inactive)),
        (State::Held, Some(Status::Inactive)),
        (State::PendingRevoke, Some(Status::Inactive)),
        (State::Revoked, Some(Status::Inactive)),
        (State::Abandoned, None),
    ] {
        assert_eq!(state.status(), status, "{state}");
    }
}

#[test]
fn a_row_of_a_list_says_what_people_ask() {
    let holder = Holder {
        device_name: Some("iPhone of Ann".into()),
        user_name: Some("ann".into()),
        profiles: vec!["Wi-Fi".into(), "VPN".into()],
        ..Holder::default()
    };
    let record = issued(&authority()).assign(holder, noon()).unwrap().record;
    let row = Row::of(&record, record.validity().not_after, 30);
    let serial = format!("0x{}", record.serial());
    assert_eq!(
        row.cells.each_ref().map(String::as_str),
        [
            "CN=Device 7",
            &serial,
            "iPhone of Ann",
            "ann",
            "builtin",
            "2026-11-21T12:00:00Z",
            "2027-11-21T11:59:59Z",
            "Active",
            "Expiring",
            "Wi-Fi; VPN",
        ]
    );
    assert_eq!(Row::of(&reserved(), noon(), 30).cells[5..9], ["", "2027-11-21T11:59:59Z", "", "Reserved"]);
    let inventory = Inventory::count([&record, &reserved()], noon(), 30);
    assert_eq!((inventory.active, inventory.all(), inventory.unissued), (1, 1, 1));
}

/// Each move on a record, tried in any order.
#[derive(Clone, Copy, Debug)]
enum Try {
    Deliver,
    Abandon,
    Revoke(RevocationReason),
    Hold,
    Release,
    Confirm,
    Assign(u8),
    Wait(i64),
}

fn attempt() -> impl Strategy<Value = Try> {
    prop_oneof![
        Just(Try::Deliver),
        Just(Try::Abandon),
        prop_oneof![Just(LOST), Just(LEFT), Just(RevocationReason::Unspecified)].prop_map(Try::Revoke),
        Just(Try::Hold),
        Just(Try::Release),
        Just(Try::Confirm),
        any::<u8>().prop_map(Try::Assign),
        (-1000..20_000_000_i64).prop_map(Try::Wait),
    ]
}

fn act(record: &CertificateRecord, attempt: Try, now: &mut Timestamp) -> Option<Result<Change<CertificateRecord>, Error>> {
    Some(match attempt {
        Try::Deliver => record.delivered(*now),
        Try::Abandon => record.abandon(*now),
        Try::Revoke(reason) => record.revoke(reason, None, *now),
        Try::Hold => record.hold(*now),
        Try::Release => record.release(*now),
        Try::Confirm => record.revocation_confirmed(*now),
        Try::Assign(number) => record.assign(Holder { device_name: Some(number.to_string()), ..Holder::default() }, *now),
        Try::Wait(seconds) => {
            *now = now.plus_seconds(seconds);
            return None;
        }
    })
}

/// The moves of facts known to be legal, apart from the code that decides them.
fn legal(before: State, after: State) -> bool {
    use State::{Abandoned, Expired, Held, Issued, PendingRevoke, Reserved, Revoked};
    before == after
        || matches!(
            (before, after),
            (Reserved, Abandoned | Revoked)
                | (Abandoned | Expired | Held, Revoked)
                | (Issued, Held | Revoked)
                | (Held, Issued)
                | (Issued | Expired, PendingRevoke)
                | (PendingRevoke, Revoked)
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_moves_are_legal_or_refused_and_replay_to_the_same_record(
        start in 0..3_usize,
        attempts in prop::collection::vec(attempt(), 1..40),
    ) {
        let mut record = [reserved, || issued(&authority()), foreign][start]();
        let first = record.clone();
        let mut events = Vec::new();
        let mut now = noon();
        for attempt in attempts {
            let before = record.state(now, 0);
            let Some(outcome) = act(&record, attempt, &mut now) else { continue };
            match outcome {
                Ok(change) => {
                    prop_assert!(legal(before, change.record.state(now, 0)), "{before} by {attempt:?}");
                    prop_assert!(change.record.latest() >= record.latest());
                    if before == State::Revoked {
                        prop_assert_eq!(change.record.revocation().unwrap().at, record.revocation().unwrap().at);
                    }
                    events.extend(change.events);
                    record = change.record;
                }
                Err(Error::Move { from, .. }) => prop_assert_eq!(from, before),
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
        let mut replayed = first;
        for event in &events {
            let stored = serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap();
            replayed.apply(&stored).unwrap();
        }
        prop_assert_eq!(replayed, record);
    }
}
