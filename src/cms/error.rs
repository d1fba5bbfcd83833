//! What can be wrong with a CMS message, by whose fault it is.

use crate::time::Timestamp;
use crate::{asn1, crypto};

/// Why a CMS message was not read, believed, opened or made.
///
/// Two outcomes are single on purpose: [`Error::Signature`] for every way in which a signature does not hold, and
/// [`Error::Unopened`] for every way in which an envelope does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer's bytes are not what their structure demands.
    #[error("malformed CMS: {0}")]
    Malformed(#[from] asn1::Error),
    /// The text of a header is not Base64.
    #[error("the header is neither Base64 nor DER")]
    Header,
    /// The message is of another kind.
    #[error("the content type is not {expected}")]
    ContentType {
        /// The name that RFC 5652 gives to the kind that belongs here.
        expected: &'static str,
    },
    /// The message has another number of signers than one.
    #[error("expected exactly one signer, found {0}")]
    Signers(usize),
    /// The signer signed no attributes, and the policy demands them.
    #[error("the signer signed no attributes")]
    NoSignedAttributes,
    /// A signed attribute that must be there is not.
    #[error("the signed attribute {0} is missing")]
    AttributeMissing(&'static str),
    /// A signed attribute stands there twice, or has no value or several.
    #[error("the signed attribute {0} must stand once, with one value")]
    AttributeRepeated(&'static str),
    /// The message brings no certificate for its signer.
    #[error("no certificate in the message is the signer's")]
    NoSignerCertificate,
    /// The content that was signed is neither in the message nor given by the caller.
    #[error("the signed content is absent")]
    NoContent,
    /// An algorithm or key size is unknown, or refused by the policy in force. The name says where it stands.
    #[error("the {0} is unknown, or not allowed by the policy for this peer")]
    Algorithm(&'static str),
    /// The signature does not hold for this key and content. Nothing more is told.
    #[error("the signature does not hold")]
    Signature,
    /// The signer's clock differs from ours by more than the policy allows.
    #[error("signed at {at}, too far from the time of receipt")]
    SigningTime {
        /// When the signer says that it signed.
        at: Timestamp,
    },
    /// None of the recipients is the certificate that was given.
    #[error("the envelope is not addressed to this certificate")]
    NoRecipient,
    /// The envelope did not open. Nothing more is told.
    #[error("the envelope did not open")]
    Unopened,
    /// The host's key cannot do what was asked, or its randomness failed.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
}
