//! PFX out.

use super::super::encryption::Sealing;
use super::super::pairing::{CertificateBag, KeyBag, pair};
use super::super::{Error, KeyStore, Protection, check_password};
use super::{
    CERTIFICATE_BAG, DATA, ENCRYPTED_DATA, FRIENDLY_NAME, LOCAL_KEY_ID, SHROUDED_KEY_BAG, STATE, X509_CERTIFICATE, mac,
};
use crate::asn1::{Oid, Tag, Writer};
use crate::crypto::{DigestAlgorithm, Provider};
use crate::secret::Secret;
use crate::x509::Certificate;

/// Writes a store: the certificates encrypted in one part, each key encrypted in its bag, and a MAC as strong over both.
pub(in crate::keystore) fn write(
    store: &KeyStore,
    password: &Secret,
    protection: Protection,
    provider: &Provider,
) -> Result<Vec<u8>, Error> {
    check_password(password, protection)?;
    let (keys, certificates) = bags(store, provider);
    if store.state.is_some() && certificates.is_empty() {
        return Err(Error::Misuse("a state is carried beside a certificate, and there is none"));
    }
    let plain = Secret::new(write_certificates(&certificates, store.state.as_ref()));
    let sealed = Sealing::new(password, protection, provider)?.seal(plain.expose(), Tag::context(0), provider)?;
    let shrouded = write_keys(&keys, password, protection, provider)?;
    // PKCS#12 keeps no chains: a reader finds them by names and identifiers, and must find these.
    if pair(keys, certificates, provider) != (store.entries.clone(), store.certificates.clone()) {
        return Err(Error::Misuse(
            "PKCS#12 keeps neither double certificates nor chains in which one certificate did not issue that before it",
        ));
    }
    let safe = Writer::build(|w| {
        w.sequence(|w| {
            content_info(w, ENCRYPTED_DATA, |w| w.raw(&encrypted_data(&sealed)));
            content_info(w, DATA, |w| w.octet_string(&shrouded));
        });
    });
    authenticate(&safe, password, protection, provider)
}

/// EncryptedData, RFC 5652 section 8, around the algorithm and what is encrypted.
fn encrypted_data(sealed: &[u8]) -> Vec<u8> {
    Writer::build_with_capacity(sealed.len().saturating_add(64), |w| {
        w.sequence(|w| {
            w.small_integer(0);
            w.sequence(|w| {
                w.oid(DATA);
                w.raw(sealed);
            });
        });
    })
}

/// PFX: AuthenticatedSafe with a MAC over it.
fn authenticate(safe: &[u8], password: &Secret, protection: Protection, provider: &Provider) -> Result<Vec<u8>, Error> {
    let salt: [u8; 16] = provider.random_bytes()?;
    let algorithm = DigestAlgorithm::Sha256;
    // Printable ASCII as a BMPString, with the zeros of its end.
    let bmp: Vec<u8> = password.expose().iter().chain(&[0]).flat_map(|octet| [0, *octet]).collect();
    let digest = mac(provider, algorithm, Secret::new(bmp).expose(), &salt, protection.iterations, safe);
    Ok(Writer::build_with_capacity(safe.len().saturating_add(256), |w| {
        w.sequence(|w| {
            w.small_integer(3);
            content_info(w, DATA, |w| w.octet_string(safe));
            w.sequence(|w| {
                w.sequence(|w| {
                    // With the NULL that every writer puts there.
                    w.sequence(|w| {
                        w.oid(algorithm.oid());
                        w.null();
                    });
                    w.octet_string(digest.as_ref());
                });
                w.octet_string(&salt);
                w.small_integer(protection.iterations);
            });
        });
    }))
}

/// Keys and certificates as they go into bags: first the certificates of the keys, with their names; each certificate once.
fn bags(store: &KeyStore, provider: &Provider) -> (Vec<KeyBag>, Vec<CertificateBag>) {
    let (mut keys, mut certificates) = (Vec::new(), Vec::<CertificateBag>::new());
    for entry in &store.entries {
        // The identifier that OpenSSL uses.
        let id = entry.chain.first().map(|own| own.fingerprint(provider, DigestAlgorithm::Sha1).as_ref().to_vec());
        if let Some(own) = entry.chain.first() {
            certificates.push(CertificateBag { certificate: own.clone(), name: entry.alias.clone(), id: id.clone() });
        }
        keys.push(KeyBag { key: entry.key.clone(), name: entry.alias.clone(), id });
    }
    let issuers = store.entries.iter().flat_map(|entry| entry.chain.iter().skip(1));
    for certificate in issuers.chain(&store.certificates) {
        if !certificates.iter().any(|bag| bag.certificate == *certificate) {
            certificates.push(CertificateBag { certificate: certificate.clone(), name: String::new(), id: None });
        }
    }
    (keys, certificates)
}

fn write_certificates(certificates: &[CertificateBag], state: Option<&Secret>) -> Vec<u8> {
    let state_at_first = std::iter::once(state).chain(std::iter::repeat(None));
    // Room for everything at once, since growing would leave copies behind.
    let octets = |bag: &CertificateBag| bag.certificate.as_der().len().saturating_add(bag.name.len().saturating_mul(2));
    let room = certificates.iter().map(|bag| octets(bag).saturating_add(256)).sum::<usize>();
    Writer::build_with_capacity(room.saturating_add(state.map_or(0, Secret::len)).saturating_add(256), |w| {
        w.sequence(|w| {
            for (bag, state) in certificates.iter().zip(state_at_first) {
                let value = |w: &mut Writer| write_certificate(w, &bag.certificate);
                write_bag(w, CERTIFICATE_BAG, value, &bag.name, bag.id.as_deref(), state);
            }
        });
    })
}

/// CertBag, RFC 7292 section 4.2.3.
fn write_certificate(w: &mut Writer, certificate: &Certificate) {
    w.sequence(|w| {
        w.oid(X509_CERTIFICATE);
        w.nested(Tag::context_constructed(0), |w| w.octet_string(certificate.as_der()));
    });
}

fn write_keys(keys: &[KeyBag], password: &Secret, protection: Protection, provider: &Provider) -> Result<Vec<u8>, Error> {
    let mut shrouded = Vec::new();
    for bag in keys {
        let sealing = Sealing::new(password, protection, provider)?;
        shrouded.push((bag, sealing.seal(bag.key.expose(), Tag::OCTET_STRING, provider)?));
    }
    Ok(Writer::build(|w| {
        w.sequence(|w| {
            for (bag, sealed) in shrouded {
                let value = |w: &mut Writer| w.element(Tag::SEQUENCE, &sealed);
                write_bag(w, SHROUDED_KEY_BAG, value, &bag.name, bag.id.as_deref(), None);
            }
        });
    }))
}

/// SafeBag, RFC 7292 section 4.2.
fn write_bag(
    w: &mut Writer,
    kind: Oid<'_>,
    value: impl FnOnce(&mut Writer),
    name: &str,
    id: Option<&[u8]>,
    state: Option<&Secret>,
) {
    let mut attributes = Vec::new();
    if !name.is_empty() {
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        attributes.push(attribute(FRIENDLY_NAME, Tag::BMP_STRING, &units));
    }
    attributes.extend(id.map(|id| attribute(LOCAL_KEY_ID, Tag::OCTET_STRING, id)));
    attributes.extend(state.map(|state| attribute(STATE, Tag::OCTET_STRING, state.expose())));
    w.sequence(|w| {
        w.oid(kind);
        w.nested(Tag::context_constructed(0), value);
        if !attributes.is_empty() {
            w.set_of(Tag::SET, &attributes);
        }
    });
}

fn attribute(kind: Oid<'_>, tag: Tag, value: &[u8]) -> Vec<u8> {
    Writer::build_with_capacity(value.len().saturating_add(64), |w| {
        w.sequence(|w| {
            w.oid(kind);
            w.nested(Tag::SET, |w| w.element(tag, value));
        });
    })
}

/// ContentInfo, RFC 5652 section 3.
fn content_info(w: &mut Writer, kind: Oid<'_>, content: impl FnOnce(&mut Writer)) {
    w.sequence(|w| {
        w.oid(kind);
        w.nested(Tag::context_constructed(0), content);
    });
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::crypto::Random;
    use crate::keystore::{Policy, open};

    struct Sevens;

    impl Random for Sevens {
        fn fill(&self, dest: &mut [u8]) -> Result<(), crate::crypto::Error> {
            dest.fill(7);
            Ok(())
        }
    }

    /// A part of a store whose MAC is under `"store"`.
    fn read(kind: Oid<'_>, part: &[u8]) -> Result<KeyStore, Error> {
        let (provider, cheap) = (Provider::rustcrypto(&Sevens), Protection::iterations(1));
        let safe = Writer::build(|w| w.sequence(|w| content_info(w, kind, |w| w.raw(part))));
        let bytes = authenticate(&safe, &"store".into(), cheap, &provider).unwrap();
        open(&bytes, &"store".into(), &Policy::MODERN, &provider)
    }

    #[test]
    fn a_part_or_a_key_under_a_password_of_its_own_is_told() {
        let (provider, cheap) = (Provider::rustcrypto(&Sevens), Protection::iterations(1));
        // PrivateKeyInfo as far as it is looked at: version, algorithm, key.
        let key = Secret::new(vec![0x30, 7, 2, 1, 0, 0x30, 0, 4, 0]);
        for (password, outcome) in [("store", Ok(1)), ("another", Err(Error::OtherPassword("a private key")))] {
            let bag = KeyBag { key: key.clone(), name: String::new(), id: None };
            let keys = write_keys(&[bag], &password.into(), cheap, &provider).unwrap();
            let part = Writer::build(|w| w.octet_string(&keys));
            assert_eq!(read(DATA, &part).map(|store| store.entries.len()), outcome);
        }
        for (password, outcome) in [("store", Ok(0)), ("another", Err(Error::OtherPassword("a part")))] {
            let sealing = Sealing::new(&password.into(), cheap, &provider).unwrap();
            let part = encrypted_data(&sealing.seal(&[0x30, 0], Tag::context(0), &provider).unwrap());
            assert_eq!(read(ENCRYPTED_DATA, &part).map(|store| store.entries.len()), outcome);
        }
    }
}
