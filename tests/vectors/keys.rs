//! Private keys that other programs put under a password (`asymmetric/PKCS8`).

use std::path::Path;

use libtest_mimic::Failed;
use mdm_core::crypto::Provider;
use mdm_core::keystore::{self, Error, Policy};
use mdm_core::secret::Secret;

/// The file, its password, and whether it is of a kind that is read.
const KEYS: &[(&str, &str, bool)] = &[
    // PBES2 with PBKDF2 over every hash function.
    ("ec_private_key_encrypted", "123456", true),
    ("enc-rsa-3des", "password", true),
    ("enc-rsa-pkcs8", "foobar", true),
    ("enc2-rsa-pkcs8", "baz", true),
    ("rsa-aes-192-cbc", "PolarSSLTest", true),
    ("rsa_pkcs8_pbes2_pbkdf2_2048_3des_sha224", "PolarSSLTest", true),
    ("rsa_pkcs8_pbes2_pbkdf2_2048_3des_sha384", "PolarSSLTest", true),
    ("rsa_pkcs8_pbes2_pbkdf2_2048_3des_sha512", "PolarSSLTest", true),
    // The ciphers of PKCS#12.
    ("pkcs12_s2k_pem-X_9607", "123456", true),
    ("pkcs12_s2k_pem-X_9671", "123456", true),
    ("pkcs12_s2k_pem-X_9925", "123456", true),
    ("pkcs12_s2k_pem-X_9926", "123456", true),
    ("pkcs12_s2k_pem-X_9927", "123456", true),
    ("pkcs12_s2k_pem-X_9928", "123456", true),
    ("pkcs12_s2k_pem-X_9929", "123456", true),
    ("pkcs12_s2k_pem-X_9930", "123456", true),
    ("pkcs12_s2k_pem-X_9931", "123456", true),
    ("pkcs12_s2k_pem-X_9932", "123456", true),
    ("rsa-40bitrc2", "baz", true),
    ("rsa-pbe-3des-long-salt", "password", true),
    // RC4, scrypt, RC2 under PBES2, PBES1, and what does not exist.
    ("enc-ec-sha1-128-rc4", "password", false),
    ("ed25519-scrypt", "hunter42", false),
    ("rsa-rc2-cbc", "Red Hat Enterprise Linux 7.4", false),
    ("rsa-rc2-cbc-effective-key-length", "Red Hat Enterprise Linux 7.4", false),
    ("rsa-pbewithmd5anddescbc", "hunter2", false),
    ("bad-encryption-oid", "password", false),
    ("enc-rsa-pkcs8-pbkdf2-0iter", "password", false),
    ("enc-unknown-algorithm", "password", false),
    ("enc-unknown-kdf", "password", false),
    ("enc-unknown-pbkdf2-prf", "password", false),
];

/// `vectors` is the folder of the package.
pub fn open(vectors: &Path, provider: &Provider) -> Result<(), Failed> {
    let mut faults = Vec::new();
    for (name, password, is_read) in KEYS {
        let bytes = std::fs::read(vectors.join(format!("asymmetric/PKCS8/{name}.pem")))?;
        let open = |password: &str| keystore::private_key(&bytes, &Secret::from(password), &Policy::EXTERNAL_CA, provider);
        match (open(password), is_read) {
            // That it is a key was looked at when it was opened.
            (Ok(_), true) => {
                if let Err(Error::Password) = open("another") {
                    continue;
                }
                faults.push(format!("{name} is not shut to another password"));
            }
            (Err(Error::Unsupported(_) | Error::Malformed { .. }), false) => {}
            (outcome, _) => faults.push(format!("{name}: {:?}", outcome.map(|_| "opened"))),
        }
    }
    println!("{} keys", KEYS.len());
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}
