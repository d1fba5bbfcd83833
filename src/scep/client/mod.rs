//! The client's side: an enrollment from its first request to its certificate.
//!
//! ```text
//! GetCACaps, GetCACert ─► Server
//! Enrollment ── request ─► Sent ── receive ─► Granted(Sealed) ── open ─► Issued
//!      ▲                    │  └───────────► Denied
//!      └──── waiting ───────┴──────────────► Pending
//! ```
//!
//! An [`Enrollment`] is a record: a host stores it, sends [`Enrollment::request`] as often as answers get lost, and polls with the same call
//! while the server has not decided. What a reply says is believed only when one of the pinned certificates signed it and it answers the
//! very message that was sent.

mod enrollment;
mod exchange;
mod lookup;
mod server;

pub use enrollment::{Enrollment, Granted, Issued, Outcome, Sent};
pub use lookup::{Lookup, LookupOutcome, LookupSent};
pub use server::Server;
