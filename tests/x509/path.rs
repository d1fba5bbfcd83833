//! Paths to a trusted certificate.

use mdm_core::crypto::{Legacy, SoftwareKey};
use mdm_core::x509::{
    Certificate, CertificateTemplate, Error, ExtendedKeyUsage, Extensions, KeyUsage, PathRules, Refusal, Validity, oid,
    verify_path,
};

use crate::support::*;

fn verify(leaf: &Certificate, intermediates: &[Certificate], anchors: &[Certificate]) -> Result<usize, Error> {
    verify_path(leaf, intermediates, anchors, &PathRules::at(now()), &provider()).map(|path| {
        assert_eq!((path.first(), path.last().map(|last| anchors.contains(last))), (Some(leaf), Some(true)));
        path.len()
    })
}

fn refusal(outcome: Result<usize, Error>) -> Refusal {
    match outcome {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// A root, an intermediate under it, a leaf under that; the intermediate and the leaf as the caller changes them.
fn three(
    change: impl FnOnce(&mut CertificateTemplate),
    change_leaf: impl FnOnce(&mut CertificateTemplate),
) -> [Certificate; 3] {
    let (root_key, middle_key) = (new_key(), new_key());
    let mut middle = CertificateTemplate { extensions: authority(Some(0)), ..template("Middle", "Root", &middle_key) };
    change(&mut middle);
    let mut leaf = template("Leaf", "Middle", &KEY);
    change_leaf(&mut leaf);
    [root("Root", &root_key), sign(&middle, &root_key), sign(&leaf, &middle_key)]
}

#[test]
fn a_path_over_an_intermediate_holds() {
    let [root, middle, leaf] = three(|_| {}, |_| {});
    let strangers = [super::support::root("Middle", &new_key()), super::support::root("Root", &new_key())];
    let offered = [strangers.to_vec(), vec![middle.clone()]].concat();
    assert_eq!(verify(&leaf, &offered, std::slice::from_ref(&root)), Ok(3));
    assert_eq!(verify(&leaf, &[], std::slice::from_ref(&middle)), Ok(2));
    assert_eq!(verify(&leaf, &[], std::slice::from_ref(&leaf)), Ok(1));
    assert_eq!(refusal(verify(&leaf, &[], std::slice::from_ref(&root))), Refusal::NoPath);
    assert_eq!(refusal(verify(&leaf, &offered, &[])), Refusal::NoPath);
}

#[test]
fn the_name_of_an_authority_without_its_key_leads_nowhere() {
    let [root, ..] = three(|_| {}, |_| {});
    let impostor = new_key();
    let forged = sign(&template("Leaf", "Root", &KEY), &impostor);
    assert_eq!(refusal(verify(&forged, &[], std::slice::from_ref(&root))), Refusal::NoPath);
    assert_eq!(refusal(verify(&forged, &[super::support::root("Root", &impostor)], &[root])), Refusal::NoPath);
}

#[test]
fn the_renewed_certificate_of_an_authority_carries_what_was_issued_before() {
    let key = new_key();
    let leaf = sign(&template("Leaf", "Root", &KEY), &key);
    let renewed = Validity { not_before: now(), not_after: now().plus_days(3650) };
    let expired = Validity { not_before: moment("2020-01-01T00:00:00Z"), not_after: moment("2021-01-01T00:00:00Z") };
    let with = |validity| {
        sign(
            &CertificateTemplate { validity, serial: serial(2), extensions: authority(None), ..template("Root", "Root", &key) },
            &key,
        )
    };
    assert_eq!(verify(&leaf, &[], &[with(expired), with(renewed)]), Ok(2));
    assert_eq!(refusal(verify(&leaf, &[], &[with(expired)])), Refusal::Expired);
}

#[test]
fn cross_certificates_lead_from_the_old_key_to_the_new_and_back() {
    let (old, new) = (new_key(), new_key());
    let cross = |subject: &SoftwareKey, issuer: &SoftwareKey| {
        sign(&CertificateTemplate { extensions: authority(None), ..template("Root", "Root", subject) }, issuer)
    };
    let old_leaf = sign(&template("Leaf", "Root", &KEY), &old);
    let new_leaf = sign(&template("Leaf", "Root", &KEY), &new);
    let crosses = [cross(&old, &new), cross(&new, &old)];
    assert_eq!(verify(&old_leaf, &crosses, &[root("Root", &new)]), Ok(3));
    assert_eq!(verify(&new_leaf, &crosses, &[root("Root", &old)]), Ok(3));
}

#[test]
fn an_authority_must_be_one() {
    let [root, middle, leaf] = three(|middle| middle.extensions = Extensions::new(), |_| {});
    assert_eq!(refusal(verify(&leaf, &[middle], &[root])), Refusal::NotAnAuthority);
    let [root, middle, leaf] =
        three(|middle| middle.extensions = middle.extensions.clone().with_raw(oid::KEY_USAGE, true, &[3, 2, 1, 6]), |_| {});
    assert_eq!(verify(&leaf, &[middle], &[root]), Ok(3), "keyCertSign and cRLSign, spelled by hand");
}

#[test]
fn the_path_length_counts_authorities_below() {
    let keys: Vec<SoftwareKey> = (0..10).map(|_| new_key()).collect();
    let level = |index: usize| format!("Level {index}");
    let chain = |length: Option<u32>, levels: usize| {
        let top = CertificateTemplate { extensions: authority(length), ..template("Level 0", "Level 0", &keys[0]) };
        let mut certificates = vec![sign(&top, &keys[0])];
        for index in 1..=levels {
            let mut next = template(&level(index), &level(index - 1), &keys[index]);
            if index < levels {
                next.extensions = authority(None);
            }
            certificates.push(sign(&next, &keys[index - 1]));
        }
        let leaf = certificates.pop().unwrap();
        let anchor = certificates.remove(0);
        verify(&leaf, &certificates, &[anchor])
    };
    assert_eq!(chain(Some(0), 1), Ok(2));
    assert_eq!(refusal(chain(Some(0), 2)), Refusal::PathLength);
    assert_eq!(chain(Some(1), 2), Ok(3));
    assert_eq!(chain(None, 7), Ok(8));
    assert_eq!(refusal(chain(None, 8)), Refusal::PathLength, "longer than any that is believed");
}

#[test]
fn every_certificate_must_be_valid_at_the_moment() {
    let late = Validity { not_before: now().plus_days(1), not_after: now().plus_days(2) };
    let [root, middle, leaf] = three(|middle| middle.validity = late, |_| {});
    assert_eq!(refusal(verify(&leaf, &[middle], &[root])), Refusal::NotYetValid);
    let past = Validity { not_before: now().plus_days(-2), not_after: now().plus_days(-1) };
    let [root, middle, leaf] = three(|_| {}, |leaf| leaf.validity = past);
    assert_eq!(refusal(verify(&leaf, std::slice::from_ref(&middle), std::slice::from_ref(&root))), Refusal::Expired);
    let timeless = PathRules::default();
    assert!(verify_path(&leaf, &[middle], &[root], &timeless, &provider()).is_ok());
    assert!(past.contains(past.not_before) && past.contains(past.not_after) && !past.contains(now()));
}

#[test]
fn unknown_critical_extensions_and_name_constraints_are_refused() {
    let constraints = |critical| {
        // nameConstraints, excludedSubtrees, dNSName "x".
        move |middle: &mut CertificateTemplate| {
            let value = [0x30, 0x07, 0xA1, 0x05, 0x30, 0x03, 0x82, 0x01, b'x'];
            middle.extensions = middle.extensions.clone().with_raw(oid::NAME_CONSTRAINTS, critical, &value);
        }
    };
    let [root, middle, leaf] = three(constraints(true), |_| {});
    assert_eq!(refusal(verify(&leaf, &[middle], &[root])), Refusal::CriticalExtension);
    let [root, middle, leaf] = three(constraints(false), |_| {});
    assert_eq!(verify(&leaf, &[middle], &[root]), Ok(3));
    let odd = |leaf: &mut CertificateTemplate| leaf.extensions = Extensions::new().with_raw(oid::TITLE, true, &[5, 0]);
    let [root, middle, leaf] = three(|_| {}, odd);
    assert_eq!(refusal(verify(&leaf, &[middle], &[root])), Refusal::CriticalExtension);
}

#[test]
fn the_purpose_binds_the_leaf_and_what_is_between() {
    let for_clients = PathRules { purpose: Some(oid::CLIENT_AUTH), ..PathRules::at(now()) };
    let purposes = |purposes: &'static [mdm_core::asn1::Oid<'static>]| {
        move |template: &mut CertificateTemplate| {
            template.extensions = template.extensions.clone().with(&ExtendedKeyUsage::new(purposes));
        }
    };
    let outcome = |[root, middle, leaf]: [Certificate; 3]| {
        verify_path(&leaf, &[middle], &[root], &for_clients, &provider()).map(|path| path.len())
    };
    assert_eq!(outcome(three(|_| {}, |_| {})), Ok(3));
    assert_eq!(outcome(three(purposes(&[oid::ANY_PURPOSE]), purposes(&[oid::SERVER_AUTH, oid::CLIENT_AUTH]))), Ok(3));
    assert_eq!(refusal(outcome(three(|_| {}, purposes(&[oid::SERVER_AUTH])))), Refusal::Purpose);
    assert_eq!(refusal(outcome(three(purposes(&[oid::SERVER_AUTH]), |_| {}))), Refusal::Purpose);
}

#[test]
fn a_crowd_of_the_same_name_costs_a_bounded_number_of_checks() {
    let [root, middle, leaf] = three(|_| {}, |_| {});
    let stranger = new_key();
    let stranger = CertificateTemplate { extensions: authority(None), ..template("Middle", "Middle", &stranger) };
    let crowd: Vec<Certificate> = (1..=80)
        .map(|number| {
            let key = new_key();
            sign(&CertificateTemplate { serial: serial(number), public_key: public(&key).clone(), ..stranger.clone() }, &key)
        })
        .collect();
    let behind = [crowd, vec![middle]].concat();
    assert_eq!(refusal(verify(&leaf, &behind, &[root])), Refusal::TooManyCandidates);
}

#[test]
fn certificates_of_others_hold_and_old_algorithms_need_a_policy() {
    let ca = Certificate::from_pem(include_str!("../data/x509/ca.pem")).unwrap();
    let v1 = Certificate::from_pem(include_str!("../data/x509/v1.pem")).unwrap();
    let sha1 = Certificate::from_pem(include_str!("../data/x509/sha1-2081.pem")).unwrap();
    v1.verify_signature(ca.public_key(), &provider(), Legacy::NONE).unwrap();
    let rules = PathRules::default();
    assert_eq!(verify_path(&v1, &[], std::slice::from_ref(&ca), &rules, &provider()).unwrap(), [v1, ca.clone()]);
    let old = PathRules { legacy: Legacy { sha1: true, ..Legacy::NONE }, ..rules };
    // Its unknown critical extension stands before everything else.
    let refused = verify_path(&sha1, &[], std::slice::from_ref(&ca), &old, &provider()).unwrap_err();
    assert_eq!(refused, Error::Refused(Refusal::CriticalExtension));
    let verify = |legacy| sha1.verify_signature(ca.public_key(), &provider(), legacy);
    assert_eq!(verify(Legacy::NONE), Err(Error::Refused(Refusal::Algorithm)));
    assert_eq!(verify(old.legacy), Ok(()));
    assert!(ca.key_usage().unwrap().contains(KeyUsage::CRL_SIGN));
}
