//! Requests for a push certificate that a vendor has signed.

use mdm_core::limits::Limits;
use mdm_core::push::SignedRequest;
use serde::Serialize;

use crate::certificate::{CertificateView, CsrView};
use crate::detect::Found;
use crate::given::{Given, Verified};

/// What a customer uploads to Apple: the request, and who signed it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedRequestView {
    csr: CsrView,
    /// The vendor's certificate and those above it.
    chain: Vec<CertificateView>,
    /// Whether both signatures hold and the chain is one, up to its own root, when the vendor's certificate began.
    #[serde(flatten)]
    verified: Verified,
}

pub fn describe(upload: &[u8], given: &Given) -> Result<Found, String> {
    let request = SignedRequest::parse(upload, &Limits::MESSAGE).map_err(|error| error.to_string())?;
    let (Some(vendor), Some(root)) = (request.chain().first(), request.chain().last()) else {
        return Err("a push certificate request without a chain".into());
    };
    let verified = match request.verify(root, &given.provider, vendor.validity().not_before) {
        Ok(_) => Verified::against("chain in the request".into()),
        Err(error) => Verified::not(error.to_string()),
    };
    Ok(Found::PushCertificateRequest(Box::new(SignedRequestView {
        csr: CsrView::of(request.csr(), given)?,
        chain: request.chain().iter().map(|certificate| CertificateView::of(certificate, given)).collect::<Result<_, _>>()?,
        verified,
    })))
}
