//! Who is entitled to a first certificate.

use mdm_core::record::Record;
use mdm_core::scep::{BoundChallenge, Challenge, ChallengeKey, Error, OneTimeChallenge, Peer, PkcsReq, Transaction};
use mdm_core::secret::Secret;

use crate::server::pkcs_req;
use crate::world::{CHALLENGE, NOW, World, csr, octets, printable, world};

/// A request of the device with this challenge, in this transaction.
fn request(world: &World, challenge: &str, transaction: &str) -> PkcsReq {
    let csr = csr(&world.provider, &world.device_key, Some(challenge));
    let message = world.message(19).content(Some(world.seal(csr.as_der()))).with(7, printable(7, transaction));
    pkcs_req(world, &message.sign())
}

fn is_accepted(request: PkcsReq, challenge: Challenge<'_>) -> bool {
    match request.authorize(challenge) {
        Ok(_) => true,
        Err(refused) => {
            assert_eq!(refused.error(), &Error::Challenge);
            false
        }
    }
}

#[test]
fn a_challenge_that_was_never_configured_accepts_nobody() {
    let world = world();
    let empty = Secret::default();
    assert!(!is_accepted(request(world, CHALLENGE, "a"), Challenge::Fixed(&empty)));
    let silent = csr(&world.provider, &world.device_key, None);
    let body = world.message(19).content(Some(world.seal(silent.as_der()))).sign();
    assert!(!is_accepted(pkcs_req(world, &body), Challenge::Fixed(&empty)));
}

#[test]
fn a_one_time_challenge_is_good_for_one_transaction() {
    let world = world();
    let (issued, challenge) = OneTimeChallenge::issue(NOW.plus_seconds(60), &world.provider).unwrap();
    let (record, challenge) = (&issued.record, challenge.expose_str().unwrap());
    let (first, second) = (|| request(world, challenge, "first"), || request(world, challenge, "second"));
    let (one, two) = (first().transaction(), second().transaction());
    assert!(!is_accepted(first(), Challenge::OneTime(record)), "not without a reservation");

    let first_reserved = record.reserve(&one, NOW).unwrap();
    let reserved = &first_reserved.record;
    assert_eq!(reserved.revision(), record.revision().next());
    assert!(is_accepted(first(), Challenge::OneTime(reserved)));
    assert!(!is_accepted(second(), Challenge::OneTime(reserved)), "another transaction");
    assert!(!is_accepted(request(world, "guess", "first"), Challenge::OneTime(reserved)), "another challenge");
    assert_eq!(reserved.reserve(&two, NOW), Err(Error::Challenge));
    let repeated = reserved.reserve(&one, NOW.plus_days(1)).unwrap();
    assert!(repeated.is_empty() && repeated.record == *reserved, "a repeated request");

    let given_back = reserved.give_back(&one).unwrap();
    assert!(!is_accepted(first(), Challenge::OneTime(&given_back.record)));
    let second_reserved = given_back.record.reserve(&two, NOW).unwrap();
    let reserved = &second_reserved.record;
    assert!(is_accepted(second(), Challenge::OneTime(reserved)));

    let spent = reserved.spend(&two).unwrap();
    assert!(!is_accepted(second(), Challenge::OneTime(&spent.record)));
    assert_eq!(spent.record.reserve(&two, NOW), Err(Error::Challenge));
    for record in [&spent.record, record, reserved] {
        assert!(matches!(record.spend(&one), Err(Error::Misuse(_))));
        assert!(matches!(record.give_back(&one), Err(Error::Misuse(_))));
    }
    assert!(spent.record.is_spent_by(&two) && !spent.record.is_spent_by(&one) && !reserved.is_spent_by(&two));
    let stored = serde_json::to_string(&spent.record).unwrap();
    assert!(!stored.contains(challenge), "a digest is stored, not the challenge");
    assert_eq!(serde_json::from_str::<OneTimeChallenge>(&stored).unwrap(), spent.record);

    let changes = [&issued, &first_reserved, &given_back, &second_reserved, &spent];
    let events: Vec<_> = changes.iter().flat_map(|change| &change.events).cloned().collect();
    assert_eq!(OneTimeChallenge::replay(&events).as_ref(), Ok(&spent.record));
    assert!(OneTimeChallenge::replay(&events[1..]).is_err(), "the first event is missing");
    let mut unreserved = issued.record.clone();
    let mut early = spent.events[0].clone();
    early.revision = unreserved.revision().next();
    assert!(unreserved.apply(&early).is_err(), "what is not reserved is not spent");
    assert_eq!(unreserved, issued.record);
}

#[test]
fn a_challenge_of_another_server_is_good_once_here_too() {
    let world = world();
    let challenge = Secret::from("8CE317021F690069");
    let adopted = OneTimeChallenge::adopt(&challenge, NOW.plus_seconds(60), &world.provider);
    assert_eq!(adopted.record.lookup_key(), OneTimeChallenge::lookup_key_of(&challenge, &world.provider));
    let first = || request(world, "8CE317021F690069", "first");
    let reserved = adopted.record.reserve(&first().transaction(), NOW).unwrap().record;
    assert!(is_accepted(first(), Challenge::OneTime(&reserved)));
    assert!(!is_accepted(request(world, "8CE317021F690069", "second"), Challenge::OneTime(&reserved)));
}

#[test]
fn a_one_time_challenge_expires_unused() {
    let world = world();
    let (record, _) = OneTimeChallenge::issue(NOW, &world.provider).unwrap();
    let transaction: Transaction = request(world, "x", "a").transaction();
    let record = record.record;
    assert_eq!(record.expires(), NOW);
    assert!(record.reserve(&transaction, NOW.plus_seconds(-1)).is_ok());
    assert_eq!(record.reserve(&transaction, NOW), Err(Error::Challenge));
}

#[test]
fn a_stolen_transaction_name_does_not_get_the_reservation() {
    let world = world();
    let (record, challenge) = OneTimeChallenge::issue(NOW.plus_days(1), &world.provider).unwrap();
    let csr = csr(&world.provider, &world.stranger_key, challenge.expose_str());
    let mut message = world.message(19).content(Some(world.seal(csr.as_der()))).with(7, printable(7, "first"));
    (message.signer, message.key) = (world.stranger.clone(), &world.stranger_key);
    message.certificates = vec![world.stranger.as_der().to_vec()];
    let device = request(world, challenge.expose_str().unwrap(), "first");
    let reserved = record.record.reserve(&device.transaction(), NOW).unwrap().record;
    assert!(!is_accepted(pkcs_req(world, &message.sign()), Challenge::OneTime(&reserved)));
}

#[test]
fn a_bound_challenge_is_good_for_its_device_until_it_expires() {
    let world = world();
    let key = ChallengeKey::new(Secret::from("a key of the host's own choosing")).unwrap();
    let challenge = key.issue("C02XYZ", NOW.plus_seconds(60), &world.provider);
    let text = challenge.expose_str().unwrap();
    assert_eq!(text.len(), 49);
    let holds = |text: &str, key: &ChallengeKey, binding: &str, now| {
        is_accepted(request(world, text, "a"), Challenge::Bound(&BoundChallenge { key, binding, now }))
    };
    assert!(holds(text, &key, "C02XYZ", NOW));
    assert!(holds(text, &key, "C02XYZ", NOW.plus_seconds(59)));
    assert!(!holds(text, &key, "C02XYZ", NOW.plus_seconds(60)));
    assert!(!holds(text, &key, "C02XYy", NOW));
    let other = ChallengeKey::new(Secret::from("another key of 16 octets or more")).unwrap();
    assert!(!holds(text, &other, "C02XYZ", NOW));
    let later = key.issue("C02XYZ", NOW.plus_days(9), &world.provider);
    let forged = format!("{}{}", &later.expose_str().unwrap()[..17], &text[17..]);
    for bad in ["-", "x", &text[..48], &text[1..], &forged, &text.replace('-', "_")] {
        assert!(!holds(bad, &key, "C02XYZ", NOW), "{bad}");
    }
    assert!(matches!(ChallengeKey::new(Secret::from("fifteen octets!")), Err(Error::Misuse(_))));
}

#[test]
fn the_host_may_decide_with_the_request_in_hand() {
    let world = world();
    let request = request(world, "a word that a webhook knows", "a");
    assert_eq!(request.challenge(), Some(&Secret::from("a word that a webhook knows")));
    assert!(is_accepted(request, Challenge::AcceptedByHost));
    let body = world.message(19).with(5, octets(5, &[1; 16])).sign();
    assert!(mdm_core::scep::Received::parse(&body, &Peer::default(), &world.provider).is_ok());
}
