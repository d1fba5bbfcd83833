//! Standing between devices and somebody else's SCEP server.
//!
//! A proxy that only passes messages on relays every body as it is and reads the outside with [`PkiMessage`](super::PkiMessage): the
//! transaction, the type and the signer. It sees neither request nor certificate, and offers what the server behind it offers. Whose message
//! it is it knows from the URL that it gave to the device ([`PathIdentifier`]); what it passes on, and how it asks, [`passed_on`] says.
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
use super::operation::unescape;
use super::{Authorized, CertPoll, FailInfo, Held, Operation, Recipient, Refused, Reply};
use crate::crypto::{Provider, ToBeSigned};
use crate::scep::Error;
use crate::web;
use crate::x509::Certificate;

/// For whom a URL was made: the names that a proxy puts into the last segment of the path of a device's SCEP URL, such as those of a device
/// and a profile, and finds there again. It proves nothing, since whoever sees the URL can use it; a name that must not be guessed goes in as
/// one of the parts.
///
/// ```
/// use mdm_core::scep::proxy::PathIdentifier;
///
/// let identifier = PathIdentifier::new(["00008120-000A1B2C3D4E5F60", "wifi, floor 2"])?;
/// assert_eq!(identifier.to_segment(), "00008120-000A1B2C3D4E5F60,wifi%2C%20floor%202");
/// assert_eq!(PathIdentifier::from_segment(&identifier.to_segment())?, identifier);
/// # Ok::<(), mdm_core::scep::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathIdentifier(Vec<String>);

impl PathIdentifier {
    /// The most parts of an identifier.
    pub const MAX_PARTS: usize = 8;
    /// The longest part, in octets of UTF-8.
    pub const MAX_PART: usize = 256;

    /// From its parts.
    ///
    /// # Errors
    /// [`Error::Query`] when there are none or more than [`PathIdentifier::MAX_PARTS`], or one is empty, longer than
    /// [`PathIdentifier::MAX_PART`] or holds a control character.
    pub fn new<T: Into<String>>(parts: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let parts: Vec<String> = parts.into_iter().map(T::into).collect();
        let good = |part: &String| (1..=Self::MAX_PART).contains(&part.len()) && !part.chars().any(char::is_control);
        if (1..=Self::MAX_PARTS).contains(&parts.len()) && parts.iter().all(good) {
            Ok(PathIdentifier(parts))
        } else {
            Err(Error::Query("the identifier in the path"))
        }
    }

    /// Reads a segment as it stands in the request line, percent-escapes and all.
    ///
    /// # Errors
    /// [`Error::Query`].
    pub fn from_segment(segment: &str) -> Result<Self, Error> {
        // Each octet takes three in an escape, and a comma stands between two parts.
        if segment.len() > Self::MAX_PARTS.saturating_mul(Self::MAX_PART.saturating_mul(3).saturating_add(1)) {
            return Err(Error::Query("too long"));
        }
        Self::new(segment.split(',').map(unescape).collect::<Result<Vec<String>, Error>>()?)
    }

    /// The segment, everything in it escaped that is not plain.
    pub fn to_segment(&self) -> String {
        self.0.iter().map(|part| web::escape(part)).collect::<Vec<_>>().join(",")
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[String] {
        &self.0
    }
}

/// The query with which a proxy that only passes messages on asks the server behind it for the same; the body of a POST goes along as it is.
///
/// # Errors
/// [`Error::Query`] for GetNextCACert: its answer is signed by the CA behind, which the device may not know, and nothing that is passed on may
/// change whom a device trusts.
pub fn passed_on(operation: &Operation) -> Result<String, Error> {
    match operation {
        Operation::GetCaCaps { .. } | Operation::GetCaCert { .. } | Operation::PkiOperation { .. } => Ok(operation.to_query()),
        Operation::GetNextCaCert { .. } => Err(Error::Query("GetNextCACert is not passed on")),
    }
}

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
