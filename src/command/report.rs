//! Reports: what a device says to the command channel.

use super::request::dictionary;
use super::{Error, Typed};
use crate::id::{CommandUuid, EnrollmentId, Identifiers};
use crate::limits::Limits;
use crate::plist::{self, Dictionary, Value};
use crate::schema::{Mismatch, Record};

values! {
    /// How a device stands to a command.
    /// <https://developer.apple.com/documentation/devicemanagement/sending-mdm-commands-to-a-device>
    pub struct Status {
        ACKNOWLEDGED = "Acknowledged",
        ERROR = "Error",
        COMMAND_FORMAT_ERROR = "CommandFormatError",
        IDLE = "Idle",
        NOT_NOW = "NotNow",
    }
}

record! {
    /// One error of an `ErrorChain`; the first is the one nearest to the command.
    /// <https://developer.apple.com/documentation/devicemanagement/sending-mdm-commands-to-a-device>
    pub struct ErrorChainItem = "" [] {
        error_code: Option<i64> = "ErrorCode" REQUIRED [],
        error_domain: Option<String> = "ErrorDomain" REQUIRED [],
        localized_description: Option<String> = "LocalizedDescription" REQUIRED [],
        us_english_description: Option<String> = "USEnglishDescription" OPTIONAL [],
    }

    /// What every report carries, whatever the command was.
    /// <https://developer.apple.com/documentation/devicemanagement/sending-mdm-commands-to-a-device>
    pub struct ReportEnvelope = "" [] {
        status: Option<Status> = "Status" REQUIRED [],
        command_uuid: Option<String> = "CommandUUID" OPTIONAL [],
        error_chain: Option<Vec<ErrorChainItem>> = "ErrorChain" OPTIONAL [],
        udid: Option<String> = "UDID" OPTIONAL [],
        enrollment_id: Option<String> = "EnrollmentID" OPTIONAL [],
        enrollment_user_id: Option<String> = "EnrollmentUserID" OPTIONAL [],
        user_id: Option<String> = "UserID" OPTIONAL [],
        user_short_name: Option<String> = "UserShortName" OPTIONAL [],
        user_long_name: Option<String> = "UserLongName" OPTIONAL [],
        not_on_console: Option<bool> = "NotOnConsole" OPTIONAL [],
    }
}

/// A message on the command channel: `Idle`, or the answer to a command.
///
/// ```
/// use mdm_core::command::{DeviceInformation, Report, Status};
/// use mdm_core::limits::Limits;
///
/// let body = br#"<?xml version="1.0" encoding="UTF-8"?>
/// <plist version="1.0"><dict>
///   <key>Status</key><string>Acknowledged</string>
///   <key>CommandUUID</key><string>0001_DeviceInformation</string>
///   <key>UDID</key><string>00008120-0001DEADBEEF0001</string>
///   <key>QueryResponses</key><dict><key>OSVersion</key><string>27.0</string></dict>
/// </dict></plist>"#;
/// let report = Report::parse(body, &Limits::MESSAGE)?;
/// assert_eq!(*report.status(), Status::ACKNOWLEDGED);
/// let answer = report.answer::<DeviceInformation>()?;
/// assert_eq!(answer.query_responses.and_then(|it| it.os_version).as_deref(), Some("27.0"));
/// # Ok::<(), mdm_core::command::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    status: Status,
    envelope: ReportEnvelope,
}

impl Report {
    /// Reads the body of a request to the command channel, XML or binary.
    ///
    /// # Errors
    /// [`Error`] when it is no property list or says no `Status`.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, Error> {
        Self::from_value(plist::parse(body, limits)?)
    }

    /// From a property list that was read already.
    ///
    /// # Errors
    /// [`Error`] when it is no dictionary with a `Status`.
    pub fn from_value(value: Value) -> Result<Self, Error> {
        let envelope = ReportEnvelope::from_dictionary(dictionary(value, "the message")?);
        // Stored captures pad their text with line ends; the status is recognised all the same and the text kept.
        let status = envelope.status.as_ref().map(|status| status.as_str().trim()).filter(|text| !text.is_empty());
        Ok(Report { status: status.ok_or(Error::Missing("Status"))?.into(), envelope })
    }

    /// `Status`.
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// `CommandUUID`: which command this answers. Absent when idle, and from some devices otherwise.
    pub fn command_uuid(&self) -> Option<CommandUuid> {
        self.envelope.command_uuid.as_deref().filter(|text| !text.is_empty()).map(CommandUuid::from)
    }

    /// `ErrorChain`, nearest error first.
    pub fn error_chain(&self) -> &[ErrorChainItem] {
        self.envelope.error_chain.as_deref().unwrap_or_default()
    }

    /// What every report carries; the answer to the command is in its `extra`.
    pub const fn envelope(&self) -> &ReportEnvelope {
        &self.envelope
    }

    /// The identifiers that the report carries, as the device sent them.
    pub fn identifiers(&self) -> Identifiers<'_> {
        Identifiers {
            udid: self.envelope.udid.as_deref(),
            enrollment_id: self.envelope.enrollment_id.as_deref(),
            user_id: self.envelope.user_id.as_deref(),
            enrollment_user_id: self.envelope.enrollment_user_id.as_deref(),
            user_short_name: self.envelope.user_short_name.as_deref(),
        }
    }

    /// The enrollment that reports.
    ///
    /// # Errors
    /// [`id::Error`](crate::id::Error) when the identifiers name none.
    pub fn enrollment(&self) -> Result<EnrollmentId, crate::id::Error> {
        EnrollmentId::resolve(&self.identifiers())
    }

    /// The answer to the command that was sent. Which one that was, the host knows by [`Report::command_uuid`].
    ///
    /// # Errors
    /// [`Error::NotAcknowledged`] when the device did not carry the command out.
    pub fn answer<R: Typed>(&self) -> Result<R::Answer, Error> {
        self.clone().into_answer::<R>()
    }

    /// The same without a copy, for large answers.
    ///
    /// # Errors
    /// [`Error::NotAcknowledged`] when the device did not carry the command out.
    pub fn into_answer<R: Typed>(self) -> Result<R::Answer, Error> {
        if self.status != Status::ACKNOWLEDGED {
            return Err(Error::NotAcknowledged(self.status));
        }
        Ok(R::Answer::from_dictionary(self.envelope.extra))
    }

    /// Values of the envelope that are not of the type that Apple's documentation gives their key. Those of the answer are
    /// reported by the answer's own [`Record::mismatches`].
    pub fn mismatches(&self) -> Vec<Mismatch> {
        self.envelope.mismatches()
    }

    /// The report as a dictionary.
    pub fn to_dictionary(&self) -> Dictionary {
        self.envelope.to_dictionary()
    }

    /// The report as the XML that a device sends.
    ///
    /// # Errors
    /// [`plist::Error`] when a text cannot be written in XML.
    pub fn to_xml(&self) -> Result<Vec<u8>, plist::Error> {
        plist::to_xml(&self.to_dictionary().into())
    }
}

/// A report of any status, with the answer of any command.
#[cfg(any(test, feature = "arbitrary"))]
impl<'a> arbitrary::Arbitrary<'a> for Report {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut envelope = ReportEnvelope::arbitrary(u)?;
        let (_, answer) = crate::schema::arbitrary::one_of(super::ANSWERS, u)?;
        let table = ReportEnvelope::table();
        for (key, value) in answer.into_iter().filter(|(key, _)| table.key(key).is_none()) {
            envelope.extra.insert(key, value);
        }
        // A report says its status.
        let said = envelope.status.take().filter(|status| !status.as_str().trim().is_empty());
        envelope.status = Some(said.unwrap_or(Status::NOT_NOW));
        Report::from_value(envelope.to_dictionary().into()).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

impl From<ReportEnvelope> for Report {
    /// A report as a device, or a simulation of one, writes it. Without a status it is [`Status::IDLE`].
    fn from(mut envelope: ReportEnvelope) -> Self {
        let status = envelope.status.get_or_insert(Status::IDLE).clone();
        Report { status, envelope }
    }
}
