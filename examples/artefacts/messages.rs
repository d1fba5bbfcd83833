//! CMS: something signed by the SCEP service, and something encrypted to a recipient.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::ca::{Holder, IssuanceRequest, Profile, Service};
use mdm_core::cms::{self, SignedContent, SignedDataTemplate};
use mdm_core::crypto::{ContentCipher, KeyKind, KeyTransport, Legacy, SigningKey};
use mdm_core::x509::{CsrTemplate, Name};

use crate::authority::Ca;
use crate::{Folder, Result};

/// Writes a signed and an encrypted message over the same content.
pub fn write(ca: &Ca, folder: &Folder) -> Result<()> {
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(5000).collect();
    folder.write("content.bin", &content)?;

    let signer = ca.record.service(Service::Scep).ok_or("no such service")?;
    let mut template = SignedDataTemplate::new(SignedContent::Attached(&content));
    template.signing_time = Some(ca.now);
    template.certificates.extend([signer.as_der(), ca.certificate()?.as_der()]);
    let signed = template.to_be_signed(signer, &ca.provider)?.sign_with(ca.service_key(Service::Scep)?)?;
    folder.write("signed.der", signed)?;

    let secret = ca.provider.generate(KeyKind::Rsa(2048))?;
    let key = ca.provider.load(&secret)?;
    let subject = Name::builder().common_name("Recipient").build()?;
    let csr = CsrTemplate::new(subject, SigningKey::public_key(&key).clone());
    let csr = csr.to_be_signed(key.algorithm(), &ca.provider)?.sign_with(&key)?.verify(&ca.provider, Legacy::NONE)?;
    let profile = Profile::device_identity();
    let request = IssuanceRequest { holder: Holder::default(), ..IssuanceRequest::new(&csr, "recipient", &profile) };
    let reserved = ca.record.reserve(&request, None, ca.now, &ca.provider)?;
    let issued = ca.sign(reserved.to_be_signed().ok_or("it is signed already")?)?;
    let recipient = issued.record.certificate().ok_or("it is not signed")?;
    let sealed = cms::seal(&content, &[recipient], ContentCipher::Aes256Cbc, KeyTransport::RsaPkcs1, &ca.provider)?;
    folder.write("enveloped.der", sealed)?;
    folder.write("recipient.pem", recipient.to_pem())?;
    folder.write("recipient.key.pem", pem("PRIVATE KEY", secret.expose()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
