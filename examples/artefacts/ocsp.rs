//! OCSP: questions as clients ask them, and the answers.

use mdm_core::crypto::DigestAlgorithm::{self, Sha1, Sha256};
use mdm_core::x509::SerialNumber;
use mdm_core::x509::ocsp::{CertId, Issuer, Nonce, RequestTemplate};

use crate::authority::Ca;
use crate::certificates::Issued;
use crate::{Folder, Result};

/// A question, and its answer.
pub fn exchange(ca: &Ca, ids: Vec<CertId>, with_nonce: bool) -> Result<(Vec<u8>, Vec<u8>)> {
    let nonce = if with_nonce { Some(Nonce::new(ca.provider.random_bytes()?)) } else { None };
    let question = RequestTemplate { ids, nonce }.to_der()?;
    let responder = ca.record.responder(&ca.provider)?;
    let find = |serial: &SerialNumber| ca.certificates.get(serial);
    let answer = responder.respond(&question, find, &ca.signing_keys(), ca.now, &ca.provider);
    Ok((question, answer))
}

/// Names a certificate as clients do.
pub fn name(ca: &Ca, algorithm: DigestAlgorithm, serial: SerialNumber) -> Result<CertId> {
    Ok(CertId::new(algorithm, &Issuer::of(ca.certificate()?, &ca.provider), serial))
}

/// Writes one exchange of each kind.
pub fn answers(ca: &Ca, issued: &Issued, folder: &Folder) -> Result<()> {
    let never_issued = SerialNumber::random(ca.provider.random)?;
    let good = name(ca, Sha1, issued.device)?;
    let revoked = name(ca, Sha256, issued.lost)?;
    let unknown = name(ca, Sha1, never_issued)?;
    for (file, ids) in [
        ("good", vec![good.clone()]),
        ("revoked", vec![revoked.clone()]),
        ("unknown", vec![unknown.clone()]),
        ("several", vec![good.clone(), revoked, unknown]),
    ] {
        let (question, answer) = exchange(ca, ids, true)?;
        folder.write(&format!("ocsp-{file}.req.der"), question)?;
        folder.write(&format!("ocsp-{file}.resp.der"), answer)?;
    }
    let prepared = ca.record.responder(&ca.provider)?.prepare(ca.find(issued.device)?, Sha1, ca.now, &ca.provider)?;
    folder.write("ocsp-prepared.req.der", RequestTemplate { ids: vec![good], nonce: None }.to_der()?)?;
    folder.write("ocsp-prepared.resp.der", ca.sign(prepared)?.as_der())?;
    let find = |serial: &SerialNumber| ca.certificates.get(serial);
    let answer = ca.record.responder(&ca.provider)?.respond(b"what?", find, &[], ca.now, &ca.provider);
    folder.write("ocsp-malformed.resp.der", answer)
}
