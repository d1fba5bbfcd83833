//! A stand-in for identity.apple.com: it makes push certificates, which Apple alone does for real, one for each customer.

use mdm_core::crypto::{Provider, PublicKey, SignatureAlgorithm, SoftwareKey};
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, CertificateTemplate, ExtendedKeyUsage, Extensions, Name, SerialNumber, Validity, oid};

use crate::Result;

/// A certificate for this key and topic. "Renew" on Apple's page keeps the topic of the old one, "Create" makes another.
pub fn issue(topic: &str, key: &PublicKey, apple: &SoftwareKey, now: Timestamp, provider: &Provider) -> Result<Certificate> {
    use mdm_core::crypto::SigningKey as _;
    let issuer = Name::builder().common_name("Apple Application Integration 2 Certification Authority").build()?;
    let subject = Name::builder().user_id(topic).common_name("APSP:example").country("US").build()?;
    let template = CertificateTemplate {
        serial: SerialNumber::random(provider.random)?,
        issuer,
        subject,
        validity: Validity { not_before: now, not_after: now.plus_days(365) },
        public_key: key.clone(),
        extensions: Extensions::new().with(&ExtendedKeyUsage::new(&[oid::CLIENT_AUTH])),
        authority_key_identifier: None,
    };
    let unsigned = template.to_be_signed(apple.public_key(), SignatureAlgorithm::RsaSha256, provider)?;
    Ok(unsigned.sign_with(apple)?)
}
