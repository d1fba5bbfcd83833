//! What an operator is told about an authority.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::authority::AuthorityEventKind;
use super::{Authority, Effect, Error, GenerationId};
use crate::record::Change;
use crate::time::Timestamp;

/// Something an operator must know about the authority's own certificate. Each is told once for each generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Notice {
    /// Which of its certificates.
    pub generation: GenerationId,
    /// What about it.
    pub kind: NoticeKind,
    /// When it ends.
    pub not_after: Timestamp,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum NoticeKind {
    /// It ends within [`Settings::notice_days`](super::Settings::notice_days).
    #[serde(rename = "expiring")]
    Expiring,
    /// It ends on this day, in UTC.
    #[serde(rename = "expiring-today")]
    ExpiringToday,
    /// It has ended: devices that enrol now cannot be managed, and nothing is issued.
    #[serde(rename = "expired")]
    Expired,
    /// It is in use since the authority was renewed; [`Attention::ALL`] lists what to look at now.
    #[serde(rename = "renewed")]
    Renewed,
    /// The renewal that was to bring it into use failed. Another one is refused until an operator acknowledges that.
    #[serde(rename = "renewal-failed")]
    RenewalFailed,
}

impl fmt::Display for Notice {
    /// A line for a log or a mail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Notice { generation, not_after, .. } = self;
        match self.kind {
            NoticeKind::Expiring => write!(f, "the authority's certificate {generation} expires at {not_after}; renew it"),
            NoticeKind::ExpiringToday => write!(f, "the authority's certificate {generation} expires today at {not_after}"),
            NoticeKind::Expired => {
                write!(f, "the authority's certificate {generation} expired at {not_after}; nothing is issued")
            }
            NoticeKind::Renewed => {
                write!(f, "the authority was renewed; its certificate {generation} is in use until {not_after}")
            }
            NoticeKind::RenewalFailed => {
                write!(
                    f,
                    "renewing the authority failed (certificate {generation}); do not renew again before the cause is known"
                )
            }
        }
    }
}

/// What an operator must look at once the authority was renewed, beyond what renews itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Attention {
    /// The certificate of the web server, when the authority issued it: replace it first, or devices lose the server.
    WebServer,
    /// Certificates that were issued for requests of other programs: issue them again.
    CertificatesForRequests,
    /// Configuration profiles that are signed with a certificate of the authority: sign and send them again.
    ProfileSigning,
    /// Distribution points and other servers over HTTPS that trust the authority, or have a certificate of it.
    DistributionPoints,
    /// The token of Automated Device Enrollment, when its key pair was issued by the authority.
    EnrollmentToken,
    /// Profiles of Apple Education support: they carry certificates of every student, and are sent again with much traffic.
    Education,
    /// Plug-ins and programs that hold a copy of the authority's certificate.
    Integrations,
}

impl Attention {
    /// All of them, the most urgent first.
    pub const ALL: [Attention; 7] = [
        Attention::WebServer,
        Attention::CertificatesForRequests,
        Attention::ProfileSigning,
        Attention::DistributionPoints,
        Attention::EnrollmentToken,
        Attention::Education,
        Attention::Integrations,
    ];
}

impl fmt::Display for Attention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Attention::WebServer => "the web server's certificate: replace it first, or devices lose the server",
            Attention::CertificatesForRequests => "certificates issued for requests of other programs: issue them again",
            Attention::ProfileSigning => "signed configuration profiles: sign and send them again",
            Attention::DistributionPoints => "distribution points and other HTTPS servers that trust the authority",
            Attention::EnrollmentToken => "the token of Automated Device Enrollment",
            Attention::Education => "education profiles: they are sent again, with much traffic",
            Attention::Integrations => "programs that hold a copy of the authority's certificate",
        })
    }
}

impl Authority {
    /// What the operator must be told at this moment and was not told yet: nothing, or one notice about the certificate in use.
    /// A host asks once a day or oftener.
    ///
    /// ```text
    ///   notAfter - notice_days      the day of notAfter      notAfter
    ///        └─ Expiring                  └─ ExpiringToday       └─ Expired
    /// ```
    ///
    /// # Errors
    /// [`Error::NoCertificate`], [`Error::ClockBackwards`].
    pub fn notices(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        let active = self.active()?;
        let at = self.check_clock(now)?;
        let not_after = active.certificate.validity().not_after;
        let day = |moment: Timestamp| moment.unix().div_euclid(86_400);
        let notice_from = not_after.plus_days(i64::from(self.settings().notice_days).saturating_neg());
        let kind = match at {
            at if at > not_after => NoticeKind::Expired,
            at if day(at) == day(not_after) => NoticeKind::ExpiringToday,
            at if at >= notice_from => NoticeKind::Expiring,
            _ => return Ok(Change::none(self.clone())),
        };
        let notice = Notice { generation: active.id, kind, not_after };
        if self.was_told(&notice) {
            return Ok(Change::none(self.clone()));
        }
        Ok(self.clone().then(AuthorityEventKind::Noticed { notice }, at, vec![Effect::Notify(notice)]))
    }
}
