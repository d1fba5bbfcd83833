//! The server's side: from the body of a request to the body of a reply, one owned step after the other.

mod authorized;
mod challenge;
mod lookup;
mod poll;
mod received;
mod reply;
mod request;

pub use authorized::Authorized;
pub use challenge::Challenge;
pub use lookup::{GetCert, GetCrl};
pub use poll::{CertPoll, Held};
pub use received::{Received, Recipient, ReplayKey, Transaction};
pub use reply::{Refused, Reply, Signer};
pub use request::{PkcsReq, RenewalAuthority, RenewalReq, Request};
