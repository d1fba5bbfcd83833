//! Challenges that somebody else decides about: a webhook, Intune, a person.

use serde::{Deserialize, Serialize};

use super::Challenge;
use crate::scep::{Authorized, CertPoll, Error, Held, PkcsReq, Refused, Reply, Transaction};
use crate::secret::Secret;
use crate::x509::{Certificate, Csr};

/// What somebody is asked: whether the sender of this request, who presents this challenge, may have a certificate.
///
/// It names the transaction with the key that runs it, and holds the whole request: who knows a challenge may not have any name for that.
/// It is a record that a host stores when the answer takes longer than the device waits. It holds the challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    transaction: Transaction,
    csr: Csr,
    challenge: Secret,
}

impl Question {
    /// The operation and the key that runs it.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The request for a certificate.
    pub fn csr(&self) -> &Csr {
        &self.csr
    }

    /// What the sender presents.
    pub fn challenge(&self) -> &Secret {
        &self.challenge
    }

    /// The answer, when the host has decided by itself or by means that this crate does not know.
    pub fn answered(&self, verdict: Verdict) -> Decision {
        Decision { question: self.clone(), verdict }
    }

    /// What is told afterwards when a certificate was issued.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is for another key than the request's.
    pub fn issued(&self, certificate: &Certificate) -> Result<Notification, Error> {
        if certificate.public_key() != self.csr.public_key() {
            return Err(Error::Misuse("the certificate is for another key than the request's"));
        }
        Ok(Notification { question: self.clone(), outcome: Issuance::Issued(certificate.clone()) })
    }

    /// What is told afterwards when none was issued. The code is an HRESULT or the host's own number; of the description at most 255
    /// characters are kept, which is what Intune takes.
    pub fn failed(&self, code: u32, description: &str) -> Notification {
        let description = description.chars().take(255).collect();
        Notification { question: self.clone(), outcome: Issuance::Failed { code, description } }
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "a challenge is accepted or it is not")]
pub enum Verdict {
    /// The sender may have a certificate.
    Accepted,
    /// The sender may not.
    Denied {
        /// Why, in the words of whoever decided; of Intune, its error code first. Not for showing unescaped.
        reason: String,
    },
}

/// An answer to one [`Question`]. It cannot be taken for the answer to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    question: Question,
    verdict: Verdict,
}

impl Decision {
    /// What was asked.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// What was decided.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }
}

/// What became of a request, for whoever decided about it: kept by the host until it has been told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    question: Question,
    outcome: Issuance,
}

impl Notification {
    /// What was asked.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// What became of it.
    pub fn outcome(&self) -> &Issuance {
        &self.outcome
    }
}

/// Whether a certificate was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "one was issued or none was")]
pub enum Issuance {
    /// This one was.
    Issued(Certificate),
    /// None was.
    Failed {
        /// An HRESULT, or the host's own number.
        code: u32,
        /// What went wrong.
        description: String,
    },
}

/// A request that waits for somebody's answer.
///
/// ```text
///            ask              decided(Accepted)
/// PkcsReq ────────► Awaiting ───────────────────► Authorized ── grant ─► Reply
///    │                 │  └── decided(Denied) ──► Refused          └──► Question::issued ─► Notification
///    │ no challenge    └── hold ─► Question, Held, PENDING
///    ▼                                          CertPoll ── decided ─► Authorized
/// Refused
/// ```
///
/// ```no_run
/// # use mdm_core::scep::{PkcsReq, Refused, Reply, intune::{Call, Intune}};
/// # use mdm_core::x509::{Certificate, ProvenCsr};
/// # type Fail = Box<dyn std::error::Error>;
/// fn decide(
///     request: PkcsReq,
///     intune: &Intune,
///     call: Call<'_>,
///     send: impl Fn(http::Request<Vec<u8>>) -> http::Response<Vec<u8>>,
///     issue: impl Fn(&ProvenCsr) -> Certificate,
/// ) -> Result<Result<Reply, Refused>, Fail> {
///     let awaiting = match request.ask() {
///         Ok(awaiting) => awaiting,
///         Err(refused) => return Ok(Err(refused)),
///     };
///     let answer = send(intune.validate(awaiting.question(), call)?);
///     let decision = intune.decision(awaiting.question(), &answer)?; // store it with its question, for the notification
///     Ok(awaiting.decided(&decision).and_then(|authorized| {
///         let certificate = issue(authorized.csr());
///         authorized.grant(&certificate)
///     }))
/// }
/// ```
///
/// The question leaves the host as a message of [`intune`](super::intune) or [`smallstep`](super::smallstep), or in whatever way the host has,
/// and comes back as a [`Decision`] about this very question.
#[derive(Debug)]
#[must_use = "a step that is dropped answers nobody"]
pub struct Awaiting {
    request: PkcsReq,
    question: Question,
}

impl PkcsReq {
    /// Leaves the decision about the challenge to somebody else.
    ///
    /// # Errors
    /// [`Refused`] with [`Error::Challenge`] when no challenge was presented, so that there is nothing to ask about.
    pub fn ask(self) -> Result<Awaiting, Refused> {
        match self.challenge().filter(|challenge| !challenge.is_empty()).cloned() {
            Some(challenge) => {
                let question = Question { transaction: self.transaction(), csr: self.csr().clone(), challenge };
                Ok(Awaiting { request: self, question })
            }
            None => Err(denied(self)),
        }
    }
}

impl Awaiting {
    /// What to ask.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Goes on with the answer.
    ///
    /// # Errors
    /// [`Refused`]: with [`Error::Challenge`] when it is no, with [`Error::Misuse`] when it answers another question.
    pub fn decided(self, decision: &Decision) -> Result<Authorized, Refused> {
        let is_ours = decision.question == self.question;
        match &decision.verdict {
            Verdict::Accepted if is_ours => self.request.authorize(Challenge::AcceptedByHost),
            Verdict::Denied { .. } if is_ours => Err(denied(self.request)),
            _ => Err(self.request.authorize(Challenge::AcceptedByHost)?.refused(OTHER_QUESTION)),
        }
    }

    /// Has the device poll until the answer is there: the question and the request to store, and the reply.
    pub fn hold(self) -> (Question, Held, Reply) {
        let (held, reply) = self.request.hold();
        (self.question, held, reply)
    }
}

const OTHER_QUESTION: Error = Error::Misuse("the decision answers another question");

impl CertPoll {
    /// Goes on with an answer that came after [`Awaiting::hold`].
    ///
    /// # Errors
    /// [`Refused`]: as [`CertPoll::approved`]; with [`Error::Challenge`] when the answer is no, with [`Error::Misuse`] when it answers another
    /// question.
    pub fn decided(self, held: &Held, decision: &Decision) -> Result<Authorized, Refused> {
        let Decision { question, verdict } = decision;
        let is_ours = question.transaction == *held.transaction() && question.csr == *held.csr();
        let authorized = self.approved(held)?;
        match verdict {
            Verdict::Accepted if is_ours => Ok(authorized),
            Verdict::Denied { .. } if is_ours => Err(authorized.refused(Error::Challenge)),
            _ => Err(authorized.refused(OTHER_QUESTION)),
        }
    }
}

/// The refusal of a request whose challenge is wrong.
fn denied(request: PkcsReq) -> Refused {
    // An empty fixed challenge is right for nobody.
    match request.authorize(Challenge::Fixed(&Secret::default())) {
        Err(refused) => refused,
        Ok(authorized) => authorized.refused(Error::Challenge),
    }
}
