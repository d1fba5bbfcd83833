//! Random lives of a device and a user on it: what must hold after every message.

use proptest::prelude::*;

use super::*;
use crate::checkin::SetBootstrapToken;
use crate::record::{Change, Record};

#[derive(Clone, Debug)]
enum Step {
    Authenticate { seed: u8, policy: u8 },
    TokenUpdate { seed: u8, token: u8, secrets: bool },
    UserTokenUpdate { seed: u8, token: u8 },
    CheckOut(u8),
    UserCheckOut(u8),
    Bootstrap(u8),
    Announce(u8),
    ExpectRenewal(u8),
    Displace,
    Disable,
    Idle { seed: u8, revoked: bool },
    OtherTenant(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let seed = 1_u8..4;
    prop_oneof![
        3 => (seed.clone(), 0_u8..3).prop_map(|(seed, policy)| Step::Authenticate { seed, policy }),
        5 => (seed.clone(), 0_u8..5, any::<bool>()).prop_map(|(seed, token, secrets)| Step::TokenUpdate { seed, token, secrets }),
        3 => (seed.clone(), 0_u8..5).prop_map(|(seed, token)| Step::UserTokenUpdate { seed, token }),
        1 => seed.clone().prop_map(Step::CheckOut),
        1 => seed.clone().prop_map(Step::UserCheckOut),
        2 => seed.clone().prop_map(Step::Bootstrap),
        3 => seed.clone().prop_map(Step::Announce),
        1 => seed.clone().prop_map(Step::ExpectRenewal),
        1 => Just(Step::Displace),
        1 => Just(Step::Disable),
        3 => (seed.clone(), any::<bool>()).prop_map(|(seed, revoked)| Step::Idle { seed, revoked }),
        1 => seed.prop_map(Step::OtherTenant),
    ]
}

#[derive(Default)]
struct Row {
    record: Option<Enrollment>,
    events: Vec<Event>,
}

impl Row {
    fn store(&mut self, change: Change<Enrollment>) {
        assert_eq!(change.expected(), self.record.as_ref().map(Record::revision), "made of the stored record");
        self.events.extend(change.events);
        self.record = Some(change.record);
    }

    fn receive(&mut self, message: &CheckIn, contact: &Contact<'_>, now: Timestamp) -> Result<(), Error> {
        let outcome = match &self.record {
            Some(record) => record.receive(message, contact, now),
            None => Enrollment::begin(message, contact, now),
        }?;
        self.store(outcome.enrollment);
        Ok(())
    }

    fn decide(&mut self, decision: impl FnOnce(&Enrollment) -> Option<Change<Enrollment>>) {
        if let Some(change) = self.record.as_ref().and_then(decision) {
            self.store(change);
        }
    }

    fn check(&self) {
        let Some(record) = &self.record else { return };
        assert_eq!(Enrollment::replay(&self.events).as_ref(), Ok(record));
        assert_eq!(serde_json::from_str::<Enrollment>(&serde_json::to_string(record).unwrap()).unwrap(), *record);
        assert_eq!(record.tenant(), &TenantId::from("a"));
        // While a renewal by profile is under way the old address stays, so a binding and the state go together.
        assert_eq!(record.binding().is_some(), record.state() == State::Enrolled);
        if let Some(binding) = record.binding() {
            assert_eq!(
                (binding.tenant(), binding.enrollment(), binding.topic()),
                (record.tenant(), record.id(), record.topic())
            );
        }
        if !record.state().is_live() {
            assert!(record.identity().is_none() && record.unlock_token().is_none() && record.bootstrap_token().is_none());
        }
        assert_eq!(record.identity().is_some(), record.state().is_live() && !record.id().kind().is_user_channel());
        assert!(record.identity().is_none_or(|bound| !record.announced_identities().contains(&bound)));
    }
}

/// One message after another, to both channels; gives whether each was taken.
fn live(steps: &[Step]) -> (Row, Row) {
    let (mut device, mut user) = (Row::default(), Row::default());
    for (at, step) in steps.iter().enumerate() {
        let now = NOW.plus_seconds(i64::try_from(at).unwrap() * 40);
        let mut door = Door::default();
        let before = device.record.clone();
        let taken = match *step {
            Step::Authenticate { seed, policy } => {
                door.policy.reenrollment =
                    [Reenrollment::ByRecord, Reenrollment::Renew, Reenrollment::Reset][usize::from(policy)];
                device.receive(&DEVICE.authenticate(), &door.by(seed), now)
            }
            Step::TokenUpdate { seed, token, secrets } => {
                let update = TokenUpdate {
                    unlock_token: secrets.then(|| "unlock".into()),
                    awaiting_configuration: secrets.then_some(true),
                    token: Some(vec![token; token.into()].into()),
                    ..DEVICE.update(token)
                };
                device.receive(&update.into(), &door.by(seed), now)
            }
            Step::UserTokenUpdate { seed, token } => {
                user.receive(&USER.token_update(token), &door.by(seed).on_device(before.as_ref()), now)
            }
            Step::CheckOut(seed) => device.receive(&DEVICE.check_out(), &door.by(seed), now),
            Step::UserCheckOut(seed) => user.receive(&USER.check_out(), &door.by(seed).on_device(before.as_ref()), now),
            Step::Bootstrap(seed) => {
                let set = SetBootstrapToken {
                    udid: Some("D".into()),
                    bootstrap_token: (seed > 1).then(|| "boot".into()),
                    ..SetBootstrapToken::default()
                };
                device.receive(&set.into(), &door.by(seed), now)
            }
            Step::Announce(seed) => {
                device.decide(|record| record.announce_identity(fingerprint(seed), now));
                Ok(())
            }
            Step::ExpectRenewal(wait) => {
                device.decide(|record| record.expect_renewal(now.plus_seconds(i64::from(wait) * 50), now));
                Ok(())
            }
            Step::Displace => {
                let token = before.as_ref().and_then(|record| Some(record.binding()?.token().clone()));
                device.decide(|record| token.and_then(|token| record.displace(&token, now)));
                Ok(())
            }
            Step::Disable => {
                user.decide(|record| record.disable(now));
                Ok(())
            }
            Step::Idle { seed, revoked } => {
                let standing = if revoked { Standing::Revoked(now) } else { Standing::InForce };
                let contact = door.with(Identity::new(fingerprint(seed), standing));
                let Some(record) = before.as_ref() else { continue };
                record.report(&DEVICE.report(Status::IDLE, None), None, &contact, now).map(|exchange| {
                    assert!(!revoked, "a revoked certificate was let in");
                    let speaks = record.identity() == Some(fingerprint(seed))
                        || record.announced_identities().contains(&fingerprint(seed));
                    assert!(speaks);
                    device.store(exchange.next([], now).enrollment);
                })
            }
            Step::OtherTenant(seed) => {
                door.tenant = "b".into();
                let Some(record) = before.as_ref() else { continue };
                assert_eq!(record.receive(&DEVICE.token_update(1), &door.by(seed), now).map(|_| ()), Err(Error::OtherTenant));
                Ok(())
            }
        };
        if let Err(error) = taken {
            assert!([400, 403].contains(&error.reply(Strangers::TurnAway).status()));
        }
        device.check();
        user.check();
    }
    (device, user)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn events_replay_to_the_record_and_nothing_outlives_an_enrollment(steps in prop::collection::vec(step(), 0..40)) {
        let (device, user) = live(&steps);
        // However it came about: a user is served only on a device that is managed, in the same generation.
        let door = Door::default();
        if let (Some(device), Some(user)) = (&device.record, &user.record) {
            let contact = door.by(1).on_device(Some(device));
            let served = user.report(&USER.report(Status::IDLE, None), None, &contact, NOW).is_ok();
            let managed = matches!(device.state(), State::Enrolled | State::Retired);
            prop_assert!(!served || (managed && user.device_generation() == Some(device.generation()) && user.state().is_live()));
        }
    }
}
