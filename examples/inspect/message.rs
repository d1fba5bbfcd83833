//! Property lists: check-ins, reports, commands, profiles and any other.

use mdm_core::checkin::{self, CheckIn};
use mdm_core::command::{self, Command, Report, ReportEnvelope, Typed};
use mdm_core::id::{self, EnrollmentId, EnrollmentKind};
use mdm_core::plist::{Dictionary, Value};
use mdm_core::schema::{self, Record, Shape, Table};
use serde::Serialize;

use crate::detect::Found;
use crate::redact::Holds;

/// What every message says beside its type.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Schema {
    /// Whether the crate has a type for the message; otherwise it is kept as it came.
    typed: bool,
    mismatches: Vec<Mismatch>,
    /// At any depth; absent where no schema is known to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_not_in_schema: Option<usize>,
}

/// A value of another type than the schema's.
#[derive(Serialize)]
struct Mismatch {
    path: String,
    expected: &'static str,
    found: &'static str,
}

impl From<schema::Mismatch> for Mismatch {
    fn from(mismatch: schema::Mismatch) -> Self {
        Mismatch { path: mismatch.path, expected: mismatch.expected, found: mismatch.found }
    }
}

impl Schema {
    fn new(table: Option<&Table>, mismatches: Vec<schema::Mismatch>, entries: &Dictionary) -> Self {
        Schema {
            typed: table.is_some(),
            mismatches: mismatches.into_iter().map(Mismatch::from).collect(),
            keys_not_in_schema: table.map(|table| unknown_keys(table, entries)),
        }
    }
}

/// Counts the keys that the schema does not name. Values of other types than the schema's are not looked into.
fn unknown_keys(table: &Table, entries: &Dictionary) -> usize {
    entries.iter().map(|(name, value)| table.key(name).map_or(1, |key| unknown_under(&key.shape, value))).sum()
}

fn unknown_under(shape: &Shape, value: &Value) -> usize {
    match (shape, value) {
        (Shape::Array(item), Value::Array(values)) => values.iter().map(|value| unknown_under(item, value)).sum(),
        (Shape::Map(item), Value::Dictionary(entries)) => entries.iter().map(|(_, value)| unknown_under(item, value)).sum(),
        (Shape::Record(table), Value::Dictionary(entries)) => unknown_keys(table(), entries),
        (Shape::Union { tag, members }, Value::Dictionary(entries)) => {
            let kind = entries.get(tag).and_then(Value::as_str);
            members.iter().find(|(name, _)| Some(*name) == kind).map_or(0, |(_, table)| unknown_keys(table(), entries))
        }
        _ => 0,
    }
}

/// Whose message it is.
#[derive(Serialize)]
#[serde(untagged)]
enum Enrollment {
    Named { id: String, kind: EnrollmentKind },
    Unnamed { error: String },
}

impl From<Result<EnrollmentId, id::Error>> for Enrollment {
    fn from(resolved: Result<EnrollmentId, id::Error>) -> Self {
        match resolved {
            Ok(id) => Enrollment::Named { id: id.to_string(), kind: id.kind() },
            Err(error) => Enrollment::Unnamed { error: error.to_string() },
        }
    }
}

/// A check-in message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckInView {
    encoding: &'static str,
    message_type: String,
    enrollment: Enrollment,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(flatten)]
    schema: Schema,
    holds: Holds,
}

/// What a device says of a command.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportView {
    encoding: &'static str,
    status: String,
    #[serde(rename = "commandUUID", skip_serializing_if = "Option::is_none")]
    command_uuid: Option<String>,
    /// The command that was answered: as the report says, or the one whose answer has these keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_type: Option<&'static str>,
    enrollment: Enrollment,
    #[serde(flatten)]
    schema: Schema,
    holds: Holds,
}

/// A command for a device.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandView {
    encoding: &'static str,
    request_type: String,
    #[serde(rename = "commandUUID")]
    command_uuid: String,
    #[serde(flatten)]
    schema: Schema,
    holds: Holds,
}

/// A configuration profile.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileView {
    encoding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// Of the MDM payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    payloads: Vec<PayloadView>,
    holds: Holds,
}

#[derive(Serialize)]
struct PayloadView {
    #[serde(rename = "type")]
    payload_type: Option<String>,
    identifier: Option<String>,
}

/// Any other property list.
#[derive(Serialize)]
pub struct PlistView {
    encoding: &'static str,
    root: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<usize>,
}

/// Says which message a property list is.
pub fn describe(value: Value, binary: bool) -> Result<Found, String> {
    let encoding = if binary { "binary" } else { "XML" };
    let Some(entries) = value.as_dictionary() else { return Ok(Found::Plist(plist(&value, encoding))) };
    let text = |key| entries.get(key).and_then(Value::as_str);
    if text("MessageType").is_some() {
        check_in(value, encoding).map(Found::CheckIn).map_err(|error| error.to_string())
    } else if text("Status").is_some() {
        report(value, encoding).map(Found::Report).map_err(|error| format!("a report: {error}"))
    } else if entries.get("Command").is_some() && entries.get("CommandUUID").is_some() {
        command(value, encoding).map(Found::Command).map_err(|error| format!("a command: {error}"))
    } else if text("PayloadType") == Some("Configuration") {
        profile(value, encoding).map(Found::Profile)
    } else {
        Ok(Found::Plist(plist(&value, encoding)))
    }
}

fn check_in(value: Value, encoding: &'static str) -> Result<CheckInView, checkin::Error> {
    let message = CheckIn::from_value(value.clone())?;
    let table = match &message {
        CheckIn::Authenticate(_) => Some(checkin::Authenticate::table()),
        CheckIn::CheckOut(_) => Some(checkin::CheckOut::table()),
        CheckIn::DeclarativeManagement(_) => Some(checkin::DeclarativeManagement::table()),
        CheckIn::GetBootstrapToken(_) => Some(checkin::GetBootstrapToken::table()),
        CheckIn::GetToken(_) => Some(checkin::GetToken::table()),
        CheckIn::ReturnToService(_) => Some(checkin::ReturnToService::table()),
        CheckIn::SetBootstrapToken(_) => Some(checkin::SetBootstrapToken::table()),
        CheckIn::TokenUpdate(_) => Some(checkin::TokenUpdate::table()),
        CheckIn::UserAuthenticate(_) => Some(checkin::UserAuthenticate::table()),
        _ => None,
    };
    Ok(CheckInView {
        encoding,
        message_type: message.message_type().to_owned(),
        enrollment: message.enrollment().into(),
        topic: message.topic().map(String::from),
        schema: Schema::new(table, message.mismatches(), &message.to_dictionary()),
        holds: Holds(value),
    })
}

/// A command that the crate knows: its request and its answer.
struct Known {
    request_type: &'static str,
    request: fn() -> &'static Table,
    answer: fn() -> &'static Table,
    answer_mismatches: fn(Dictionary) -> Vec<schema::Mismatch>,
}

macro_rules! known {
    ($($name:ident)*) => {
        &[$(Known {
            request_type: <command::$name as Typed>::REQUEST_TYPE,
            request: <command::$name as Record>::table,
            answer: <<command::$name as Typed>::Answer as Record>::table,
            answer_mismatches: |entries| <<command::$name as Typed>::Answer as Record>::from_dictionary(entries).mismatches(),
        }),*]
    };
}

const KNOWN: &[Known] = known! {
    AccountConfiguration ActivationLockBypassCode ActiveNSExtensions ApplyRedemptionCode AvailableOSUpdates
    CancelEnhancedLogCollection CertificateList ClearActivationLockBypassCode ClearPasscode ClearRestrictionsPassword
    ContentCachingInformation DeclarativeManagement DeleteUser DeviceConfigured DeviceInformation DeviceLocation DeviceLock
    DisableLostMode DisableRemoteDesktop EnableLostMode EnableRemoteDesktop EraseDevice InstallApplication
    InstallEnterpriseApplication InstallMedia InstallProfile InstallProvisioningProfile InstalledApplicationList
    InviteToProgram LOMDeviceRequest LOMSetupRequest LogOutUser ManagedApplicationAttributes ManagedApplicationConfiguration
    ManagedApplicationFeedback ManagedApplicationList ManagedMediaList NSExtensionMappings OSUpdateStatus PlayLostModeSound
    ProfileList ProvisioningProfileList RefreshCellularPlans RemoveApplication RemoveMedia RemoveProfile
    RemoveProvisioningProfile RequestMirroring RequestUnlockToken RestartDevice Restrictions RotateFileVaultKey
    ScheduleOSUpdate ScheduleOSUpdateScan SecurityInfo SetAutoAdminPassword SetFirmwarePassword SetRecoveryLock Settings
    ShutDownDevice StopMirroring TriggerEnhancedLogCollection UnlockUserAccount UserConfigured UserList ValidateApplications
    VerifyFirmwarePassword VerifyRecoveryLock
};

fn known(request_type: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.request_type == request_type)
}

/// The command that a report answers: `RequestType` where the device sends it, else the one whose answer has most of the keys, when
/// there is only one such.
fn answered(entries: &Dictionary) -> Option<&'static Known> {
    if let Some(said) = entries.get("RequestType").and_then(Value::as_str) {
        return known(said);
    }
    let hits = |known: &Known| entries.iter().filter(|(key, _)| (known.answer)().key(key).is_some()).count();
    let most = KNOWN.iter().map(hits).max().filter(|most| *most > 0)?;
    let mut best = KNOWN.iter().filter(|known| hits(known) == most);
    best.next().filter(|_| best.next().is_none())
}

fn report(value: Value, encoding: &'static str) -> Result<ReportView, command::Error> {
    let report = Report::from_value(value.clone())?;
    let answer = &report.envelope().extra;
    let known = answered(answer);
    let mut mismatches = report.mismatches();
    mismatches.extend(known.into_iter().flat_map(|known| (known.answer_mismatches)(answer.clone())));
    let unknown_in_envelope = unknown_keys(ReportEnvelope::table(), &report.to_dictionary()) - answer.len();
    let unknown_in_answer = known.map(|known| unknown_keys((known.answer)(), answer));
    // Without an answer there is nothing that would have to be known.
    let unknown = if answer.is_empty() { Some(0) } else { unknown_in_answer };
    Ok(ReportView {
        encoding,
        status: report.status().as_str().to_owned(),
        command_uuid: report.command_uuid().map(|uuid| uuid.to_string()),
        request_type: known.map(|known| known.request_type),
        enrollment: report.enrollment().into(),
        schema: Schema {
            typed: known.is_some() || answer.is_empty(),
            mismatches: mismatches.into_iter().map(Mismatch::from).collect(),
            keys_not_in_schema: unknown.map(|unknown| unknown + unknown_in_envelope),
        },
        holds: Holds(value),
    })
}

fn command(value: Value, encoding: &'static str) -> Result<CommandView, command::Error> {
    let command = Command::from_value(value.clone())?;
    let request = command.request.to_dictionary();
    let table = known(command.request.request_type()).map(|known| (known.request)());
    let mut schema = Schema::new(
        table,
        command.request.table().map(|table| table.mismatches(command.request.body())).unwrap_or_default(),
        &request,
    );
    // The table is that of the keys beside RequestType.
    schema.keys_not_in_schema = schema.keys_not_in_schema.map(|count| count - 1 + command.extra.len());
    Ok(CommandView {
        encoding,
        request_type: command.request.request_type().to_owned(),
        command_uuid: command.uuid.to_string(),
        schema,
        holds: Holds(value),
    })
}

fn profile(value: Value, encoding: &'static str) -> Result<ProfileView, String> {
    let text = |entries: &Dictionary, key| entries.get(key).and_then(Value::as_str).map(String::from);
    let entries = value.as_dictionary().ok_or("a profile is a dictionary")?;
    let content = entries.get("PayloadContent").and_then(Value::as_array).unwrap_or_default();
    let payloads: Vec<&Dictionary> = content.iter().filter_map(Value::as_dictionary).collect();
    let mdm = payloads.iter().find(|payload| text(payload, "PayloadType").as_deref() == Some("com.apple.mdm"));
    let views = payloads.iter().map(|payload| PayloadView {
        payload_type: text(payload, "PayloadType"),
        identifier: text(payload, "PayloadIdentifier"),
    });
    Ok(ProfileView {
        encoding,
        identifier: text(entries, "PayloadIdentifier"),
        uuid: text(entries, "PayloadUUID"),
        display_name: text(entries, "PayloadDisplayName"),
        topic: mdm.and_then(|payload| text(payload, "Topic")),
        payloads: views.collect(),
        holds: Holds(value),
    })
}

fn plist(value: &Value, encoding: &'static str) -> PlistView {
    PlistView {
        encoding,
        root: value.kind(),
        keys: value.as_dictionary().map(|entries| entries.iter().map(|(key, _)| key.to_owned()).collect()),
        items: value.as_array().map(<[Value]>::len),
    }
}
