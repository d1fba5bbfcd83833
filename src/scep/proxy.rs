//! Standing between devices and somebody else's SCEP server.
//!
//! A proxy that only passes messages on relays every body as it is and reads the outside with [`PkiMessage`](super::PkiMessage): the
//! transaction, the type and the signer. It sees neither request nor certificate, and offers what the server behind it offers.
//!
//! A proxy that ends the exchange is an RA of its own. It opens and authorizes a request as a server does, and instead of issuing asks the server
//! behind it, with the same proven CSR and a signer of its own:
//!
//! ```text
//! device ─► Received ─► Authorized ── relay ─► Relaying ── request ─► Sent ── message ─► server
//! device ◄─ Reply ◄──────────────────────────────────── receive ◄──────── reply ◄─────┘
//!              │ PENDING: store Relay; the device's CertPoll ── relay(&Relay) ─► Relaying
//! ```
//!
//! Transaction identifiers and nonces of the two sides are never mixed, and the certificate is encrypted anew to the device. What the server
//! behind refuses is refused to the device for the same reason; what it leaves undecided is left undecided.

use serde::{Deserialize, Serialize};

use super::client::{self, Enrollment, Granted, Outcome};
use super::{Authorized, CertPoll, FailInfo, Held, Recipient, Refused, Reply};
use crate::crypto::{Provider, ToBeSigned};
use crate::scep::Error;
use crate::x509::Certificate;

/// A device's request that is pending at the server behind the proxy: what the host stores under the device's transaction identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    held: Held,
    enrollment: Enrollment,
}

impl Relay {
    /// The device's side.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// The server's side.
    pub fn enrollment(&self) -> &Enrollment {
        &self.enrollment
    }
}

/// A device's request on its way through the proxy.
#[derive(Debug)]
pub struct Relaying {
    authorized: Authorized,
    enrollment: Enrollment,
}

impl Authorized {
    /// Asks another server for the certificate. `signer` is the proxy's own: a certificate whose key signs towards that server and opens
    /// its replies, such as [`Enrollment::self_signed`] makes for a key of the proxy's.
    ///
    /// # Errors
    /// [`Refused`] with [`Error::Crypto`] when there is no randomness.
    pub fn relay(self, signer: Certificate, provider: &Provider) -> Result<Relaying, Refused> {
        match Enrollment::first(self.csr().as_ref().clone(), signer, provider) {
            Ok(enrollment) => Ok(Relaying { authorized: self, enrollment }),
            Err(error) => Err(self.refused(error)),
        }
    }
}

impl CertPoll {
    /// Asks the other server again, when the poll belongs to what was stored.
    ///
    /// # Errors
    /// [`Refused`] with [`Error::Poll`].
    pub fn relay(self, relay: &Relay) -> Result<Relaying, Refused> {
        Ok(Relaying { authorized: self.approved(&relay.held)?, enrollment: relay.enrollment.clone() })
    }
}

impl Relaying {
    /// The message to send to the other server.
    ///
    /// # Errors
    /// As [`Enrollment::request`].
    pub fn request(&self, server: &client::Server, provider: &Provider) -> Result<(client::Sent, ToBeSigned<Vec<u8>>), Error> {
        self.enrollment.request(server, provider)
    }

    /// Makes the device's reply of the server's. `recipient` is the proxy's signer with its key, which opens the certificate.
    ///
    /// # Errors
    /// [`Refused`]: those of [`client::Sent::receive`] and [`Granted::open`], which have no SCEP answer but HTTP 502, and those of
    /// [`Authorized::grant`].
    pub fn receive(
        self,
        sent: &client::Sent,
        reply: &[u8],
        recipient: &Recipient<'_>,
        server: &client::Server,
        provider: &Provider,
    ) -> Result<Relayed, Refused> {
        match sent.receive(reply, server, provider) {
            Ok(Outcome::Granted(granted)) => self.granted(&granted, recipient),
            Ok(Outcome::Denied { fail_info, text }) => {
                let reply = self.authorized.deny(fail_info.unwrap_or(FailInfo::BadRequest));
                Ok(Relayed::Answered(match text {
                    Some(text) => reply.because(&text),
                    None => reply,
                }))
            }
            Ok(Outcome::Pending) => Ok(self.pending()),
            Err(error) => Err(self.authorized.refused(error.upstream())),
        }
    }

    fn granted(self, granted: &Granted, recipient: &Recipient<'_>) -> Result<Relayed, Refused> {
        match granted.open(recipient) {
            Ok(issued) => {
                let certificate = issued.certificate.clone();
                Ok(Relayed::Issued { reply: self.authorized.grant(&issued.certificate)?, certificate })
            }
            Err(error) => Err(self.authorized.refused(error.upstream())),
        }
    }

    fn pending(mut self) -> Relayed {
        let wait = self.enrollment.waiting();
        let (held, reply) = self.authorized.hold();
        Relayed::Pending { reply, relay: Box::new(Relay { held, enrollment: self.enrollment }), wait }
    }
}

/// What becomes of a device's request.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle each outcome")]
pub enum Relayed {
    /// The other server issued.
    Issued {
        /// What to answer to the device.
        reply: Reply,
        /// The certificate, for the host's records.
        certificate: Certificate,
    },
    /// The other server refused: what to answer to the device.
    Answered(Reply),
    /// The other server has not decided.
    Pending {
        /// What to answer to the device.
        reply: Reply,
        /// What to store until the device polls.
        relay: Box<Relay>,
        /// How many seconds the other server should be left in peace.
        wait: u32,
    },
}
