//! The `Mdm-Signature` header: a device's signature over the body of its request.
//!
//! A device that reaches the server through something that ends TLS proves its identity with a detached CMS signature over the
//! body, Base64 in a header. What the field sends is not what a textbook would: BER with indefinite lengths, a signer certificate
//! with an empty subject, no signed attributes and SHA-1 from macOS, signed attributes from iOS.
//!
//! This module says which certificate signed the body. Whether that certificate is one of ours and in force is for the host to say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Error, SignaturePolicy, SignedData, SignerInfo};
use crate::crypto::{Legacy, Provider};
use crate::limits::Limits;
use crate::time::Timestamp;
use crate::x509::Certificate;

/// How an `Mdm-Signature` is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MdmSignaturePolicy {
    /// Which broken algorithms are believed. SHA-1 is needed by macOS before 13.
    pub legacy: Legacy,
    /// The time of receipt.
    pub now: Timestamp,
    /// By how many seconds a signing time may differ from `now`, either way. A device whose battery died has a clock that is off
    /// until it has reached a time server; a captured header ages.
    pub skew: i64,
}

impl MdmSignaturePolicy {
    /// Nothing broken is believed, and a signing time may be off by a day.
    pub const fn at(now: Timestamp) -> Self {
        MdmSignaturePolicy { legacy: Legacy::NONE, now, skew: 86_400 }
    }

    /// The same policy with broken algorithms.
    #[must_use]
    pub const fn legacy(mut self, legacy: Legacy) -> Self {
        self.legacy = legacy;
        self
    }

    /// The same policy with another skew, in seconds.
    #[must_use]
    pub const fn skew(mut self, seconds: i64) -> Self {
        self.skew = seconds;
        self
    }
}

/// A header that was read, and believed by nobody yet.
///
/// ```no_run
/// # fn show(header: &str, body: &[u8], now: mdm_core::time::Timestamp, provider: &mdm_core::crypto::Provider)
/// # -> Result<(), mdm_core::cms::Error> {
/// use mdm_core::cms::{MdmSignature, MdmSignaturePolicy};
/// use mdm_core::limits::Limits;
///
/// let signature = MdmSignature::parse(header, &Limits::PKI)?;
/// let device = signature.verify(body, provider, &MdmSignaturePolicy::at(now))?;
/// // `device` signed this body. Look its certificate up before believing more.
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MdmSignature(SignedData);

impl MdmSignature {
    /// Reads the header's value: Base64, or the bytes themselves.
    ///
    /// # Errors
    /// [`Error::Header`] when it is neither; otherwise as [`SignedData::parse`].
    pub fn parse(header: impl AsRef<[u8]>, limits: &Limits) -> Result<Self, Error> {
        let header = header.as_ref();
        // The first octet of a SEQUENCE is the digit 0 in ASCII, with which the Base64 of no SEQUENCE begins.
        if header.first() == Some(&0x30) {
            return SignedData::parse(header, limits).map(MdmSignature);
        }
        let most = limits.max_bytes.saturating_mul(2);
        if header.len() > most {
            return Err(Error::Malformed(crate::asn1::Error { kind: crate::asn1::ErrorKind::TooLong(most), at: 0 }));
        }
        let text: Vec<u8> = header.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(text).map_err(|_| Error::Header)?;
        SignedData::parse(&bytes, limits).map(MdmSignature)
    }

    /// The certificate that the signer names, before anything is verified.
    ///
    /// # Errors
    /// [`Error::Signers`], [`Error::NoSignerCertificate`].
    pub fn signer(&self) -> Result<Certificate, Error> {
        self.candidate().map(|(_, certificate)| certificate)
    }

    fn candidate(&self) -> Result<(SignerInfo<'_>, Certificate), Error> {
        let signer = self.0.sole_signer()?;
        let certificate = self.0.signer_certificate(&signer).ok_or(Error::NoSignerCertificate)?;
        Ok((signer, certificate))
    }

    /// The certificate whose key signed this body.
    ///
    /// # Errors
    /// [`Error::Signers`], [`Error::NoSignerCertificate`], [`Error::SigningTime`], and those of [`SignerInfo::verify`].
    pub fn verify(&self, body: &[u8], provider: &Provider, policy: &MdmSignaturePolicy) -> Result<Certificate, Error> {
        let (signer, certificate) = self.candidate()?;
        let signatures =
            SignaturePolicy { legacy: policy.legacy, without_signed_attributes: true, ..SignaturePolicy::default() };
        signer.verify(body, certificate.public_key(), provider, &signatures)?;
        match signer.signing_time()? {
            Some(at) if at.seconds_since(policy.now).saturating_abs() > policy.skew => Err(Error::SigningTime { at }),
            _ => Ok(certificate),
        }
    }
}
