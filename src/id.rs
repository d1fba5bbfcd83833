//! Names of things: tenants, enrollments, commands, revisions.
//!
//! An identifier is a type of its own, so that one cannot be passed for another. This module turns the identifiers that a
//! device sends into one [`EnrollmentId`]; it knows nothing of what is stored under it.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The identifier's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                $name(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                $name(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text_id;

text_id! {
    /// The host's name for one customer. What belongs to one tenant is never used for another.
    TenantId
}
text_id! {
    /// The host's name for one certificate authority, which it keeps over every renewal of its certificate.
    AuthorityId
}
text_id! {
    /// `CommandUUID`: the server's name for one queued command, echoed by the device with every answer.
    CommandUuid
}

/// How often a record has been changed. A host stores it beside the record and commits a change only when the stored value is
/// the one it read (optimistic concurrency).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// The revision of a record that was just made.
    pub const FIRST: Revision = Revision(1);

    /// The revision after one more change.
    #[must_use]
    pub const fn next(self) -> Self {
        Revision(self.0.saturating_add(1))
    }

    /// From a count that was read back from a database column; `None` for 0, which no record has.
    pub const fn from_count(count: u64) -> Option<Self> {
        if count == 0 { None } else { Some(Revision(count)) }
    }

    /// The revision before this many events led to this one; `None` when they began the record.
    pub fn before(self, events: usize) -> Option<Self> {
        let events = u64::try_from(events).ok()?;
        self.0.checked_sub(events).and_then(Self::from_count)
    }

    /// The count itself, for a database column.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The identifiers that check-ins and reports carry, as the device sent them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identifiers<'a> {
    /// `UDID`.
    pub udid: Option<&'a str>,
    /// `EnrollmentID`, sent instead of the UDID under User Enrollment.
    pub enrollment_id: Option<&'a str>,
    /// `UserID`, on a user channel.
    pub user_id: Option<&'a str>,
    /// `EnrollmentUserID`, on the user channel under User Enrollment.
    pub enrollment_user_id: Option<&'a str>,
    /// `UserShortName`, which names the user on Shared iPad.
    pub user_short_name: Option<&'a str>,
}

/// The five ways of being enrolled that the protocol tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EnrollmentKind {
    /// A device, by UDID.
    Device,
    /// A user of a Mac, by UDID and UserID.
    User,
    /// A device under User Enrollment, by EnrollmentID.
    UserEnrollmentDevice,
    /// A user under User Enrollment, by EnrollmentID and EnrollmentUserID.
    UserEnrollment,
    /// A user of a Shared iPad, by UDID and short name.
    SharedIpad,
}

impl EnrollmentKind {
    /// Whether this is a channel of a user, which lives and dies with its device's channel.
    pub const fn is_user_channel(self) -> bool {
        matches!(self, EnrollmentKind::User | EnrollmentKind::UserEnrollment | EnrollmentKind::SharedIpad)
    }
}

/// One enrollment: a device's channel, or a user's channel on a device.
///
/// The text form is stable and is what a host uses as its key: the device's identifier, and behind a colon the user's.
///
/// ```
/// use mdm_core::id::{EnrollmentId, EnrollmentKind, Identifiers};
///
/// let id = EnrollmentId::resolve(&Identifiers {
///     udid: Some("564D0CF8-6A1F-4E2C-9D31-2C1B7B0F1E55"),
///     user_id: Some("B1D9CF22-AF3B-4F5E-8B4C-2E7B50F1C6D0"),
///     ..Identifiers::default()
/// })?;
/// assert_eq!(id.kind(), EnrollmentKind::User);
/// assert_eq!(id.device().to_string(), "564D0CF8-6A1F-4E2C-9D31-2C1B7B0F1E55");
/// # Ok::<(), mdm_core::id::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnrollmentId {
    kind: EnrollmentKind,
    device: String,
    user: Option<String>,
}

/// Why identifiers name no enrollment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither `UDID` nor `EnrollmentID` was sent.
    #[error("the message carries neither UDID nor EnrollmentID")]
    NoDevice,
    /// An identifier is empty, longer than 255 bytes, or holds a colon or a control character.
    #[error("{0} is empty, too long, or holds a colon or control character")]
    Unusable(&'static str),
    /// A Shared iPad user without `UserShortName`.
    #[error("a Shared iPad user is named by UserShortName, which the message lacks")]
    NoShortName,
}

/// The `UserID` that every user of a Shared iPad sends; compared without regard to case.
const SHARED_IPAD_USER: &str = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF";

const MAX_LENGTH: usize = 255;

impl EnrollmentId {
    /// A device's own channel, by UDID.
    ///
    /// # Errors
    /// [`Error::Unusable`] for a text that no device sends.
    pub fn device_channel(udid: &str) -> Result<Self, Error> {
        Self::resolve(&Identifiers { udid: Some(udid), ..Identifiers::default() })
    }

    /// The enrollment that these identifiers name. `UDID` wins over `EnrollmentID` when a device sends both.
    ///
    /// # Errors
    /// [`Error`] when no device is named or a text cannot be part of a key.
    pub fn resolve(sent: &Identifiers<'_>) -> Result<Self, Error> {
        if let Some(udid) = sent.udid.filter(|text| !text.is_empty()) {
            let device = usable("UDID", udid)?;
            return match sent.user_id.filter(|text| !text.is_empty()) {
                None => Ok(Self { kind: EnrollmentKind::Device, device, user: None }),
                Some(user) if user.eq_ignore_ascii_case(SHARED_IPAD_USER) => {
                    let name = sent.user_short_name.filter(|text| !text.is_empty()).ok_or(Error::NoShortName)?;
                    Ok(Self { kind: EnrollmentKind::SharedIpad, device, user: Some(usable("UserShortName", name)?) })
                }
                Some(user) => Ok(Self { kind: EnrollmentKind::User, device, user: Some(usable("UserID", user)?) }),
            };
        }
        let device = usable("EnrollmentID", sent.enrollment_id.filter(|text| !text.is_empty()).ok_or(Error::NoDevice)?)?;
        match sent.enrollment_user_id.filter(|text| !text.is_empty()) {
            None => Ok(Self { kind: EnrollmentKind::UserEnrollmentDevice, device, user: None }),
            Some(user) => {
                Ok(Self { kind: EnrollmentKind::UserEnrollment, device, user: Some(usable("EnrollmentUserID", user)?) })
            }
        }
    }

    /// Which of the five kinds this is.
    pub const fn kind(&self) -> EnrollmentKind {
        self.kind
    }

    /// The device's channel under which this channel stands; the same enrollment when it is one itself.
    #[must_use]
    pub fn device(&self) -> EnrollmentId {
        let kind = match self.kind {
            EnrollmentKind::Device | EnrollmentKind::User | EnrollmentKind::SharedIpad => EnrollmentKind::Device,
            EnrollmentKind::UserEnrollmentDevice | EnrollmentKind::UserEnrollment => EnrollmentKind::UserEnrollmentDevice,
        };
        EnrollmentId { kind, device: self.device.clone(), user: None }
    }

    /// The device's own identifier: its UDID, or its EnrollmentID under User Enrollment.
    pub fn device_identifier(&self) -> &str {
        &self.device
    }

    /// The user's part of the name, on a user channel.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

impl fmt::Display for EnrollmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            None => f.write_str(&self.device),
            Some(user) => write!(f, "{}:{user}", self.device),
        }
    }
}

/// The colon parts device from user in the key, so neither may hold one.
fn usable(name: &'static str, text: &str) -> Result<String, Error> {
    let fits = !text.is_empty() && text.len() <= MAX_LENGTH && !text.chars().any(|c| c == ':' || c.is_control());
    if fits { Ok(text.to_owned()) } else { Err(Error::Unusable(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        udid: &str,
        enrollment: &str,
        user: &str,
        enrollment_user: &str,
        short: &str,
    ) -> Result<(EnrollmentKind, String), Error> {
        let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
        EnrollmentId::resolve(&Identifiers {
            udid: some(udid),
            enrollment_id: some(enrollment),
            user_id: some(user),
            enrollment_user_id: some(enrollment_user),
            user_short_name: some(short),
        })
        .map(|id| (id.kind(), id.to_string()))
    }

    #[test]
    fn each_of_the_five_kinds_has_its_key() {
        assert_eq!(resolve("D", "", "", "", ""), Ok((EnrollmentKind::Device, "D".into())));
        assert_eq!(resolve("D", "", "U", "", "bob"), Ok((EnrollmentKind::User, "D:U".into())));
        assert_eq!(resolve("", "E", "", "", ""), Ok((EnrollmentKind::UserEnrollmentDevice, "E".into())));
        assert_eq!(resolve("", "E", "", "V", ""), Ok((EnrollmentKind::UserEnrollment, "E:V".into())));
        let shared = "ffffffff-FFFF-FFFF-FFFF-FFFFFFFFFFFF";
        assert_eq!(
            resolve("D", "", shared, "", "bob@example.com"),
            Ok((EnrollmentKind::SharedIpad, "D:bob@example.com".into()))
        );
    }

    #[test]
    fn identifiers_that_name_nobody_are_refused() {
        assert_eq!(resolve("", "", "U", "", ""), Err(Error::NoDevice));
        assert_eq!(resolve("D", "", SHARED_IPAD_USER, "", ""), Err(Error::NoShortName));
        assert_eq!(resolve("D:U", "", "", "", ""), Err(Error::Unusable("UDID")));
        assert_eq!(resolve("D", "", "U\n", "", ""), Err(Error::Unusable("UserID")));
        assert_eq!(resolve(&"D".repeat(256), "", "", "", ""), Err(Error::Unusable("UDID")));
    }

    #[test]
    fn a_user_channel_stands_under_its_device() {
        let user = EnrollmentId::resolve(&Identifiers {
            enrollment_id: Some("E"),
            enrollment_user_id: Some("V"),
            ..Identifiers::default()
        })
        .unwrap();
        assert!(user.kind().is_user_channel());
        assert_eq!(user.device().kind(), EnrollmentKind::UserEnrollmentDevice);
        assert_eq!(user.device().to_string(), "E");
    }
}
