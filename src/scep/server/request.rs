//! Requests that were opened, and the decision about each (RFC 8894 sections 3.3.1 to 3.3.5).

use super::authorized::Authorized;
use super::lookup::{GetCert, GetCrl};
use super::poll::{CertPoll, Held};
use super::received::Received;
use super::reply::{Refused, Reply};
use crate::asn1::{Error as Asn1Error, Reader};
use crate::scep::{Challenge, Error, MessageType};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::x509::{Certificate, Csr, Name, ProvenCsr, SerialNumber, Standing};

/// A request that was opened. Each kind leads to a reply by its own way, and none of them leads to a certificate without a decision.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a host must answer every kind of request")]
pub enum Request {
    /// A first certificate, for whoever knows the challenge.
    PkcsReq(PkcsReq),
    /// A new certificate, for the holder of one that is in force.
    RenewalReq(RenewalReq),
    /// Whether a pending request has been decided.
    CertPoll(CertPoll),
    /// A certificate that was issued before.
    GetCert(GetCert),
    /// The revocation list.
    GetCrl(GetCrl),
}

/// What stood in the envelope.
pub(super) enum Opened {
    Csr(ProvenCsr, Option<Secret>),
    Subject { issuer: Name, subject: Name },
    Serial { issuer: Name, serial: SerialNumber },
}

/// Why the content of an envelope is none. From outside the two must look alike, and like an envelope that never decrypted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not what the type of the message announces.
    Garbled,
    /// It is a request whose signature was verified and does not hold, or whose challenge cannot be read.
    Unproven,
}

impl Opened {
    /// Reads the content of the envelope.
    pub(super) fn read(received: &Received, plain: &Secret) -> Result<Self, Unread> {
        match received.message_type() {
            MessageType::PkcsReq | MessageType::RenewalReq => {
                let csr = Csr::from_der(plain.expose()).map_err(|_| Unread::Garbled)?;
                let csr = csr.verify(&received.provider, received.peer.legacy).map_err(|_| Unread::Unproven)?;
                Self::read_challenge(received, &csr).map(|challenge| Opened::Csr(csr, challenge)).ok_or(Unread::Unproven)
            }
            _ => Self::read_question(received, plain).ok_or(Unread::Garbled),
        }
    }

    /// The challenge, if there is one; `None` when it cannot be read as one.
    fn read_challenge(received: &Received, csr: &Csr) -> Option<Option<Secret>> {
        if !csr.challenge_tag().is_none_or(|tag| received.peer.oddities.accept_challenge(tag)) {
            return None;
        }
        let signed = received.message.signed_challenge().filter(|_| received.peer.signed_challenge);
        Some(csr.challenge_password().ok()?.or_else(|| signed.cloned()))
    }

    fn read_question(received: &Received, plain: &Secret) -> Option<Self> {
        let two = |read: &dyn Fn(&mut Reader<'_>) -> Result<Opened, Asn1Error>| {
            let mut outer = Reader::new(plain.expose());
            let mut inner = outer.sequence().ok()?;
            outer.finish().ok()?;
            let opened = read(&mut inner).ok()?;
            inner.finish().ok().map(|()| opened)
        };
        match received.message_type() {
            MessageType::CertPoll => two(&|inner| {
                let issuer = Name::read(inner)?;
                Ok(Opened::Subject { issuer, subject: Name::read(inner)? })
            }),
            MessageType::GetCert | MessageType::GetCrl => two(&|inner| {
                let issuer = Name::read(inner)?;
                Ok(Opened::Serial { issuer, serial: SerialNumber::read(inner)? })
            }),
            _ => None,
        }
    }
}

sender!(Request);

impl Request {
    pub(super) fn new(received: Received, content: Opened) -> Self {
        let received = Box::new(received);
        match content {
            Opened::Csr(csr, challenge) if received.message_type() == MessageType::RenewalReq => {
                Request::RenewalReq(RenewalReq(Enrolling { received, csr, challenge }))
            }
            Opened::Csr(csr, challenge) => Request::PkcsReq(PkcsReq(Enrolling { received, csr, challenge })),
            Opened::Subject { issuer, subject } => Request::CertPoll(CertPoll { received, issuer, subject }),
            Opened::Serial { issuer, serial } if received.message_type() == MessageType::GetCert => {
                Request::GetCert(GetCert { received, issuer, serial })
            }
            Opened::Serial { issuer, serial } => Request::GetCrl(GetCrl { received, issuer, serial }),
        }
    }

    fn received(&self) -> &Received {
        match self {
            Request::PkcsReq(request) => &request.0.received,
            Request::RenewalReq(request) => &request.0.received,
            Request::CertPoll(request) => &request.received,
            Request::GetCert(request) => &request.received,
            Request::GetCrl(request) => &request.received,
        }
    }

    /// What is asked.
    pub fn message_type(&self) -> MessageType {
        self.received().message_type()
    }
}

/// What PKCSReq and RenewalReq have in common.
#[derive(Debug)]
pub(super) struct Enrolling {
    pub received: Box<Received>,
    pub csr: ProvenCsr,
    pub challenge: Option<Secret>,
}

impl Enrolling {
    fn refused(self, error: Error) -> Refused {
        self.received.refused(error)
    }

    fn authorized(self) -> Authorized {
        Authorized { received: self.received, csr: self.csr, challenge: self.challenge }
    }
}

/// The accessors and decisions that PKCSReq and RenewalReq share.
macro_rules! enrolling {
    ($name:ident) => {
        sender!($name);

        impl $name {
            fn received(&self) -> &Received {
                &self.0.received
            }

            /// The request for a certificate, to decide with. It becomes a [`ProvenCsr`], from which a certificate can be made,
            /// with the authorisation.
            pub fn csr(&self) -> &Csr {
                &self.0.csr
            }

            /// The challenge that came with the request.
            pub fn challenge(&self) -> Option<&Secret> {
                self.0.challenge.as_ref()
            }

            /// Leaves the request undecided: the record to store, and the reply that tells the client to poll.
            pub fn hold(self) -> (Held, Reply) {
                let held = Held::new(&self.0.received, &self.0.csr);
                (held, Reply::pending(self.0.received.exchange()))
            }
        }
    };
}

/// PKCSReq: somebody asks for a first certificate (RFC 8894 section 3.3.1).
///
/// The key that signed it is often that of the request itself, and need not be: an MDM client or an RA signs with a key of its own.
///
/// ```no_run
/// # use mdm_core::{scep::{Challenge, PkcsReq, Refused, Reply}, secret::Secret, x509::{Certificate, ProvenCsr}};
/// fn decide(request: PkcsReq, challenge: &Secret, issue: impl Fn(&ProvenCsr) -> Certificate) -> Result<Reply, Refused> {
///     let authorized = request.authorize(Challenge::Fixed(challenge))?;
///     let certificate = issue(authorized.csr());
///     authorized.grant(&certificate)
/// }
/// ```
#[derive(Debug)]
pub struct PkcsReq(pub(super) Enrolling);

enrolling!(PkcsReq);

impl PkcsReq {
    /// Decides about the challenge, with the whole request in hand. Who knows a challenge may not have any name for that: look at
    /// [`PkcsReq::csr`] as well (CERT VU#971035).
    ///
    /// # Errors
    /// [`Refused`] with [`Error::Challenge`].
    pub fn authorize(self, challenge: Challenge<'_>) -> Result<Authorized, Refused> {
        let Enrolling { received, challenge: presented, .. } = &self.0;
        if challenge.accepts(presented.as_ref(), &received.transaction(), &received.provider) {
            Ok(self.0.authorized())
        } else {
            Err(self.0.refused(Error::Challenge))
        }
    }

    /// Treats the request as a renewal. Older clients (sscep among them) renew with a PKCSReq that is signed by the certificate they
    /// have.
    pub fn into_renewal(self) -> RenewalReq {
        RenewalReq(self.0)
    }
}

/// RenewalReq: the holder of a certificate asks for a new one (RFC 8894 section 3.3.1.2).
///
/// That it is signed by some certificate proves nothing: everybody can make one. [`RenewalReq::authorize`] checks that it is one of this
/// CA's, and takes from the host what only the host knows.
#[derive(Debug)]
pub struct RenewalReq(pub(super) Enrolling);

enrolling!(RenewalReq);

impl RenewalReq {
    /// The certificate to be renewed; the same as [`RenewalReq::signer`].
    pub fn renewal_of(&self) -> &Certificate {
        self.signer()
    }

    /// Decides whether the certificate that signed the request entitles to a new one: issued by one of these keys, in force now, and
    /// of good standing in the host's records.
    ///
    /// # Errors
    /// [`Refused`] with [`Error::Renewal`].
    pub fn authorize(self, authority: &RenewalAuthority<'_>) -> Result<Authorized, Refused> {
        match self.standing(authority) {
            Standing::InForce => Ok(self.0.authorized()),
            Standing::Expired(_) if self.0.received.peer.expired_renewal => Ok(self.0.authorized()),
            standing => Err(self.0.refused(Error::Renewal(standing))),
        }
    }

    fn standing(&self, authority: &RenewalAuthority<'_>) -> Standing {
        let signer = self.signer();
        let Received { provider, peer, .. } = &*self.0.received;
        let issued = authority
            .issuers
            .iter()
            .filter(|issuer| issuer.subject() == signer.issuer())
            .any(|issuer| signer.verify_signature(issuer.public_key(), provider, peer.legacy).is_ok());
        // A CA's own certificate, or one that may sign others, is nobody's to renew over the wire.
        let is_ours = issued && !signer.is_authority() && !authority.issuers.contains(signer);
        let validity = signer.validity();
        match authority.standing {
            _ if !is_ours => Standing::NotIssued,
            Standing::InForce if authority.now < validity.not_before => Standing::NotYet(validity.not_before),
            Standing::InForce if authority.now > validity.not_after => Standing::Expired(validity.not_after),
            standing => standing,
        }
    }
}

/// What entitles to a renewal.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "each is needed for the decision")]
pub struct RenewalAuthority<'a> {
    /// The certificates of this CA, present and past, whose signatures under device certificates count.
    pub issuers: &'a [Certificate],
    /// What the host's records say of the signer: look [`RenewalReq::renewal_of`] up by its bytes or its serial number.
    pub standing: Standing,
    /// The time of receipt.
    pub now: Timestamp,
}
