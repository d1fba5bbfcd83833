//! Writes a certificate authority's backup for other programs to judge: `cargo run --example keystore -- DIRECTORY`.
//!
//! `backup.p12` holds the authority's key and that of its signing certificate with its chain, `backup.pass` the password;
//! `key.pem` is the authority's key alone, encrypted under the same password; the certificates lie beside them.

#[path = "shared/os.rs"]
mod os;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use mdm_core::crypto::{KeyKind, Provider, SigningKey};
use mdm_core::keystore::{self, EncryptedPrivateKey, Entry, KeyStore, Policy, Protection};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{BasicConstraints, CertificateTemplate, Extensions, KeyUsage, Name, SerialNumber, Validity};

use os::Os;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("where to? Name a directory")?);
    let provider = Provider::rustcrypto(&Os);
    let store = store(&provider)?;
    let word: [u8; 12] = provider.random_bytes()?;
    let password = Secret::from(word.iter().map(|octet| format!("{octet:02x}")).collect::<String>());

    let backup = store.to_pkcs12(&password, Protection::default(), &provider)?;
    if keystore::open(&backup, &password, &Policy::default(), &provider)? != store {
        return Err("the backup does not read back".into());
    }
    let authority = store.entry(Some("authority"))?;
    let key = EncryptedPrivateKey::seal(&authority.key, &password, Protection::default(), &provider)?;
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("backup.p12"), backup)?;
    fs::write(directory.join("backup.pass"), password.expose())?;
    fs::write(directory.join("key.pem"), key.to_pem())?;
    for entry in &store.entries {
        fs::write(directory.join(format!("{}.pem", entry.alias)), entry.chain[0].to_pem())?;
    }
    Ok(())
}

/// An authority and a signing certificate under it.
fn store(provider: &Provider) -> Result<KeyStore, Box<dyn Error>> {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    let validity = Validity { not_before: now, not_after: now.plus_days(3650) };
    let ca_pkcs8 = provider.generate(KeyKind::P256)?;
    let ca_key = provider.load(&ca_pkcs8)?;
    let name = Name::builder().organization("Example").common_name("Example Certificate Authority").build()?;
    let ca = CertificateTemplate {
        serial: SerialNumber::random(provider.random)?,
        issuer: name.clone(),
        subject: name,
        validity,
        public_key: ca_key.public_key().clone(),
        extensions: Extensions::new()
            .with(&BasicConstraints::authority(Some(0)))
            .with(&(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN)),
        authority_key_identifier: None,
    };
    let ca = ca.to_be_signed(ca_key.public_key(), ca_key.algorithm(), provider)?.sign_with(&ca_key)?;
    let signing_pkcs8 = provider.generate(KeyKind::Rsa(2048))?;
    let signing_key = provider.load(&signing_pkcs8)?;
    let mut signing = CertificateTemplate::under(
        &ca,
        SerialNumber::random(provider.random)?,
        Name::builder().organization("Example").common_name("Example SCEP").build()?,
        validity,
        signing_key.public_key().clone(),
    );
    signing.extensions = Extensions::new().with(&KeyUsage::DIGITAL_SIGNATURE);
    let signing = signing.to_be_signed(ca_key.public_key(), ca_key.algorithm(), provider)?.sign_with(&ca_key)?;
    Ok(KeyStore {
        entries: vec![
            Entry { alias: "authority".into(), key: ca_pkcs8, chain: vec![ca.clone()] },
            Entry { alias: "signing".into(), key: signing_pkcs8, chain: vec![signing, ca] },
        ],
        certificates: vec![],
        // Whatever the host needs in order to go on where the backup was made.
        state: Some(Secret::from(r#"{"crl_number": 41, "events": 1007}"#)),
    })
}
