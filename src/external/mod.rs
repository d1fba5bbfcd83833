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
pub use state::{Job, RequestState};
pub use trust::{Expected, Issued, Trust};
