//! The other way round: OpenSSL reads what is written here. Without the `openssl` command there is nobody to ask, and the tests say that
//! they were left out.
#![cfg_attr(
    not(any(feature = "rustcrypto", feature = "aws-lc-rs")),
    allow(unused, reason = "nothing is written without a provider")
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use mdm_core::cms::{SignedContent, SignedDataTemplate, certificates_only, seal, seal_with_password};
use mdm_core::crypto::{ContentCipher, KeyTransport};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::Certificate;

mod support;
use support::{data, key, providers};

const CONTENT: &[u8] = b"What is written here is what OpenSSL reads.\n";

type Test = fn() -> Result<(), Failed>;

fn main() {
    let asked = Command::new("openssl").arg("version").output();
    let trials: [(&str, Test); 6] = [
        ("openssl_verifies_what_is_signed_here", verifies_what_is_signed),
        ("openssl_opens_what_is_sealed_here", opens_what_is_sealed),
        ("openssl_opens_what_is_sealed_to_an_elliptic_curve_key_here", opens_what_is_agreed),
        ("openssl_opens_what_is_authenticated_here", opens_what_is_authenticated),
        ("openssl_opens_what_is_sealed_under_a_password_here", opens_what_is_under_a_password),
        ("openssl_lists_a_bag_in_our_order", lists_a_bag),
    ];
    let missing = !asked.is_ok_and(|output| output.status.success());
    let trials = trials.map(|(name, test)| Trial::test(name, test).with_ignored_flag(missing));
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cms").join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(data(&format!("cms/{name}.pem"))).unwrap()
}

/// What `openssl` prints, given a file with these bytes.
fn openssl(name: &str, bytes: &[u8], arguments: &[&str]) -> Result<Vec<u8>, Failed> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, bytes)?;
    let output = Command::new("openssl").args(arguments).arg("-in").arg(&file).output()?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// Has `openssl` read the content out of a message.
fn reads(name: &str, message: &[u8], arguments: &[&str]) -> Result<(), Failed> {
    let read = openssl(name, message, arguments)?;
    if read == CONTENT { Ok(()) } else { Err(format!("{name}: openssl reads {read:?}").into()) }
}

fn verifies_what_is_signed() -> Result<(), Failed> {
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
            reads(&format!("{provider_name}-{signer}-attached.der"), &sign(SignedContent::Attached(CONTENT)), &verify)?;

            let content = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{provider_name}-{signer}-content"));
            std::fs::write(&content, CONTENT)?;
            let detached = [&verify[..], &["-content", content.to_str().unwrap()]].concat();
            reads(&format!("{provider_name}-{signer}-detached.der"), &sign(SignedContent::Detached(CONTENT)), &detached)?;

            std::fs::write(&content, b"")?;
            openssl(&format!("{provider_name}-{signer}-absent.der"), &sign(SignedContent::Absent), &detached)?;
        }
    }
    Ok(())
}

/// The arguments that open an envelope as the holder of one of the test keys.
fn opening(holder: &str) -> Vec<String> {
    let path = |name: String| fixture(&name).to_str().unwrap().to_owned();
    let recipient = ["-recip".into(), path(format!("{holder}.pem")), "-inkey".into(), path(format!("{holder}.key"))];
    let open = ["cms", "-decrypt", "-binary", "-inform", "DER", "-provider", "legacy", "-provider", "default"];
    open.into_iter().map(String::from).chain(recipient).collect()
}

fn opens_what_is_sealed() -> Result<(), Failed> {
    let open = opening("rsa");
    let open: Vec<&str> = open.iter().map(String::as_str).collect();
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
                reads(&format!("{provider_name}-{cipher:?}-{transport:?}.der"), &sealed, &open)?;
            }
        }
    }
    Ok(())
}

fn opens_what_is_agreed() -> Result<(), Failed> {
    let open = opening("ec");
    let open: Vec<&str> = open.iter().map(String::as_str).collect();
    for (provider_name, provider) in providers() {
        for cipher in [ContentCipher::Aes128Cbc, ContentCipher::Aes192Cbc, ContentCipher::Aes256Cbc, ContentCipher::Aes256Gcm] {
            let recipients = [&certificate("rsa"), &certificate("ec")];
            let sealed = seal(CONTENT, &recipients, cipher, KeyTransport::RsaPkcs1, &provider).unwrap();
            reads(&format!("{provider_name}-{cipher:?}-ecdh.der"), &sealed, &open)?;
        }
    }
    Ok(())
}

fn opens_what_is_authenticated() -> Result<(), Failed> {
    let open = opening("rsa");
    let open: Vec<&str> = open.iter().map(String::as_str).collect();
    for (provider_name, provider) in providers() {
        for cipher in [ContentCipher::Aes128Gcm, ContentCipher::Aes192Gcm, ContentCipher::Aes256Gcm] {
            let sealed = seal(CONTENT, &[&certificate("rsa")], cipher, KeyTransport::RsaPkcs1, &provider).unwrap();
            reads(&format!("{provider_name}-{cipher:?}.der"), &sealed, &open)?;
        }
    }
    Ok(())
}

fn opens_what_is_under_a_password() -> Result<(), Failed> {
    let password = Secret::from("secret");
    for (provider_name, provider) in providers() {
        for cipher in [ContentCipher::Aes128Cbc, ContentCipher::Aes192Cbc, ContentCipher::Aes256Cbc] {
            let sealed = seal_with_password(CONTENT, &password, cipher, &provider).unwrap();
            let open = ["cms", "-decrypt", "-binary", "-inform", "DER", "-pwri_password", "secret"];
            reads(&format!("{provider_name}-{cipher:?}-password.der"), &sealed, &open)?;
        }
    }
    Ok(())
}

fn lists_a_bag() -> Result<(), Failed> {
    let (rsa, ec) = (certificate("rsa"), certificate("ec"));
    for (first, second, order) in [(&rsa, &ec, ["RSA signer", "EC signer"]), (&ec, &rsa, ["EC signer", "RSA signer"])] {
        let bag = certificates_only(&[first.as_der(), second.as_der()], &[]);
        let arguments = ["pkcs7", "-inform", "DER", "-print_certs", "-noout"];
        let text = String::from_utf8(openssl(&format!("bag-{}.der", order[0].len()), &bag, &arguments)?)?;
        let [Some(first), Some(second)] = order.map(|name| text.find(name)) else {
            return Err(format!("a certificate is missing: {text}").into());
        };
        if first > second {
            return Err(text.into());
        }
    }
    Ok(())
}
