//! Envelopes to whoever knows a password.

use mdm_core::cms::{EnvelopedData, Error, OpeningPolicy, RecipientInfo, seal_with_password};
use mdm_core::crypto::{ContentCipher, Legacy};
use mdm_core::limits::Limits;
use mdm_core::secret::Secret;

use super::{CONTENT, assert_shut, data, enveloped, providers};

#[test]
fn what_openssl_sealed_under_a_password_is_opened() {
    let password = Secret::from("secret");
    for (name, provider) in providers() {
        for file in ["password.der", "password-aes256.der"] {
            let envelope = enveloped(file);
            assert!(matches!(envelope.recipients().next(), Some(RecipientInfo::Password { iterations: 2048 })), "{file}");
            let open = |password: &Secret| envelope.open_with_password(password, &provider, &OpeningPolicy::default());
            assert_eq!(open(&password).as_ref().map(Secret::expose), Ok(CONTENT), "{name} {file}");
            assert_shut(open(&Secret::from("Secret")), name);
            assert_shut(open(&Secret::default()), name);
        }
        let to_a_key = enveloped("aes128.der").open_with_password(&password, &provider, &OpeningPolicy::default());
        assert_eq!(to_a_key, Err(Error::NoRecipient));
    }
}

#[test]
fn what_is_sealed_under_a_password_here_is_opened_here() {
    let password = Secret::from("a longer challenge than most");
    for (name, provider) in providers() {
        for cipher in
            [ContentCipher::Aes128Cbc, ContentCipher::Aes192Cbc, ContentCipher::Aes256Gcm, ContentCipher::TripleDesCbc]
        {
            let sealed = seal_with_password(CONTENT, &password, cipher, &provider).unwrap();
            let envelope = EnvelopedData::parse(&sealed, &Limits::PKI).unwrap();
            let policy = OpeningPolicy { legacy: Legacy { triple_des: true, ..Legacy::NONE }, ..OpeningPolicy::default() };
            let opened = envelope.open_with_password(&password, &provider, &policy);
            assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {cipher:?}");
        }
        let sealed = seal_with_password(CONTENT, &password, ContentCipher::TripleDesCbc, &provider).unwrap();
        let envelope = EnvelopedData::parse(&sealed, &Limits::PKI).unwrap();
        let refused = envelope.open_with_password(&password, &provider, &OpeningPolicy::default());
        assert_eq!(refused, Err(Error::Algorithm("content cipher")));
    }
}

/// Two thousand rounds in the file become so many, which stand there in two octets.
#[test]
fn a_password_that_would_take_hours_to_derive_is_refused() {
    let (_, provider) = providers().remove(0);
    let der = data("cms/password.der");
    let at = der.windows(4).position(|window| window == [0x02, 0x02, 0x08, 0x00]).unwrap();
    let with = |replacement: [u8; 4]| {
        let mut der = der.clone();
        der[at..at + 4].copy_from_slice(&replacement);
        let envelope = EnvelopedData::parse(&der, &Limits::PKI).unwrap();
        envelope.open_with_password(&Secret::from("secret"), &provider, &OpeningPolicy::default())
    };
    assert_shut(with([0x02, 0x02, 0x08, 0x01]), "one round more");
    // More than two octets do not fit, so the salt before it gives some of its own.
    let mut long = der.clone();
    let salt = at - 10;
    assert_eq!(long[salt..salt + 2], [0x04, 0x08]);
    long[salt + 1] = 0x06;
    long[at - 2..at + 4].copy_from_slice(&[0x02, 0x04, 0x7F, 0xFF, 0xFF, 0xFF]);
    let envelope = EnvelopedData::parse(&long, &Limits::PKI).unwrap();
    let refused = envelope.open_with_password(&Secret::from("secret"), &provider, &OpeningPolicy::default());
    assert_eq!(refused, Err(Error::Algorithm("number of key derivation rounds")));
}

#[test]
fn a_flipped_bit_under_a_password_is_no_panic() {
    let (_, provider) = providers().remove(0);
    let der = data("cms/password.der");
    for at in (0..der.len()).step_by(3) {
        let mut damaged = der.clone();
        damaged[at] ^= 1 << (at % 8);
        if let Ok(envelope) = EnvelopedData::parse(&damaged, &Limits::PKI)
            && envelope.recipients().all(|recipient| !matches!(recipient, RecipientInfo::Password { iterations: 10_000.. }))
            && let Ok(opened) = envelope.open_with_password(&Secret::from("secret"), &provider, &OpeningPolicy::default())
        {
            // The content is not authenticated; nothing above may take it for more.
            assert!(opened.len() <= CONTENT.len() + 16);
        }
    }
}
