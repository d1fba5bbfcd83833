//! The server's side: from the body of a request to the body of a reply, one owned step after the other.

/// What every step after the opening tells of its sender, and the answer that is open to every one of them. The step has a
/// `received` method.
macro_rules! sender {
    ($name:ident) => {
        impl $name {
            /// The certificate whose key signed the request, to which the answer will be encrypted.
            pub fn signer(&self) -> &$crate::x509::Certificate {
                self.received().signer()
            }

            /// The client's name for the operation.
            pub fn transaction_id(&self) -> &$crate::scep::TransactionId {
                self.received().transaction_id()
            }

            /// The operation and the key that runs it.
            pub fn transaction(&self) -> $crate::scep::Transaction {
                self.received().transaction()
            }

            /// What tells this message from every other.
            pub fn replay_key(&self) -> $crate::scep::ReplayKey {
                self.received().replay_key()
            }

            /// Denies the request: [`FailInfo::BadCertId`]($crate::scep::FailInfo::BadCertId) when it asks for what is not there.
            pub fn deny(self, reason: $crate::scep::FailInfo) -> $crate::scep::Reply {
                self.received().deny_because_of(reason)
            }
        }
    };
}

mod authorized;
mod lookup;
mod poll;
mod received;
mod reply;
mod request;

pub use authorized::Authorized;
pub use lookup::{GetCert, GetCrl};
pub use poll::{CertPoll, Held};
pub use received::{Received, Recipient, ReplayKey, Transaction};
pub use reply::{Refused, Reply, Signer};
pub use request::{PkcsReq, RenewalAuthority, RenewalReq, Request};
