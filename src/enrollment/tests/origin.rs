//! Where identities came from, and who must enroll again once they come from elsewhere.

use super::*;
use crate::record::Record;

fn era(era: u32) -> Origin {
    Origin { authority: "wifi".into(), era }
}

/// The circumstances of a device with this certificate of this origin.
fn from<'a>(door: &'a Door, seed: u8, origin: &'a Origin) -> Contact<'a> {
    door.with(Identity::new(fingerprint(seed), Standing::InForce).coming_from(Some(origin)))
}

#[test]
fn another_era_of_the_authority_makes_every_device_owe_and_enrolling_again_pays() {
    let (door, first, second) = (Door::default(), era(1), era(2));
    let begun = Enrollment::begin(&DEVICE.authenticate(), &from(&door, 1, &first), NOW).unwrap().enrollment;
    let enrolled = begun.record.receive(&DEVICE.token_update(1), &from(&door, 1, &first), NOW).unwrap().enrollment;
    let record = enrolled.record.clone();
    assert_eq!((record.origin(), record.owes_reenrollment(&first)), (Some(&first), false));
    // Nothing is written when the authority changes; the record owes because it is of another era, or of another authority.
    assert!(record.owes_reenrollment(&second));
    assert!(record.owes_reenrollment(&Origin { authority: "builtin".into(), era: 1 }));

    // What it says under the old certificate pays nothing, whatever the host takes that certificate for.
    let message = record.receive(&DEVICE.token_update(2), &from(&door, 1, &second), NOW).unwrap().enrollment.record;
    assert!(message.owes_reenrollment(&second));
    // Its profile is installed anew: nothing is lost, and it owes nothing.
    let expecting = record.expect_renewal(NOW.plus_days(1), NOW).unwrap();
    let renewed = expecting.record.receive(&DEVICE.authenticate(), &from(&door, 2, &second), NOW).unwrap().enrollment;
    assert_eq!((renewed.record.origin(), renewed.record.owes_reenrollment(&second)), (Some(&second), false));
    assert_eq!(renewed.record.generation(), 1);
    // Or it is reset.
    let reset = record.receive(&DEVICE.authenticate(), &from(&door, 2, &second), NOW).unwrap().enrollment;
    assert_eq!((reset.record.generation(), reset.record.owes_reenrollment(&second)), (2, false));
    // Or it renews by itself.
    let announced = record.announce_identity(fingerprint(3), NOW).unwrap().record;
    let changed = announced.receive(&DEVICE.token_update(1), &from(&door, 3, &second), NOW).unwrap().enrollment.record;
    assert!(!changed.owes_reenrollment(&second));

    let events: Vec<Event> = [begun.events, enrolled.events, expecting.events, renewed.events].concat();
    assert_eq!(Enrollment::replay(&events).unwrap(), renewed.record);
    let stored = serde_json::to_string(&renewed.record).unwrap();
    assert_eq!(serde_json::from_str::<Enrollment>(&stored).unwrap(), renewed.record);
}

#[test]
fn an_erased_device_keeps_the_origin_of_its_certificate() {
    let (door, second) = (Door::default(), era(2));
    let expecting = enrolled().expect_renewal(NOW.plus_days(1), NOW).unwrap().record;
    let renewed = expecting.receive(&DEVICE.authenticate(), &from(&door, 2, &second), NOW).unwrap().enrollment.record;
    let erased = TokenUpdate { awaiting_configuration: Some(true), ..DEVICE.update(1) };
    let record = renewed.receive(&erased.into(), &door.by(2), NOW).unwrap().enrollment.record;
    assert_eq!((record.generation(), record.origin()), (2, Some(&second)));
}

#[test]
fn an_origin_that_nobody_knew_is_owed_for_and_learnt_with_the_next_message() {
    let (door, first) = (Door::default(), era(1));
    let record = enrolled();
    assert_eq!((record.origin(), record.owes_reenrollment(&first)), (None, true));
    let silent = record.receive(&DEVICE.token_update(1), &door.by(1), NOW).unwrap().enrollment.record;
    assert_eq!(silent.origin(), None);
    let told = record.receive(&DEVICE.token_update(1), &from(&door, 1, &first), NOW).unwrap().enrollment;
    assert_eq!((told.record.origin(), told.effects.as_slice()), (Some(&first), &[][..]), "nothing is released by that");
    // A certificate that is bound without a word has no known origin, and not that of the one before.
    let announced = told.record.announce_identity(fingerprint(3), NOW).unwrap().record;
    let changed = announced.receive(&DEVICE.token_update(1), &door.by(3), NOW).unwrap().enrollment.record;
    assert_eq!((changed.identity(), changed.origin()), (Some(fingerprint(3)), None));
}

#[test]
fn users_and_what_has_ended_owe_nothing() {
    let device = enrolled();
    assert!(!user_on(&device).owes_reenrollment(&era(1)));
    let left = device.receive(&DEVICE.check_out(), &Door::default().by(1), NOW).unwrap().enrollment.record;
    assert_eq!((left.origin(), left.owes_reenrollment(&era(1))), (None, false));
}
