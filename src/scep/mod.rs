//! SCEP (RFC 8894): how a device gets its certificate, on both sides of the wire.
//!
//! Owns the messages, their order and the checks that belong to them. It issues nothing: a request becomes a
//! [`ProvenCsr`](crate::x509::ProvenCsr), and a certificate that some authority made of it becomes a reply.
//!
//! ```text
//!            Received::parse        open                 authorize             grant
//! body ────────► Received ────────► Request ─────────────► Authorized ──────────► Reply ── sign_with ─► body
//!        │       signature    │     PkcsReq  + Challenge        │ csr()             ▲
//!        │       holds        │     RenewalReq + RenewalAuthority└─► authority ─► certificate
//!        │                    │     CertPoll + Held                                 │
//!        │                    │     GetCert, GetCrl ────────── answer ──────────────┤
//!        ▼                    ▼                                                     │
//!     Refused ◄────────── Refused ── into_reply ─────────── FAILURE ────────────────┘
//! ```
//!
//! Each arrow consumes what it starts from. There is no way from a message to a certificate that does not pass through a decision of
//! the host, made with the request in hand: only [`Authorized`] gives out the proven request and takes a certificate. A step that is dropped
//! has done nothing. The client's side is in [`client`].
//!
//! ```no_run
//! use mdm_core::crypto::Provider;
//! use mdm_core::scep::{Challenge, Error, Peer, Received, Recipient, Refused, Reply, Request, Signer};
//! use mdm_core::secret::Secret;
//! use mdm_core::x509::{Certificate, ProvenCsr};
//!
//! /// The body of a POST in, the body of the answer out.
//! fn pki_operation(
//!     body: &[u8],
//!     challenge: &Secret,
//!     issue: impl Fn(&ProvenCsr) -> Certificate,
//!     opener: &Recipient<'_>,
//!     signer: &Signer<'_>,
//!     provider: &Provider,
//! ) -> Result<Vec<u8>, Error> {
//!     let decide = || -> Result<Reply, Refused> {
//!         match Received::parse(body, &Peer::apple(), provider)?.open(opener)? {
//!             Request::PkcsReq(request) => {
//!                 let authorized = request.authorize(Challenge::Fixed(challenge))?;
//!                 let certificate = issue(authorized.csr());
//!                 authorized.grant(&certificate)
//!             }
//!             other => Ok(other.deny(mdm_core::scep::FailInfo::BadRequest)),
//!         }
//!     };
//!     match decide() {
//!         Ok(reply) => reply.sign_with(signer),
//!         Err(refused) => {
//!             let error = refused.error().clone();
//!             refused.into_reply().ok_or(error)?.sign_with(signer)
//!         }
//!     }
//! }
//! ```
//!
//! What is refused: messages without signed attributes or with an attribute twice; message types that are not acted upon, 18 among them;
//! renewals by certificates that this CA did not issue; algorithms that no [`Peer`] names; and telling anybody why a request did not
//! open.

mod attribute;
mod ca_certificates;
mod capability;
mod challenge;
pub mod client;
mod error;
mod message;
mod operation;
mod peer;
mod pki_message;
pub mod proxy;
mod server;

pub use ca_certificates::{CaCertificates, Warning};
pub use capability::{Algorithms, Capabilities, Capability};
pub use challenge::{
    Awaiting, BoundChallenge, Challenge, ChallengeError, ChallengeKey, Decision, Issuance, Notification, OneTimeChallenge,
    OneTimeChallengeEvent, OneTimeChallengeEventKind, Question, Verdict, intune, jamf, ndes, smallstep,
};
pub use error::Error;
pub use message::{FailInfo, MessageType, Nonce, PkiStatus, TransactionId};
pub use operation::{Operation, media_type};
pub use peer::{Oddities, Peer};
pub use pki_message::PkiMessage;
pub use server::{
    Authorized, CertPoll, GetCert, GetCrl, Held, PkcsReq, Received, Recipient, Refused, RenewalAuthority, RenewalReq,
    ReplayKey, Reply, Request, Signer, Transaction,
};
