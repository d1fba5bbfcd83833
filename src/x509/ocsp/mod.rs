//! OCSP (RFC 6960, with the nonce of RFC 9654): requests read, answers made, and the same from the client's side.
//!
//! Owns the bytes. What a certificate's status is, the authority says; that a serial number which was never issued is not called
//! good is up to whoever looks it up, and [`Status::NeverIssued`] is there to say it. Answers without a signature are errors only
//! ([`ErrorStatus`]): there is no way to make a status without one.
//!
//! ```text
//! Request ── ResponseTemplate::answering(.., |serial| status) ─► to_be_signed ─► Response
//!    └─ cannot be read ─► ErrorStatus::of(&error).to_der()
//! ```

mod id;
mod request;
mod response;
mod template;

pub use id::{CertId, Issuer, Nonce};
pub use request::{LIMITS, Request, RequestTemplate};
pub use response::{Answer, ErrorStatus, ResponderId, Response, Status};
pub use template::ResponseTemplate;

use crate::asn1::{Error as Asn1Error, Oid, Reader, Tag};

/// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
const BASIC: Oid<'static> = Oid::from_content(&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01]);
/// id-pkix-ocsp-extended-revoke, 1.3.6.1.5.5.7.48.1.9.
const EXTENDED_REVOKE: Oid<'static> = Oid::from_content(&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x09]);

/// The version of requests and responses: 0, which is left out or, though DER forbids it, written out.
fn read_version(reader: &mut Reader<'_>) -> Result<(), Asn1Error> {
    let Some(mut version) = reader.optional_nested(Tag::context_constructed(0))? else { return Ok(()) };
    let at = version.at();
    if version.small_integer()? != 0 {
        return Err(Asn1Error::field("version (not 0)", at));
    }
    version.finish()
}
