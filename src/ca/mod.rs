//! The certificate authority: what it issues, revokes and lists, and the authority's own certificates.
//!
//! Owns three kinds of records. An [`Authority`] holds its own certificates, its services and the numbers of its revocation lists. A
//! [`CertificateRecord`] holds one certificate from its reservation on; a [`RequestRecord`] one request that waits for a verdict. None
//! knows the other certificates: a host with ten million devices loads the one record that a request names, and the authority's.
//!
//! Every decision is a pure function that gives a [`Change`](crate::record::Change): the record as it is now, the events that led there, and the
//! [`Effect`]s that follow. The host stores it, and then acts. What leaves a trace outside is written down first: the bytes of a
//! certificate before they are signed, the number of a revocation list before it is spent, a revocation before anybody is told.
//! Wherever a host stops, it goes on with what it has stored; no serial number is used twice and none is lost.
//!
//! Refused here: issuing what would outlive the authority or make another one, answering one request with two certificates,
//! undoing a revocation, spending a number twice, acting on a clock that runs backwards. Private keys never pass through: signing
//! is [`ToBeSigned`](crate::crypto::ToBeSigned).
//!
//! ```text
//!                    ┌───────────── Authority ─────────────┐
//!   create ─────────►│ generations · services · CRL numbers │
//!                    └──┬───────────────┬──────────────┬────┘
//!               reserve │        resume │     plan_crl │ crl
//!                       ▼               ▼              ▼
//!              ┌─ CertificateRecord ─┐            revocation list
//!              │ reserved → issued → │                 ▲
//!              │ held · revoked ...  │── crl_entry ────┘
//!              └──────────┬──────────┘
//!                         └── standing(now) ──► enrollment, renewal
//! ```
//!
//! # Example: from nothing to a device's certificate, and its end
//!
//! ```
//! # #[cfg(feature = "rustcrypto")] {
//! use mdm_core::ca::{Authority, CertificateRecord, Creation, IssuanceRequest, Profile};
//! use mdm_core::crypto::{Error as CryptoError, KeyKind, Legacy, Provider, Random, SigningKey};
//! use mdm_core::record::{Change, Record};
//! use mdm_core::time::Timestamp;
//! use mdm_core::x509::{CsrTemplate, Name, RevocationReason, Standing};
//!
//! struct Os;
//! impl Random for Os {
//!     fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
//!         getrandom::fill(dest).map_err(|_| CryptoError::Random)
//!     }
//! }
//! // One transaction of the host's database: the record under its revision, the events, the effects.
//! fn store<R: Record>(change: &Change<R>) {}
//!
//! let provider = Provider::rustcrypto(&Os);
//! let now: Timestamp = "2026-11-21T12:00:00Z".parse()?;
//!
//! // A certificate authority, with nothing to configure.
//! let ca_key = provider.load(&provider.generate(KeyKind::P256)?)?;
//! let created = Authority::create(&Creation::new("builtin", "Example", ca_key.public_key().clone()), now, &provider)?;
//! store(&created);
//! let signed = created.record.to_be_signed(now, &provider)?.expect("its own certificate").sign_with(&ca_key)?;
//! store(&signed);
//! let authority = signed.record;
//!
//! // A device asks.
//! # let device_key = provider.load(&provider.generate(KeyKind::P256)?)?;
//! # let device = CsrTemplate::new(Name::builder().common_name("Device 7").build()?, device_key.public_key().clone());
//! # let csr = device.to_be_signed(device_key.algorithm(), &provider)?.sign_with(&device_key)?;
//! let csr = csr.verify(&provider, Legacy::NONE)?;
//! let profile = Profile::device_identity();
//! let reserved = authority.reserve(&IssuanceRequest::new(&csr, "transaction 1", &profile), None, now, &provider)?;
//! store(reserved.change());
//! let issued = reserved.sign_with(&ca_key)?;
//! store(&issued);
//! let record: CertificateRecord = issued.record;
//! println!("{}", record.certificate().expect("it is signed").to_pem());
//! assert_eq!(record.standing(now), Standing::InForce);
//!
//! // The device is lost.
//! let revoked = record.revoke(RevocationReason::KeyCompromise, None, now)?;
//! store(&revoked);
//! assert_eq!(revoked.record.standing(now), Standing::Revoked(now));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authority;
mod backup;
mod certificate;
mod creation;
mod crl;
mod error;
mod event;
mod export;
mod generation;
mod inventory;
mod issuance;
mod notice;
mod ocsp;
mod profile;
mod renewal;
mod request;
mod revocation;
mod scope;
mod settings;
mod state;

pub use authority::{Authority, AuthorityEvent, AuthorityEventKind};
pub use backup::Restored;
pub use certificate::{CertificateEvent, CertificateEventKind, CertificateRecord, Holder, Recorded, Reservation};
pub use creation::Creation;
pub use crl::{CrlBase, CrlPlan, IssuedCrl};
pub use error::{Error, Refusal};
pub use event::Effect;
pub use export::{Export, ExportFormat, Row};
pub use generation::{CrossCertificate, Generation, GenerationId, KeyId, Planned, Role, Service, ServiceCertificate};
pub use inventory::Inventory;
pub use issuance::{IssuanceRequest, RequestKey, Reserved};
pub use notice::{Attention, Notice, NoticeKind, NoticeSubject};
pub use ocsp::Responder;
pub use profile::{AlternativeNamesPolicy, KeyPolicy, PastIssuer, Profile, SubjectPolicy};
pub use renewal::{Next, Renewal, RenewalDue, RenewalPolicy, RenewalState};
pub use request::{RequestEvent, RequestEventKind, RequestRecord, RequestState, Submission};
pub use revocation::{Move, Revocation};
pub use scope::{CrlParts, CrlScope};
pub use settings::Settings;
pub use state::{State, Status};
