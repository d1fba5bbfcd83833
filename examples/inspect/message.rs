//! Property lists: check-ins, reports, commands, profiles and any other.

use mdm_core::checkin::{self, CheckIn};
use mdm_core::command::{self, ANSWERS, Command, Report};
use mdm_core::id::{self, EnrollmentId, EnrollmentKind};
use mdm_core::plist::{Dictionary, Value};
use mdm_core::profile::{self, MDM, Payload, Profile};
use mdm_core::schema::{Described, Difference, Table, What, check};
use serde::Serialize;

use crate::detect::Found;
use crate::document;
use crate::redact::Holds;

/// How a message stands to Apple's schema. What a device leaves out is not listed: devices leave out much.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
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

impl Schema {
    /// From the differences to the schema, or `None` when the crate knows none for the message.
    pub fn of(differences: Option<Vec<Difference>>) -> Self {
        let typed = differences.is_some();
        let differences = differences.unwrap_or_default();
        let unknown = differences.iter().filter(|difference| difference.what == What::Unknown).count();
        let mismatches = differences.into_iter().filter_map(|Difference { path, what, .. }| match what {
            What::Mistyped { expected, found } => Some(Mismatch { path, expected, found }),
            _ => None,
        });
        Schema { typed, mismatches: mismatches.collect(), keys_not_in_schema: typed.then_some(unknown) }
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
    request_type: Option<String>,
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
    #[serde(flatten)]
    schema: Schema,
    holds: Holds,
}

#[derive(Serialize)]
struct PayloadView {
    #[serde(rename = "type")]
    payload_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<String>,
    typed: bool,
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
        profile(value, encoding).map(Found::Profile).map_err(|error| error.to_string())
    } else if let Some(found) = document::property_list(encoding, entries) {
        Ok(found)
    } else {
        Ok(Found::Plist(plist(&value, encoding)))
    }
}

fn check_in(value: Value, encoding: &'static str) -> Result<CheckInView, checkin::Error> {
    let message = CheckIn::from_value(value.clone())?;
    let differences = match &message {
        CheckIn::Authenticate(message) => Some(check(message)),
        CheckIn::CheckOut(message) => Some(check(message)),
        CheckIn::DeclarativeManagement(message) => Some(check(message)),
        CheckIn::GetBootstrapToken(message) => Some(check(message)),
        CheckIn::GetToken(message) => Some(check(message)),
        CheckIn::ReturnToService(message) => Some(check(message)),
        CheckIn::SetBootstrapToken(message) => Some(check(message)),
        CheckIn::TokenUpdate(message) => Some(check(message)),
        CheckIn::UserAuthenticate(message) => Some(check(message)),
        _ => None,
    };
    Ok(CheckInView {
        encoding,
        message_type: message.message_type().to_owned(),
        enrollment: message.enrollment().into(),
        topic: message.topic().map(String::from),
        schema: Schema::of(differences),
        holds: Holds(value),
    })
}

/// The schema of an answer, and the command that it answers.
type Answered = (&'static str, fn() -> &'static Table);

/// The command that a report answers: `RequestType` where the device sends it, else the one whose answer has most of the keys, when
/// there is only one such.
fn answered(answer: &Dictionary) -> Option<&'static Answered> {
    if let Some(said) = answer.get("RequestType").and_then(Value::as_str) {
        return ANSWERS.iter().find(|(request_type, _)| *request_type == said);
    }
    let hits = |(_, table): &Answered| answer.iter().filter(|(key, _)| table().key(key).is_some()).count();
    let most = ANSWERS.iter().map(hits).max().filter(|most| *most > 0)?;
    let mut best = ANSWERS.iter().filter(|answered| hits(answered) == most);
    best.next().filter(|_| best.next().is_none())
}

/// An answer and its schema.
struct Answer<'a>(&'static Table, &'a Dictionary);

impl Described for Answer<'_> {
    fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary)) {
        each("", &[self.0], self.1);
    }
}

fn report(value: Value, encoding: &'static str) -> Result<ReportView, command::Error> {
    let report = Report::from_value(value.clone())?;
    let mut envelope = report.envelope().clone();
    let answer = std::mem::take(&mut envelope.extra);
    let answered = answered(&answer);
    let said = answer.get("RequestType").and_then(Value::as_str).map(String::from);
    let of_answer = match answered {
        Some((_, table)) => Some(check(&Answer(table(), &answer))),
        None => answer.is_empty().then(Vec::new),
    };
    let differences = of_answer.map(|of_answer| check(&envelope).into_iter().chain(of_answer).collect());
    Ok(ReportView {
        encoding,
        status: report.status().as_str().to_owned(),
        command_uuid: report.command_uuid().map(|uuid| uuid.to_string()),
        request_type: said.or(answered.map(|(request_type, _)| (*request_type).to_owned())),
        enrollment: report.enrollment().into(),
        schema: Schema::of(differences),
        holds: Holds(value),
    })
}

fn command(value: Value, encoding: &'static str) -> Result<CommandView, command::Error> {
    let command = Command::from_value(value.clone())?;
    Ok(CommandView {
        encoding,
        request_type: command.request.request_type().to_owned(),
        command_uuid: command.uuid.to_string(),
        schema: Schema::of(command.request.table().map(|_| check(&command))),
        holds: Holds(value),
    })
}

fn profile(value: Value, encoding: &'static str) -> Result<ProfileView, profile::Error> {
    let profile = Profile::from_value(value.clone())?;
    let mdm = profile.payloads.iter().find_map(Payload::read::<MDM>);
    let payloads = profile.payloads.iter().map(|payload| PayloadView {
        payload_type: payload.payload_type().to_owned(),
        identifier: payload.envelope.payload_identifier.clone(),
        typed: profile::tables(payload.payload_type()).next().is_some(),
    });
    let payloads = payloads.collect();
    let schema = Schema::of(Some(check(&profile)));
    let envelope = profile.envelope;
    Ok(ProfileView {
        encoding,
        identifier: envelope.payload_identifier,
        uuid: envelope.payload_uuid,
        display_name: envelope.payload_display_name,
        topic: mdm.and_then(|mdm| mdm.topic),
        payloads,
        schema,
        holds: Holds(value),
    })
}

/// The keys of a dictionary, in its order.
pub fn keys_of(entries: &Dictionary) -> Vec<String> {
    entries.iter().map(|(key, _)| key.to_owned()).collect()
}

fn plist(value: &Value, encoding: &'static str) -> PlistView {
    PlistView {
        encoding,
        root: value.kind(),
        keys: value.as_dictionary().map(keys_of),
        items: value.as_array().map(<[Value]>::len),
    }
}
