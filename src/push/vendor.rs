//! What a vendor signs, and a customer uploads at identity.apple.com.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Error;
use crate::crypto::{Legacy, Provider, PublicKeyKind, SignatureAlgorithm, ToBeSigned};
use crate::limits::Limits;
use crate::plist::{self, Dictionary, Value};
use crate::time::Timestamp;
use crate::x509::{Certificate, Csr, ProvenCsr};

/// A request for a push certificate that a vendor has signed: the property list that Apple calls "encoded PushCertificateRequest".
///
/// Both roles use it. The customer makes a [`Csr`] and keeps its key. The vendor, who has the MDM CSR permission, signs it here and
/// gives back [`to_upload`](SignedRequest::to_upload). The customer may [`parse`](SignedRequest::parse) and
/// [`verify`](SignedRequest::verify) that before uploading it: is it still the request whose key it has, and would Apple take it?
///
/// ```no_run
/// use mdm_core::crypto::{Provider, SigningKey};
/// use mdm_core::push::{Error, SignedRequest};
/// use mdm_core::time::Timestamp;
/// use mdm_core::x509::{Certificate, ProvenCsr};
///
/// fn vendor(
///     request: &ProvenCsr,
///     chain: &[Certificate], // the vendor's certificate, Apple's intermediate, Apple's root
///     key: &dyn SigningKey,
///     provider: &Provider,
///     now: Timestamp,
/// ) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
///     let signed = SignedRequest::prepare(request, chain, provider, now)?.sign_with(key)?;
///     Ok(signed.to_upload()?)
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SignedRequest {
    csr: Csr,
    chain: Vec<Certificate>,
    signature: Vec<u8>,
}

/// The one algorithm that Apple takes.
const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::RsaSha256;
/// Certificates in the chain; Apple's has three.
const MAX_CHAIN: usize = 8;

impl SignedRequest {
    /// What the vendor signs: the request, with the chain from the vendor's certificate up to and with the root.
    ///
    /// # Errors
    /// [`Error::RequestKey`] when the request's or the vendor's key is not RSA of at least 2048 bits, [`Error::VendorChain`] when
    /// the chain is not in order, does not end in a root, or the vendor's certificate is not valid now.
    pub fn prepare(
        request: &ProvenCsr,
        chain: &[Certificate],
        provider: &Provider,
        now: Timestamp,
    ) -> Result<ToBeSigned<SignedRequest>, Error> {
        check_key(request)?;
        let vendor = check_chain(chain, provider, now)?;
        let (csr, chain) = (Csr::clone(request), chain.to_vec());
        let assemble = move |_: &[u8], signature: &[u8]| SignedRequest { csr, chain, signature: signature.to_vec() };
        Ok(ToBeSigned::new(ALGORITHM, vendor.public_key().clone(), request.as_der().to_vec(), provider, assemble))
    }

    /// The file to upload: base64 of the property list.
    ///
    /// # Errors
    /// None in practice: every text in it is base64 or PEM.
    pub fn to_upload(&self) -> Result<Vec<u8>, plist::Error> {
        let chain: String = self.chain.iter().map(Certificate::to_pem).collect();
        let body = Dictionary::from_iter([
            ("PushCertRequestCSR", STANDARD.encode(self.csr.as_der())),
            ("PushCertCertificateChain", chain),
            ("PushCertSignature", STANDARD.encode(&self.signature)),
        ]);
        Ok(STANDARD.encode(plist::to_xml(&body.into())?).into_bytes())
    }

    /// Reads such a file, or the property list in it. Nothing in it is believed yet.
    ///
    /// # Errors
    /// [`Error::NotARequest`] with what is missing or cannot be read.
    pub fn parse(upload: &[u8], limits: &Limits) -> Result<Self, Error> {
        if upload.len() > limits.max_bytes {
            return Err(Error::NotARequest("it is longer than the limit"));
        }
        let text = without_space(upload);
        let decoded = STANDARD.decode(&text);
        let body = plist::parse(decoded.as_deref().unwrap_or(upload), limits);
        let Ok(Value::Dictionary(body)) = body else { return Err(Error::NotARequest("it is no property list")) };
        let csr = data(&body, "PushCertRequestCSR")?;
        let csr = Csr::from_der(&csr).map_err(|_| Error::NotARequest("PushCertRequestCSR is no certificate request"))?;
        let signature = data(&body, "PushCertSignature")?;
        let chain = body.get("PushCertCertificateChain").and_then(Value::as_str);
        let chain = Certificate::all_from_pem(chain.ok_or(Error::NotARequest("PushCertCertificateChain is missing"))?);
        let chain = chain.map_err(|_| Error::NotARequest("PushCertCertificateChain is no list of certificates"))?;
        if chain.is_empty() || chain.len() > MAX_CHAIN {
            return Err(Error::NotARequest("PushCertCertificateChain has no certificate, or more than 8"));
        }
        Ok(SignedRequest { csr, chain, signature })
    }

    /// Whether Apple would take it: the customer's and the vendor's signatures hold, and the chain ends in `root`. Gives the
    /// request, whose key the customer compares with its own.
    ///
    /// # Errors
    /// As [`SignedRequest::prepare`]; [`Error::RequestSignature`] when one of the signatures does not hold;
    /// [`Error::VendorChain`] when the chain ends in another root.
    pub fn verify(&self, root: &Certificate, provider: &Provider, now: Timestamp) -> Result<ProvenCsr, Error> {
        let proven = self.csr.verify(provider, Legacy::NONE).map_err(|_| Error::RequestSignature)?;
        check_key(&self.csr)?;
        let vendor = check_chain(&self.chain, provider, now)?;
        if self.chain.last() != Some(root) {
            return Err(Error::VendorChain { at: self.chain.len().saturating_sub(1) });
        }
        provider
            .verifier
            .verify(ALGORITHM, vendor.public_key(), self.csr.as_der(), &self.signature)
            .map_err(|_| Error::RequestSignature)?;
        Ok(proven)
    }

    /// The customer's request, not verified.
    pub const fn csr(&self) -> &Csr {
        &self.csr
    }

    /// The vendor's certificate and those above it, not verified.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }
}

fn check_key(request: &Csr) -> Result<(), Error> {
    strong_rsa(request.public_key().kind())
}

fn strong_rsa(kind: PublicKeyKind) -> Result<(), Error> {
    match kind {
        PublicKeyKind::Rsa { bits, .. } if bits >= 2048 => Ok(()),
        _ => Err(Error::RequestKey),
    }
}

/// The vendor's certificate, when each of the chain is signed by the next and the last by itself.
fn check_chain<'a>(chain: &'a [Certificate], provider: &Provider, now: Timestamp) -> Result<&'a Certificate, Error> {
    let vendor = chain.first().filter(|_| chain.len() <= MAX_CHAIN).ok_or(Error::VendorChain { at: 0 })?;
    strong_rsa(vendor.public_key().kind())?;
    for (at, pair) in chain.windows(2).enumerate() {
        let [below, above] = pair else { continue };
        let signed = below.issuer() == above.subject()
            && above.is_authority()
            && below.verify_signature(above.public_key(), provider, Legacy::NONE).is_ok();
        if !signed || !below.validity().contains(now) {
            return Err(Error::VendorChain { at });
        }
    }
    // A root's own signature says nothing, and Apple's is over SHA-1; its name must be its issuer's.
    match chain.last() {
        Some(root) if root.issuer() == root.subject() && chain.len() > 1 => Ok(vendor),
        _ => Err(Error::VendorChain { at: chain.len().saturating_sub(1) }),
    }
}

/// A text of base64, as Apple writes it, or data.
fn data(body: &Dictionary, key: &'static str) -> Result<Vec<u8>, Error> {
    match body.get(key) {
        Some(Value::Data(octets)) => Ok(octets.clone()),
        Some(Value::String(text)) => STANDARD.decode(without_space(text.as_bytes())).map_err(|_| Error::NotARequest(key)),
        _ => Err(Error::NotARequest(key)),
    }
}

fn without_space(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect()
}
