//! Which deliveries are believed.

use mdm_core::external::{Error, Trust};
use mdm_core::x509::{self, Certificate, Refusal, Validity};

use crate::world::{NOW, validity, world};

fn accept(delivered: &[Certificate]) -> Result<Certificate, Error> {
    let world = world();
    world.trust().expecting(&world.csr, NOW, &world.provider).accept(delivered).map(|issued| issued.certificate().clone())
}

#[test]
fn the_certificate_for_our_key_is_found_wherever_it_stands() {
    let world = world();
    let (device, authority, root) = (world.device.clone(), world.authority.clone(), world.root.clone());
    for delivered in [
        vec![device.clone(), authority.clone()],
        vec![root.clone(), authority.clone(), device.clone()],
        vec![authority.clone(), device.clone()],
    ] {
        assert_eq!(accept(&delivered), Ok(device.clone()));
    }
    let issued = world.issued();
    assert_eq!(issued.chain(), [authority.clone(), root]);
    let with_intermediate = world.trust().with_intermediates(vec![authority]);
    assert!(with_intermediate.expecting(&world.csr, NOW, &world.provider).accept(&[device]).is_ok(), "delivered alone");
}

#[test]
fn what_is_not_ours_is_refused() {
    let world = world();
    let (device, authority) = (world.device.clone(), world.authority.clone());
    assert_eq!(accept(&[]), Err(Error::OtherKey));
    assert_eq!(accept(std::slice::from_ref(&authority)), Err(Error::OtherKey));
    let other = world.trust().expecting(&world.other_csr, NOW, &world.provider).accept(&[device.clone(), authority.clone()]);
    assert_eq!(other, Err(Error::OtherKey));
    let forged = accept(&[world.forged.clone(), authority.clone()]);
    assert_eq!(forged, Err(Error::Untrusted(x509::Error::Refused(Refusal::NoPath))));
    assert_eq!(accept(std::slice::from_ref(&device)), Err(Error::Untrusted(x509::Error::Refused(Refusal::NoPath))));
    let authority_for_us = world.issue(validity(), true);
    assert_eq!(accept(&[authority_for_us, authority.clone()]), Err(Error::WantsAuthority));
    assert!(matches!(accept(&vec![authority; 17]), Err(Error::Unreadable(_))));
}

#[test]
fn the_clock_of_an_authority_may_be_ahead_a_little() {
    let world = world();
    let from = |seconds| Validity { not_before: NOW.plus_seconds(seconds), not_after: NOW.plus_days(1) };
    let delivered = |validity| [world.issue(validity, false), world.authority.clone()];
    assert!(accept(&delivered(from(300))).is_ok());
    assert_eq!(accept(&delivered(from(301))), Err(Error::Untrusted(x509::Error::Refused(Refusal::NotYetValid))));
    let over = Validity { not_before: NOW.plus_days(-2), not_after: NOW.plus_seconds(-1) };
    assert_eq!(accept(&delivered(over)), Err(Error::Untrusted(x509::Error::Refused(Refusal::Expired))));
}

#[test]
fn a_pin_is_an_authority() {
    let world = world();
    assert!(matches!(Trust::new(Vec::new()), Err(Error::Misuse(_))));
    assert!(matches!(Trust::new(vec![world.device.clone()]), Err(Error::Misuse(_))));
}

#[test]
fn both_encodings_are_read_and_damage_is_not() {
    let world = world();
    let trust = world.trust().with_intermediates(vec![world.authority.clone()]);
    let read = |octets: &[u8]| trust.expecting(&world.csr, NOW, &world.provider).accept_encoded(octets);
    assert!(read(world.chain_pem().as_bytes()).is_ok());
    assert!(read(world.device.as_der()).is_ok());
    let der = world.device.as_der();
    for end in 0..der.len() {
        assert!(matches!(read(&der[..end]), Err(Error::Unreadable(_))), "{end}");
    }
    for octets in [&b""[..], b"<html>", b"-----BEGIN CERTIFICATE-----\nMIIB\n", &[0x30; 300 << 10]] {
        assert!(matches!(read(octets), Err(Error::Unreadable(_))));
    }
}
