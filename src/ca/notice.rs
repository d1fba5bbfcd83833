//! What an operator is told about an authority.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::authority::AuthorityEventKind;
use super::certificate::CertificateEventKind;
use super::{Authority, CertificateRecord, Effect, Error, GenerationId};
use crate::record::Change;
use crate::time::Timestamp;
use crate::x509::{SerialNumber, Standing};

/// Something an operator must know about a certificate that everything hangs on. Each is told once for each certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Notice {
    /// Which certificate.
    #[serde(flatten)]
    pub about: NoticeSubject,
    /// What about it.
    pub kind: NoticeKind,
    /// When it ends.
    pub not_after: Timestamp,
}

/// Which certificate a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum NoticeSubject {
    /// One of the authority's own.
    #[serde(rename = "generation")]
    Generation(GenerationId),
    /// The signing certificate that an external authority issued to this server.
    #[serde(rename = "signing_certificate")]
    SigningCertificate(SerialNumber),
}

impl fmt::Display for NoticeSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoticeSubject::Generation(generation) => write!(f, "the authority's certificate {generation}"),
            NoticeSubject::SigningCertificate(serial) => write!(f, "the external signing certificate {serial}"),
        }
    }
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
    /// It has ended: an authority issues nothing now, and what an external signing certificate signs is believed by no device.
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
        let Notice { about, not_after, .. } = self;
        match self.kind {
            NoticeKind::Expiring => write!(f, "{about} expires at {not_after}; renew it"),
            NoticeKind::ExpiringToday => write!(f, "{about} expires today at {not_after}"),
            NoticeKind::Expired => write!(f, "{about} expired at {not_after}; nothing can be signed with it"),
            NoticeKind::Renewed => write!(f, "the authority was renewed; {about} is in use until {not_after}"),
            NoticeKind::RenewalFailed => {
                write!(f, "renewing the authority failed ({about}); do not renew again before the cause is known")
            }
        }
    }
}

/// What an operator must look at when the authority is renewed, beyond what renews itself.
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
    /// More computers than renew at once without anybody noticing: choose the hour *before* the authority is renewed. Not one of
    /// [`Attention::ALL`]; [`Attention::of_fleet`] tells whether it is to be said.
    Fleet,
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

    /// More computers than this are worth a warning before the authority is renewed (J15).
    pub const MANY_COMPUTERS: u64 = 500;

    /// What an operator is warned of before he renews an authority that so many enrolled computers have certificates of: each owes a
    /// renewal at once then ([`RenewalDue::AuthorityRenewed`](super::RenewalDue::AuthorityRenewed)).
    pub fn of_fleet(computers: u64) -> Option<Attention> {
        (computers > Self::MANY_COMPUTERS).then_some(Attention::Fleet)
    }
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
            Attention::Fleet => "more than 500 computers renew their certificates at once: choose the hour before renewing",
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
        let notice = NoticeKind::at(at, not_after, self.settings().notice_days)
            .map(|kind| Notice { about: NoticeSubject::Generation(active.id), kind, not_after })
            .filter(|notice| !self.was_told(notice));
        Ok(match notice {
            Some(notice) => self.clone().then(AuthorityEventKind::Noticed { notice }, at, vec![Effect::Notify(notice)]),
            None => Change::none(self.clone()),
        })
    }
}

impl NoticeKind {
    /// What there is to tell at this moment of a certificate that ends then.
    fn at(now: Timestamp, not_after: Timestamp, notice_days: u32) -> Option<Self> {
        let day = |moment: Timestamp| moment.unix().div_euclid(86_400);
        match now {
            now if now > not_after => Some(NoticeKind::Expired),
            now if day(now) == day(not_after) => Some(NoticeKind::ExpiringToday),
            now if now >= not_after.plus_days(i64::from(notice_days).saturating_neg()) => Some(NoticeKind::Expiring),
            _ => None,
        }
    }
}

impl CertificateRecord {
    /// What the operator must be told of this signing certificate at this moment and was not told yet: nothing, or one notice. For
    /// the certificate that an external authority issued to this server and that the host has
    /// [recorded](CertificateRecord::record); asked once a day or oftener, as [`Authority::notices`]. One that was revoked is
    /// replaced already.
    pub fn signing_notices(&self, notice_days: u32, now: Timestamp) -> Change<Self> {
        let not_after = self.validity().not_after;
        let in_use = matches!(self.standing(now), Standing::InForce | Standing::NotYet(_) | Standing::Expired(_));
        match NoticeKind::at(now.max(self.latest()), not_after, notice_days) {
            Some(kind) if in_use && !self.was_told(kind) => {
                let notice = Notice { about: NoticeSubject::SigningCertificate(self.serial()), kind, not_after };
                self.clone().then(CertificateEventKind::Noticed { kind }, now, vec![Effect::Notify(notice)])
            }
            _ => Change::none(self.clone()),
        }
    }
}
