//! The other way round: OpenSSL reads what is written here. Without the `openssl` command there is nobody to ask, and the tests pass.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

use std::path::{Path, PathBuf};
use std::process::Command;

use mdm_core::cms::{SignedContent, SignedDataTemplate, certificates_only, seal, seal_with_password};
use mdm_core::crypto::{ContentCipher, KeyTransport};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::Certificate;

mod support;
use support::{data, key, providers};

const CONTENT: &[u8] = b"What is written here is what OpenSSL reads.\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cms").join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(data(&format!("cms/{name}.pem"))).unwrap()
}

/// What `openssl` prints, given a file with these bytes; `None` when there is no such command.
fn openssl(name: &str, bytes: &[u8], arguments: &[&str]) -> Option<Vec<u8>> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, bytes).unwrap();
    let output = match Command::new("openssl").args(arguments).arg("-in").arg(&file).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("openssl cannot be asked: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

#[test]
fn openssl_verifies_what_is_signed_here() {
    for (provider_name, provider) in providers() {
        for signer in ["rsa", "ec"] {
            let certificate = certificate(signer);
            let sign = |content| {
                let mut template = SignedDataTemplate::new(content);
                template.signing_time = Some(Timestamp::from_unix(1_800_000_000));
                template.certificates.push(certificate.as_der());
                let key = key(&provider, &format!("cms/{signer}.key"));
                template.to_be_signed(&certificate, &provider).unwrap().sign_with(&key).unwrap()
            };
            let verify = ["cms", "-verify", "-binary", "-noverify", "-inform", "DER"];
            let read =
                openssl(&format!("{provider_name}-{signer}-attached.der"), &sign(SignedContent::Attached(CONTENT)), &verify);
            assert!(read.is_none_or(|read| read == CONTENT));

            let content = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{provider_name}-{signer}-content"));
            std::fs::write(&content, CONTENT).unwrap();
            let detached = [&verify[..], &["-content", content.to_str().unwrap()]].concat();
            let read =
                openssl(&format!("{provider_name}-{signer}-detached.der"), &sign(SignedContent::Detached(CONTENT)), &detached);
            assert!(read.is_none_or(|read| read == CONTENT));

            std::fs::write(&content, b"").unwrap();
            openssl(&format!("{provider_name}-{signer}-absent.der"), &sign(SignedContent::Absent), &detached);
        }
    }
}

#[test]
fn openssl_opens_what_is_sealed_here() {
    let (recipient, private) = (fixture("rsa.pem"), fixture("rsa.key"));
    let (recipient, private) = (recipient.to_str().unwrap(), private.to_str().unwrap());
    let legacy = ["-provider", "legacy", "-provider", "default"];
    let open = ["cms", "-decrypt", "-binary", "-inform", "DER", "-recip", recipient, "-inkey", private];
    let open = [&open[..], &legacy].concat();
    for (provider_name, provider) in providers() {
        for cipher in [
            ContentCipher::Aes128Cbc,
            ContentCipher::Aes192Cbc,
            ContentCipher::Aes256Cbc,
            ContentCipher::TripleDesCbc,
            ContentCipher::DesCbc,
        ] {
            for transport in [KeyTransport::RsaPkcs1, KeyTransport::RsaOaepSha1, KeyTransport::RsaOaepSha256] {
                let sealed =
                    seal(CONTENT, &[&certificate("other"), &certificate("rsa")], cipher, transport, &provider).unwrap();
                let read = openssl(&format!("{provider_name}-{cipher:?}-{transport:?}.der"), &sealed, &open);
                assert!(read.is_none_or(|read| read == CONTENT), "{cipher:?} {transport:?}");
            }
        }
    }
}

#[test]
fn openssl_opens_what_is_sealed_under_a_password_here() {
    let password = Secret::from("secret");
    for (provider_name, provider) in providers() {
        for cipher in [ContentCipher::Aes128Cbc, ContentCipher::Aes192Cbc, ContentCipher::Aes256Cbc] {
            let sealed = seal_with_password(CONTENT, &password, cipher, &provider).unwrap();
            let open = ["cms", "-decrypt", "-binary", "-inform", "DER", "-pwri_password", "secret"];
            let read = openssl(&format!("{provider_name}-{cipher:?}-password.der"), &sealed, &open);
            assert!(read.is_none_or(|read| read == CONTENT), "{cipher:?}");
        }
    }
}

#[test]
fn openssl_lists_a_bag_in_our_order() {
    let (rsa, ec) = (certificate("rsa"), certificate("ec"));
    for (first, second, order) in [(&rsa, &ec, ["RSA signer", "EC signer"]), (&ec, &rsa, ["EC signer", "RSA signer"])] {
        let bag = certificates_only(&[first.as_der(), second.as_der()], &[]);
        let Some(read) =
            openssl(&format!("bag-{}.der", order[0].len()), &bag, &["pkcs7", "-inform", "DER", "-print_certs", "-noout"])
        else {
            return;
        };
        let text = String::from_utf8(read).unwrap();
        let at = order.map(|name| text.find(&format!("subject=O = Example, CN = {name}")).or_else(|| text.find(name)).unwrap());
        assert!(at[0] < at[1], "{text}");
    }
}
