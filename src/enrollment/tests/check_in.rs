//! What check-ins change, and whom they refuse.

use super::*;
use crate::asn1::Tag;
use crate::checkin::{GetBootstrapToken, SetBootstrapToken, UserAuthenticate};
use crate::push::tests::Sketch;
use crate::push::{self, Address, Answer, DeviceToken};
use crate::secret::Secret;

fn receive(record: &Enrollment, message: CheckIn) -> Outcome {
    record.receive(&message, &Door::default().by(1), NOW).unwrap()
}

#[test]
fn a_device_introduces_itself_and_is_enrolled_by_its_token() {
    let door = Door::default();
    let begun = Enrollment::begin(&DEVICE.authenticate(), &door.by(1), NOW).unwrap();
    assert_eq!((begun.enrollment.record.state(), begun.enrollment.record.binding()), (State::Authenticated, None));
    assert_eq!((begun.enrollment.record.identity(), &begun.reply), (Some(fingerprint(1)), &Reply::Empty));
    let again = begun.enrollment.record.receive(&DEVICE.authenticate(), &door.by(1), NOW).unwrap();
    assert_eq!(
        (again.enrollment.events, again.enrollment.record),
        (vec![], begun.enrollment.record.clone()),
        "a repeated message changes nothing"
    );

    let updated = begun.enrollment.record.receive(&DEVICE.token_update(1), &door.by(1), NOW).unwrap();
    assert_eq!((updated.enrollment.record.state(), updated.enrollment.record.token_updates()), (State::Enrolled, 1));
    assert_eq!(updated.enrollment.effects, []);
    let binding = updated.enrollment.record.binding().unwrap();
    assert_eq!((binding.token().as_bytes(), binding.since()), (&[1; 32][..], NOW));
    assert_eq!((binding.tenant(), binding.topic()), (&TenantId::from("a"), &topic(TOPIC)));
}

#[test]
fn what_a_token_update_leaves_out_stays() {
    let full = TokenUpdate { unlock_token: Some("unlock".into()), awaiting_configuration: Some(true), ..DEVICE.update(1) };
    let first = receive(&enrolled(), full.into());
    assert_eq!(first.enrollment.effects, [Effect::FinishSetup]);
    let second = receive(&first.enrollment.record, DEVICE.token_update(1));
    assert_eq!(second.enrollment.record.unlock_token(), Some(&Secret::from("unlock")));
    assert!(second.enrollment.record.awaiting_configuration());
    assert_eq!(second.enrollment.effects, [], "the host has been told");
    let empty = TokenUpdate { unlock_token: Some(Secret::default()), awaiting_configuration: Some(false), ..DEVICE.update(1) };
    let third = receive(&second.enrollment.record, empty.into());
    assert_eq!(third.enrollment.record.unlock_token(), Some(&Secret::from("unlock")), "an empty token is none");
    assert!(!third.enrollment.record.awaiting_configuration());
    assert_eq!(third.enrollment.record.token_updates(), 4);
}

#[test]
fn a_new_token_takes_the_place_of_the_old_and_owes_a_push() {
    let moved = receive(&enrolled(), DEVICE.token_update(9));
    assert_eq!(moved.enrollment.record.binding().unwrap().token().as_bytes(), [9; 32]);
    assert_eq!(moved.enrollment.effects, [Effect::Wake { at: NOW }]);
    assert_eq!(receive(&moved.enrollment.record, DEVICE.token_update(9)).enrollment.effects, []);
}

#[test]
fn a_token_update_that_lacks_what_matters_changes_nothing() {
    let refusal = |update: TokenUpdate| enrolled().receive(&update.into(), &Door::default().by(1), NOW).unwrap_err();
    assert_eq!(refusal(TokenUpdate { topic: None, ..DEVICE.update(1) }), Error::Missing("Topic"));
    assert_eq!(refusal(TokenUpdate { token: None, ..DEVICE.update(1) }), Error::Missing("Token"));
    assert_eq!(refusal(TokenUpdate { push_magic: None, ..DEVICE.update(1) }), Error::Missing("PushMagic"));
    let empty = TokenUpdate { token: Some(Secret::default()), ..DEVICE.update(1) };
    assert_eq!(refusal(empty), Error::Address(push::Error::Token { len: 0 }));
    for len in [1, 31, 33, 100] {
        let odd = TokenUpdate { token: Some(vec![1; len].into()), ..DEVICE.update(1) };
        assert!(enrolled().receive(&odd.into(), &Door::default().by(1), NOW).is_ok(), "{len}");
    }
}

#[test]
fn a_topic_padded_with_line_ends_is_the_same_topic() {
    let padded = TokenUpdate { topic: Some(format!("\n\t{TOPIC}\n")), ..DEVICE.update(1) };
    assert_eq!(receive(&enrolled(), padded.into()).enrollment.record.topic(), &topic(TOPIC));
}

#[test]
fn nothing_of_another_tenant_is_taken() {
    let other = Door { tenant: "b".into(), ..Door::default() };
    let record = enrolled();
    for message in [DEVICE.authenticate(), DEVICE.token_update(1), DEVICE.check_out()] {
        assert_eq!(record.receive(&message, &other.by(1), NOW).unwrap_err(), Error::OtherTenant);
    }
    let report = record.report(&DEVICE.report(Status::IDLE, None), None, &other.by(1), NOW);
    assert_eq!(report.unwrap_err(), Error::OtherTenant);

    let elsewhere = Door { topics: vec![topic("com.apple.mgmt.External.b")], ..Door::default() };
    assert_eq!(Enrollment::begin(&DEVICE.authenticate(), &elsewhere.by(1), NOW).unwrap_err(), Error::OtherTopic);
    assert_eq!(record.receive(&DEVICE.token_update(1), &elsewhere.by(1), NOW).unwrap_err(), Error::OtherTopic);

    let door = Door::default();
    let (tenant, enrollment) = (TenantId::from("b"), EnrollmentId::device_channel("X").unwrap());
    let holder = TokenHolder { tenant: &tenant, enrollment: &enrollment };
    let refused = record.receive(&DEVICE.token_update(1), &door.by(1).token_held_by(Some(holder)), NOW);
    assert_eq!(refused.unwrap_err(), Error::TokenOfAnotherTenant);
}

#[test]
fn a_token_moves_within_a_tenant_and_is_shared_within_a_device() {
    let door = Door::default();
    let older = EnrollmentId::device_channel("OLD").unwrap();
    let holder = TokenHolder { tenant: &door.tenant, enrollment: &older };
    let taken = enrolled().receive(&DEVICE.token_update(1), &door.by(1).token_held_by(Some(holder)), NOW).unwrap();
    let token = DeviceToken::from_bytes(&[1; 32]).unwrap();
    assert_eq!(taken.enrollment.effects, [Effect::Displace { enrollment: older.clone(), token: token.clone() }]);
    let displaced = enrolled().displace(&token, NOW).unwrap().record;
    assert_eq!((displaced.state(), displaced.binding()), (State::Retired, None));
    assert_eq!(displaced.displace(&token, NOW), None);
    assert_eq!(
        receive(&enrolled(), DEVICE.token_update(9)).enrollment.record.displace(&token, NOW),
        None,
        "it has another by now"
    );

    let own = USER.id();
    let holder = TokenHolder { tenant: &door.tenant, enrollment: &own };
    let shared = enrolled().receive(&DEVICE.token_update(1), &door.by(1).token_held_by(Some(holder)), NOW).unwrap();
    assert_eq!(shared.enrollment.effects, []);
}

#[test]
fn only_the_bound_identity_in_force_is_let_in() {
    let door = Door::default();
    let record = enrolled();
    let by = |standing| record.receive(&DEVICE.check_out(), &door.with(Identity::new(fingerprint(1), standing)), NOW);
    for standing in
        [Standing::NotYet(NOW), Standing::Expired(NOW), Standing::Held(NOW), Standing::Revoked(NOW), Standing::NotIssued]
    {
        let refusal = by(standing).unwrap_err();
        assert_eq!((&refusal, refusal.reply(Strangers::Unenroll)), (&Error::Identity(standing), Reply::Forbidden));
        let fresh = door.with(Identity::new(fingerprint(1), standing));
        assert_eq!(Enrollment::begin(&DEVICE.authenticate(), &fresh, NOW).unwrap_err(), Error::Identity(standing));
    }
    assert_eq!(record.receive(&DEVICE.check_out(), &door.by(2), NOW).unwrap_err(), Error::OtherIdentity);

    let lenient = Door { policy: Policy { admit_expired: true, ..Policy::default() }, ..Door::default() };
    let expired = |seed| lenient.with(Identity::new(fingerprint(seed), Standing::Expired(NOW)));
    assert!(record.receive(&DEVICE.token_update(1), &expired(1), NOW).is_ok());
    assert!(record.receive(&DEVICE.token_update(1), &expired(2), NOW).is_err());
}

#[test]
fn a_certificate_of_another_device_enrolls_nobody() {
    let door = Door::default();
    let other = EnrollmentId::device_channel("OTHER").unwrap();
    let identity = Identity::new(fingerprint(1), Standing::InForce).bound_to(Some(&other));
    assert_eq!(Enrollment::begin(&DEVICE.authenticate(), &door.with(identity), NOW).unwrap_err(), Error::IdentityOfAnother);
    let own = DEVICE.id();
    let identity = Identity::new(fingerprint(1), Standing::InForce).bound_to(Some(&own));
    assert!(Enrollment::begin(&DEVICE.authenticate(), &door.with(identity), NOW).is_ok());
}

#[test]
fn a_renewed_certificate_is_bound_when_it_is_first_used() {
    let door = Door::default();
    let announced = enrolled().announce_identity(fingerprint(2), NOW).unwrap().record;
    assert_eq!(announced.announce_identity(fingerprint(2), NOW), None);
    assert_eq!(announced.announce_identity(fingerprint(1), NOW), None);
    let old = announced.receive(&DEVICE.token_update(1), &door.by(1), NOW).unwrap();
    assert_eq!(old.enrollment.record.identity(), Some(fingerprint(1)), "the old one still speaks");
    let new = announced.receive(&DEVICE.token_update(1), &door.by(2), NOW).unwrap();
    let record = &new.enrollment.record;
    assert_eq!((record.identity(), record.announced_identities()), (Some(fingerprint(2)), &[][..]));
    assert_eq!(new.enrollment.effects, [Effect::ReleaseIdentity(fingerprint(1))]);
    assert_eq!(new.enrollment.record.receive(&DEVICE.token_update(1), &door.by(1), NOW).unwrap_err(), Error::OtherIdentity);
    let twice = announced.announce_identity(fingerprint(3), NOW).unwrap();
    assert_eq!(twice.effects, [], "nobody knows which of the two answers reached the device");
    for (speaks, released, left) in [(2, vec![1], vec![3]), (3, vec![1, 2], vec![])] {
        let bound = twice.record.receive(&DEVICE.token_update(1), &door.by(speaks), NOW).unwrap().enrollment;
        let released: Vec<_> = released.into_iter().map(|seed| Effect::ReleaseIdentity(fingerprint(seed))).collect();
        assert_eq!(bound.effects, released, "what {speaks} has overtaken");
        assert_eq!(bound.record.announced_identities(), left.into_iter().map(fingerprint).collect::<Vec<_>>());
    }
    let mut many = twice.record;
    for seed in 4..=5 {
        many = many.announce_identity(fingerprint(seed), NOW).unwrap().record;
    }
    let more = many.announce_identity(fingerprint(6), NOW).unwrap();
    assert_eq!(more.effects, [Effect::ReleaseIdentity(fingerprint(2))], "four at most");
}

#[test]
fn an_unannounced_certificate_is_bound_by_policy_only() {
    let policy = Policy { unannounced_identity: UnannouncedIdentity::Bind, ..Policy::default() };
    let lenient = Door { policy, ..Door::default() };
    let bound = enrolled().receive(&DEVICE.token_update(1), &lenient.by(2), NOW).unwrap();
    assert_eq!(bound.enrollment.record.identity(), Some(fingerprint(2)));
    let other = EnrollmentId::device_channel("OTHER").unwrap();
    let identity = Identity::new(fingerprint(3), Standing::InForce).bound_to(Some(&other));
    let refused = enrolled().receive(&DEVICE.token_update(1), &lenient.with(identity), NOW);
    assert_eq!(refused.unwrap_err(), Error::IdentityOfAnother);
}

fn with_secrets() -> Enrollment {
    let update = TokenUpdate { unlock_token: Some("unlock".into()), awaiting_configuration: Some(true), ..DEVICE.update(1) };
    let record = receive(&enrolled(), update.into()).enrollment.record;
    let set =
        SetBootstrapToken { udid: Some("D".into()), bootstrap_token: Some("bootstrap".into()), ..SetBootstrapToken::default() };
    receive(&record, set.into()).enrollment.record
}

#[test]
fn a_reset_leaves_nothing_behind() {
    let door = Door::default();
    let reset = with_secrets().receive(&DEVICE.authenticate(), &door.by(2), NOW).unwrap();
    let record = &reset.enrollment.record;
    assert_eq!((record.state(), record.generation(), record.token_updates()), (State::Authenticated, 2, 0));
    assert_eq!((record.binding(), record.unlock_token(), record.bootstrap_token()), (None, None, None));
    assert!(!record.awaiting_configuration());
    assert_eq!(record.identity(), Some(fingerprint(2)));
    assert_eq!(
        reset.enrollment.effects,
        [
            Effect::ClearQueue { enrollment: DEVICE.id(), generation: 1 },
            Effect::DisableUserChannels { device: DEVICE.id(), generation: 1 },
            Effect::ReleaseIdentity(fingerprint(1)),
        ]
    );
}

#[test]
fn a_renewal_by_profile_keeps_everything() {
    let door = Door::default();
    let announced = with_secrets().announce_identity(fingerprint(2), NOW).unwrap().record;
    let renewed = announced.receive(&DEVICE.authenticate(), &door.by(2), NOW).unwrap();
    assert_eq!(renewed.enrollment.effects, [Effect::ReleaseIdentity(fingerprint(1))]);
    let record = &renewed.enrollment.record;
    assert_eq!((record.state(), record.generation()), (State::Enrolled, 1));
    assert!(record.bootstrap_token().is_some() && record.unlock_token().is_some() && record.binding().is_some());

    let told = |reenrollment| Door { policy: Policy { reenrollment, ..Policy::default() }, ..Door::default() };
    let kept = with_secrets().receive(&DEVICE.authenticate(), &told(Reenrollment::Renew).by(3), NOW).unwrap().enrollment.record;
    assert!(kept.bootstrap_token().is_some() && kept.identity() == Some(fingerprint(3)));
    let gone = announced.receive(&DEVICE.authenticate(), &told(Reenrollment::Reset).by(2), NOW).unwrap().enrollment.record;
    assert_eq!((gone.bootstrap_token(), gone.generation()), (None, 2));
}

#[test]
fn an_expected_renewal_keeps_everything_unless_the_device_was_erased() {
    let door = Door::default();
    let expecting = with_secrets().expect_renewal(NOW.plus_seconds(60), NOW).unwrap().record;
    let configured = TokenUpdate { awaiting_configuration: Some(false), ..DEVICE.update(1) };
    let expecting = receive(&expecting, configured.into()).enrollment.record;
    let late = expecting.receive(&DEVICE.authenticate(), &door.by(2), NOW.plus_seconds(61)).unwrap().enrollment.record;
    assert_eq!((late.generation(), late.bootstrap_token()), (2, None));
    let renewed = expecting.receive(&DEVICE.authenticate(), &door.by(2), NOW).unwrap().enrollment.record;
    assert!(renewed.generation() == 1 && renewed.bootstrap_token().is_some());

    let went_on = renewed.receive(&DEVICE.token_update(2), &door.by(2), NOW).unwrap().enrollment.record;
    assert!(went_on.generation() == 1 && went_on.bootstrap_token().is_some());
    let setup = TokenUpdate { awaiting_configuration: Some(true), ..DEVICE.update(2) };
    let erased = renewed.receive(&setup.clone().into(), &door.by(2), NOW).unwrap();
    assert_eq!((erased.enrollment.record.state(), erased.enrollment.record.generation()), (State::Enrolled, 2));
    assert_eq!((erased.enrollment.record.bootstrap_token(), erased.enrollment.record.unlock_token()), (None, None));
    assert_eq!(
        erased.enrollment.effects,
        [
            Effect::ClearQueue { enrollment: DEVICE.id(), generation: 1 },
            Effect::DisableUserChannels { device: DEVICE.id(), generation: 1 },
            Effect::FinishSetup,
        ]
    );
    let again = went_on.receive(&setup.into(), &door.by(2), NOW).unwrap().enrollment.record;
    assert_eq!(again.generation(), 1, "only right behind the Authenticate");
    assert_eq!(user_on(&enrolled()).expect_renewal(NOW, NOW), None);
}

#[test]
fn a_device_that_leaves_takes_its_users_and_secrets_along() {
    let left = receive(&with_secrets(), DEVICE.check_out());
    let record = &left.enrollment.record;
    assert_eq!((record.state(), record.binding(), record.identity()), (State::CheckedOut, None, None));
    assert_eq!((record.unlock_token(), record.bootstrap_token()), (None, None));
    assert_eq!(
        left.enrollment.effects,
        [
            Effect::ClearQueue { enrollment: DEVICE.id(), generation: 1 },
            Effect::DisableUserChannels { device: DEVICE.id(), generation: 1 },
            Effect::ReleaseIdentity(fingerprint(1)),
        ]
    );
    assert_eq!(receive(record, DEVICE.check_out()).enrollment.events, [], "said twice");
    let refusal = record.receive(&DEVICE.token_update(1), &Door::default().by(1), NOW).unwrap_err();
    assert_eq!(refusal.reply(Strangers::TurnAway), Reply::BadRequest);
    assert_eq!(refusal.reply(Strangers::Unenroll), Reply::Unrecognized);
    let back = record.receive(&DEVICE.authenticate(), &Door::default().by(2), NOW).unwrap();
    assert_eq!(
        (back.enrollment.record.state(), back.enrollment.record.generation(), back.enrollment.effects),
        (State::Authenticated, 2, vec![])
    );
}

#[test]
fn a_user_channel_lives_on_its_device() {
    let door = Door::default();
    let device = enrolled();
    let user = user_on(&device);
    assert_eq!((user.state(), user.identity(), user.generation()), (State::Enrolled, None, 1));
    assert_eq!(user.binding().unwrap().enrollment(), &USER.id());

    let alone = Enrollment::begin(&USER.token_update(2), &door.by(1), NOW);
    assert_eq!(alone.unwrap_err(), Error::NotEnrolled);
    let stranger = Enrollment::begin(&USER.token_update(2), &door.by(2).on_device(Some(&device)), NOW);
    assert_eq!(stranger.unwrap_err(), Error::OtherIdentity);
    let elsewhere = Speaker { udid: "E", user: Some("U") };
    let wrong = Enrollment::begin(&elsewhere.token_update(2), &door.by(1).on_device(Some(&device)), NOW);
    assert_eq!(wrong.unwrap_err(), Error::OtherEnrollment);

    let out = user.receive(&USER.check_out(), &door.by(1).on_device(Some(&device)), NOW).unwrap();
    assert_eq!(out.enrollment.record.state(), State::CheckedOut);
    assert_eq!(out.enrollment.effects, [Effect::ClearQueue { enrollment: USER.id(), generation: 1 }]);
    let back = out.enrollment.record.receive(&USER.token_update(2), &door.by(1).on_device(Some(&device)), NOW).unwrap();
    assert_eq!(
        (back.enrollment.record.state(), back.enrollment.record.token_updates(), back.enrollment.record.generation()),
        (State::Enrolled, 1, 2)
    );
    assert_eq!(back.enrollment.record.disable_with_device(0, NOW), None, "an effect that comes late ends nothing new");
    assert!(back.enrollment.record.disable_with_device(1, NOW).is_some());
}

#[test]
fn a_user_channel_of_before_the_reset_is_not_served_even_if_the_host_forgot_it() {
    let door = Door::default();
    let user = user_on(&enrolled());
    let reset = enrolled().receive(&DEVICE.authenticate(), &door.by(2), NOW).unwrap().enrollment.record;
    let anew = reset.receive(&DEVICE.token_update(1), &door.by(2), NOW).unwrap().enrollment.record;
    for device in [&reset, &anew] {
        let contact = door.by(2).on_device(Some(device));
        let idle = user.report(&USER.report(Status::IDLE, None), None, &contact, NOW);
        assert_eq!(idle.unwrap_err(), Error::NotEnrolled);
    }
    let back = user.receive(&USER.token_update(2), &door.by(2).on_device(Some(&anew)), NOW).unwrap().enrollment.record;
    assert_eq!((back.device_generation(), back.token_updates()), (Some(2), 1));
    assert_eq!((back.disable_with_device(1, NOW), anew.disable_with_device(u32::MAX, NOW)), (None, None));
    let disabled = user.disable(NOW).unwrap();
    assert_eq!((disabled.record.state(), disabled.record.disable(NOW)), (State::Disabled, None));
}

#[test]
fn messages_on_the_wrong_kind_of_channel_are_refused() {
    let door = Door::default();
    let device = enrolled();
    let user = user_on(&device);
    let contact = door.by(1).on_device(Some(&device));
    let on = |speaker: Speaker| (Some(speaker.udid.to_owned()), speaker.user.map(str::to_owned));
    let (udid, user_id) = on(USER);
    let get = GetBootstrapToken { udid: udid.clone(), user_id: user_id.clone(), ..GetBootstrapToken::default() };
    let set = SetBootstrapToken { udid, user_id, ..SetBootstrapToken::default() };
    for message in [USER.authenticate(), get.into(), set.into()] {
        assert_eq!(user.receive(&message, &contact, NOW).unwrap_err(), Error::NotForChannel);
    }
    let (udid, user_id) = on(DEVICE);
    let login = UserAuthenticate { udid, user_id, ..UserAuthenticate::default() };
    assert_eq!(device.receive(&login.into(), &contact, NOW).unwrap_err(), Error::NotForChannel);
    assert_eq!(device.receive(&USER.token_update(1), &contact, NOW).unwrap_err(), Error::OtherEnrollment);
}

#[test]
fn the_bootstrap_token_is_kept_returned_and_removed() {
    let get = || CheckIn::from(GetBootstrapToken { udid: Some("D".into()), ..GetBootstrapToken::default() });
    let set = |token: Option<&str>| {
        let bootstrap_token = token.map(Secret::from);
        CheckIn::from(SetBootstrapToken { udid: Some("D".into()), bootstrap_token, ..SetBootstrapToken::default() })
    };
    let record = enrolled();
    assert_eq!(receive(&record, get()).reply, Reply::Empty, "none is no error");
    let kept = receive(&record, set(Some("boot"))).enrollment.record;
    let Reply::Body(body) = receive(&kept, get()).reply else { panic!() };
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains("<key>BootstrapToken</key>") && text.contains("Ym9vdA=="), "{text}");
    assert_eq!(receive(&kept, set(Some("boot"))).enrollment.events, []);
    for gone in [None, Some("")] {
        assert_eq!(receive(&kept, set(gone)).enrollment.record.bootstrap_token(), None);
    }
}

#[test]
fn a_network_user_is_answered_as_the_host_has_chosen() {
    let device = enrolled();
    let login = UserAuthenticate { udid: Some("D".into()), user_id: Some("N".into()), ..UserAuthenticate::default() };
    let reply = |user_authentication| {
        let door = Door { policy: Policy { user_authentication, ..Policy::default() }, ..Door::default() };
        let outcome = Enrollment::begin(&login.clone().into(), &door.by(1).on_device(Some(&device)), NOW).unwrap();
        assert_eq!((outcome.enrollment.events, &outcome.enrollment.record), (vec![], &device));
        outcome.reply
    };
    assert_eq!(reply(UserAuthentication::NotManaged).status(), 410);
    assert_eq!(reply(UserAuthentication::Host), Reply::Host);
    let Reply::Body(body) = reply(UserAuthentication::NoPassword) else { panic!() };
    assert!(String::from_utf8(body).unwrap().contains("DigestChallenge"));
}

#[test]
fn what_only_the_host_can_answer_is_admitted_first() {
    let ddm = CheckIn::from_value(
        crate::plist::Dictionary::from_iter([("MessageType", "DeclarativeManagement"), ("UDID", "D")]).into(),
    )
    .unwrap();
    assert_eq!(receive(&enrolled(), ddm.clone()).reply, Reply::Host);
    assert_eq!(enrolled().receive(&ddm, &Door::default().by(2), NOW).unwrap_err(), Error::OtherIdentity);
    assert_eq!(Enrollment::begin(&ddm, &Door::default().by(1), NOW).unwrap_err(), Error::NotEnrolled);
}

#[test]
fn no_reply_is_401_and_only_one_ends_an_enrollment() {
    let (body, media) = Reply::Unrecognized.into_body();
    assert_eq!(body.as_ref(), br#"{"code":"com.apple.unrecognized.device"}"#);
    assert_eq!(media, Some("application/json"));
    for reply in [Reply::Empty, Reply::Host, Reply::BadRequest, Reply::Forbidden, Reply::Gone] {
        assert_ne!(reply.status(), 401);
        assert_eq!(reply.into_body(), (std::borrow::Cow::Borrowed(&[][..]), None));
    }
    assert_eq!(Reply::Body(b"x".to_vec()).into_body().1, Some("application/xml"));
}

#[test]
fn an_enrollment_of_another_server_goes_on_here() {
    let door = Door::default();
    let address = |topic: &str| Address::new(topic, &[5; 32], &"M".into()).unwrap();
    let migrant = Migrant {
        id: DEVICE.id(),
        address: address(TOPIC),
        identity: None,
        unlock_token: Some("unlock".into()),
        bootstrap_token: Some("boot".into()),
    };
    let update = TokenUpdate { unlock_token: Some("unlock".into()), token: Some(vec![5; 32].into()), ..DEVICE.update(5) };
    let stored = Migrant::from_token_update(&TokenUpdate { push_magic: Some("M".into()), ..update }).unwrap();
    assert_eq!(Migrant { bootstrap_token: Some("boot".into()), ..stored }, migrant);
    let taken = Enrollment::migrate(migrant.clone(), &door.by(0), NOW).unwrap();
    let record = &taken.record;
    assert_eq!((record.state(), record.token_updates()), (State::Enrolled, 1));
    assert!(record.unlock_token().is_some() && record.bootstrap_token().is_some());
    let first = receive(record, DEVICE.token_update(5)).enrollment.record;
    assert_eq!(first.identity(), Some(fingerprint(1)), "the first identity that proves itself");
    assert_eq!(first.receive(&DEVICE.token_update(5), &door.by(2), NOW).unwrap_err(), Error::OtherIdentity);

    let known = Migrant { identity: Some(fingerprint(7)), ..migrant.clone() };
    let record = Enrollment::migrate(known, &door.by(0), NOW).unwrap().record;
    assert_eq!(record.receive(&DEVICE.token_update(5), &door.by(1), NOW).unwrap_err(), Error::OtherIdentity);

    let stranded = Migrant { address: address("com.apple.mgmt.External.b"), ..migrant };
    assert_eq!(Enrollment::migrate(stranded, &door.by(0), NOW).unwrap_err(), Error::OtherTopic);
}

#[test]
fn a_dead_address_is_dropped_and_a_new_token_revives() {
    let record = enrolled();
    let binding = record.binding().unwrap();
    let uids = [(Tag::UTF8_STRING, TOPIC.as_bytes())];
    let certificate = Sketch { uids: &uids, ..Sketch::default() }.adopt("a");
    let wake = binding.wake(&certificate, NOW).unwrap();
    let response =
        http::Response::builder().status(410).body(br#"{"reason":"Unregistered","timestamp":1990000000000}"#.to_vec()).unwrap();
    let verdict = binding.answered(&wake, &Answer::read(&response), &push::RetryPolicy::default(), 1, NOW);
    let push::Verdict::Retire(proof) = verdict else { panic!("{verdict:?}") };

    let retired = record.retire(&proof, NOW).unwrap().record;
    assert_eq!((retired.state(), retired.binding()), (State::Retired, None));
    assert_eq!(retired.retire(&proof, NOW), None);
    assert_eq!(retired.identity(), Some(fingerprint(1)));
    let revived = receive(&retired, DEVICE.token_update(1));
    assert_eq!(
        (revived.enrollment.record.state(), revived.enrollment.effects),
        (State::Enrolled, vec![Effect::Wake { at: NOW }])
    );
    let moved = receive(&record, DEVICE.token_update(8)).enrollment.record;
    assert_eq!(moved.retire(&proof, NOW), None, "the proof is about the address before");
}

#[test]
fn the_stored_form_does_not_move() {
    let text = serde_json::to_string(&enrolled()).unwrap();
    let stable = concat!(
        r#"{"format":1,"id":{"kind":"Device","device":"D","user":null},"tenant":"a","state":"Enrolled","generation":1,"device_generation":null,"#,
        r#""topic":"com.apple.mgmt.External.a","identity":"0101010101010101010101010101010101010101010101010101010101010101","#,
        r#""announced":[],"renewal_expected":null,"renewing":false,"binding":{"format":1,"enrollment":{"kind":"Device","device":"D","user":null},"tenant":"a","#,
        r#""topic":"com.apple.mgmt.External.a","token":"0101010101010101010101010101010101010101010101010101010101010101","#,
        r#""magic":"TUFHSUM=","since":1790000000},"unlock_token":null,"bootstrap_token":null,"awaiting_configuration":false,"#,
        r#""token_updates":1,"began":1790000000,"last_seen":1790000000,"last_exchange":"Idle","revision":2}"#
    );
    assert_eq!(text, stable);
    assert_eq!(serde_json::from_str::<Enrollment>(&text).unwrap(), enrolled());
    assert!(serde_json::from_str::<Enrollment>(&text.replacen("\"format\":1", "\"format\":9", 1)).is_err());
    assert!(serde_json::from_str::<Enrollment>(&text.replace("0101\",\"announced", "01\",\"announced")).is_err());
}

#[test]
fn a_fingerprint_reads_what_it_shows_and_nothing_else() {
    let text = fingerprint(0xA5).to_string();
    assert_eq!(text.parse(), Ok(fingerprint(0xA5)));
    for bad in ["", "a5", &text[1..], &text.replace('5', "g"), &format!("{text}00")] {
        assert_eq!(bad.parse::<Fingerprint>(), Err(ParseFingerprintError), "{bad}");
    }
}
