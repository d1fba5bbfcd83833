//! Authorities that are not ours: asking them for certificates, and what they say.
//!
//! Owns the record of one request ([`CertificateRequest`]), which may take days and several people, and the messages of the interfaces that
//! management servers meet: Venafi's ([`venafi`]), DigiCert's ([`digicert`]) and the web pages of Microsoft's AD CS ([`adcs`]). Authorities
//! that speak SCEP are set up with [`ScepAuthority`]; NDES is one of them, with an admin page that hands out its challenges
//! ([`scep::ndes`](crate::scep::ndes)).
//!
//! ```text
//!  place ─► CertificateRequest ── job, due ─► codec.submit, poll, revoke ─► http::Request ─► the host ─► authority
//!                 ▲                                                                                        │
//!                 └── answered ◄── Answer ◄── codec.submitted, polled, revoked ◄── http::Response ◄────────┘
//!                                     └ Trust: for our key, valid, to the pinned authority
//! ```
//!
//! The host carries requests and answers and stores the record; nothing here knows a socket. A certificate is believed when it is for the
//! requested key and leads to the pinned authority ([`Trust`]), whoever delivered it. Tokens, keys and passwords are
//! [`Secret`](crate::secret::Secret)s; a request that is made with one holds it, and a host does not log it.
//!
//! ```no_run
//! use mdm_core::crypto::Provider;
//! use mdm_core::external::venafi::{Token, Venafi};
//! use mdm_core::external::{CertificateRequest, Error, Job, Polling, Trust};
//! use mdm_core::record::Change;
//! use mdm_core::time::Timestamp;
//!
//! /// What the authority is, and how to reach it: `send` is the host's HTTP client, `store` one transaction of its database.
//! struct Platform<S, T> {
//!     venafi: Venafi,
//!     token: Token,
//!     trust: Trust,
//!     send: S,
//!     store: T,
//! }
//!
//! /// Does what a request needs that is due.
//! fn work<S, T>(
//!     platform: &Platform<S, T>,
//!     request: CertificateRequest,
//!     now: Timestamp,
//!     provider: &Provider,
//! ) -> Result<CertificateRequest, Error>
//! where
//!     S: Fn(http::Request<Vec<u8>>) -> http::Response<Vec<u8>>,
//!     T: Fn(&Change<CertificateRequest>),
//! {
//!     let Platform { venafi, token, trust, send, store } = platform;
//!     let (request, answer) = match (request.job(), request.reference().cloned()) {
//!         (Some(Job::Submit), _) => {
//!             let sending = request.sending(now)?;
//!             store(&sending); // written down, and then sent
//!             let order = sending.record.order();
//!             let answer = venafi.submit(&order.csr, &order.id, token).and_then(|message| venafi.submitted(&send(message)));
//!             (sending.record, answer)
//!         }
//!         (Some(Job::Poll), Some(reference)) => {
//!             let expected = trust.expecting(&request.order().csr, now, provider);
//!             let answer = venafi.poll(&reference, token).and_then(|message| venafi.polled(&send(message), &expected));
//!             (request, answer)
//!         }
//!         _ => return Ok(request), // revocations, in the same way
//!     };
//!     let change = match answer {
//!         Ok(answer) => request.answered(answer, &Polling::default(), now)?,
//!         Err(error) => request.failed(&error, &Polling::default(), now)?,
//!     };
//!     store(&change);
//!     Ok(change.record)
//! }
//! ```
//!
//! What the vendors publish is followed; what their public documentation leaves open is a parameter, and says so. None of the codecs has
//! been tried against the vendor's own server.
//!
//! Refused here: certificates for another key, of another authority, or that issue certificates themselves; a second certificate for one
//! request; sending again what may have arrived; HTML where JSON was promised, unknown statuses, bodies past 256 KiB.

pub mod adcs;
mod answer;
pub mod digicert;
mod error;
mod event;
mod polling;
mod request;
mod scep_authority;
mod scep_failure;
mod state;
mod trust;
pub mod venafi;

pub use answer::{Answer, Reference};
pub use error::Error;
pub use event::{RequestEffect, RequestEvent, RequestEventKind};
pub use polling::Polling;
pub use request::{CertificateRequest, Order, RequestId};
pub use scep_authority::{
    AlternativeName, ChallengeSource, KeySize, KeyUses, ProxyCertificates, Route, ScepAuthority, ScepAuthorityEffect,
    ScepAuthorityEvent, ScepAuthorityEventKind, ScepSettings,
};
pub use scep_failure::ScepFailure;
pub use state::{Job, RequestState};
pub use trust::{Expected, Issued, Trust};
