//! What can go wrong between a server and whoever decides about its challenges.

use crate::{web, x509};

/// Why a challenge was not got, or a message about one not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChallengeError {
    /// The service did not answer, or not as it should.
    #[error(transparent)]
    Web(#[from] web::Error),
    /// NDES keeps no more unused passwords (five by default, for an hour each). Use those that were handed out, or wait, or raise
    /// `PasswordMax` in its registry.
    #[error("the password cache of the NDES server is full")]
    PasswordCacheFull,
    /// The account may see the admin page of NDES but not enroll: it needs the Enroll right on the templates.
    #[error("the account has no permission to enroll with SCEP")]
    NoPermission,
    /// The answer holds no challenge.
    #[error("the answer holds no challenge")]
    NoChallenge,
    /// A call that came in shows no credentials or signature, or wrong ones.
    #[error("the caller is not who may call")]
    Unauthenticated,
    /// A call that came in was signed too long ago, or in the future: it may be a replay.
    #[error("the call was made {seconds} seconds from now, more than is allowed")]
    Stale {
        /// How far its time is from now; negative when it is in the future.
        seconds: i64,
    },
    /// A call that came in is about something else.
    #[error("the call is about something else than a SCEP challenge")]
    OtherEvent,
    /// The request or certificate in a message cannot be read.
    #[error("in the message: {0}")]
    X509(#[from] x509::Error),
}

impl ChallengeError {
    /// The HTTP status that answers a call which failed so.
    pub const fn http_status(&self) -> u16 {
        match self {
            ChallengeError::Unauthenticated | ChallengeError::Stale { .. } => 401,
            ChallengeError::Web(web::Error::TooLong(_)) => 413,
            ChallengeError::PasswordCacheFull | ChallengeError::NoPermission | ChallengeError::NoChallenge => 502,
            ChallengeError::Web(_) | ChallengeError::OtherEvent | ChallengeError::X509(_) => 400,
        }
    }
}
