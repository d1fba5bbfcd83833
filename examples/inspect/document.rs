//! Documents that are neither sent on the command channel nor installed: declarations and their kin, errors, machine info, manifests.

use mdm_core::ade::{
    EnrollmentSSODocument, ErrorCodePairingTokenMissing, ErrorCodePlatformSSORequired, ErrorCodeSoftwareUpdateRequired,
    ErrorUnrecognizedDevice, ErrorWellKnownFailed, MachineInfo,
};
use mdm_core::checkin::{
    GetBootstrapTokenResponse, GetTokenResponse, ReturnToServiceResponse, UserAuthenticateChallenge, UserAuthenticateToken,
};
use mdm_core::command::{ManifestURL, PasswordHash};
use mdm_core::declaration::{
    self, ACMECredential, Declaration, DeclarationItemsResponse, Document, IdentityCredential, SCEPCredential, StatusReport,
    TokensResponse, UserNameAndPasswordCredential,
};
use mdm_core::limits::Limits;
use mdm_core::plist::{Dictionary, Value};
use mdm_core::schema::{Difference, Empty, Record, Table, check};
use serde::Serialize;

use crate::detect::Found;
use crate::message::{Schema, keys_of};
use crate::redact::Holds;

/// A document of a known schema.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentView {
    encoding: &'static str,
    /// What it is more exactly, where one kind has several types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<&'static str>,
    #[serde(flatten)]
    schema: Schema,
    holds: Holds,
}

/// A declaration.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeclarationView {
    encoding: &'static str,
    #[serde(rename = "type")]
    declaration_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_token: Option<String>,
    #[serde(flatten)]
    schema: Schema,
    holds: Holds,
}

/// What a device says of itself, and where it differs from what it was told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReportView {
    encoding: &'static str,
    /// The items that the schema knows.
    items: Vec<&'static str>,
    errors: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_report: Option<bool>,
    #[serde(flatten)]
    schema: Schema,
    holds: Holds,
}

/// What APNs carries to a device. The PushMagic is a secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushNotificationView {
    push_magic_bytes: usize,
}

/// JSON that is a document of nobody's schema here.
#[derive(Serialize)]
pub struct JsonView {
    keys: Vec<String>,
    holds: Holds,
}

const JSON: &str = "JSON";

/// Says which document of the protocol a JSON object is.
pub fn describe_json(bytes: &[u8]) -> Result<Found, String> {
    let entries = Empty::parse_json(bytes, &Limits::MESSAGE).map_err(|error| error.to_string())?.extra;
    let is = |key: &str, kind: &str| entries.get(key).is_some_and(|value| value.kind() == kind);
    if is("Type", "string") && (entries.get("Payload").is_some() || is("ServerToken", "string")) {
        return declaration(bytes, entries).map(Found::Declaration);
    }
    if is("Declarations", "dict") {
        return Ok(Found::DeclarationItems(document::<DeclarationItemsResponse>(JSON, entries)));
    }
    if is("SyncTokens", "dict") {
        return Ok(Found::SyncTokens(document::<TokensResponse>(JSON, entries)));
    }
    if is("StatusItems", "dict") {
        return Ok(Found::StatusReport(status_report(entries)));
    }
    if let Some(found) = either(JSON, &entries) {
        return Ok(found);
    }
    if let (1, Some(magic)) = (entries.len(), entries.get("mdm").and_then(Value::as_str)) {
        return Ok(Found::PushNotification(PushNotificationView { push_magic_bytes: magic.len() }));
    }
    Ok(match part(&entries) {
        Some(found) => found,
        None => Found::Json(JsonView { keys: keys_of(&entries), holds: Holds(entries.into()) }),
    })
}

/// Documents that come as JSON and as property lists.
pub fn either(encoding: &'static str, entries: &Dictionary) -> Option<Found> {
    let text = |key: &str| entries.get(key).and_then(Value::as_str);
    let taken = || entries.clone();
    if let Some(code) = text("code") {
        let differences: fn(Dictionary) -> Vec<Difference> = match code.trim() {
            "com.apple.unrecognized.device" => of::<ErrorUnrecognizedDevice>,
            "com.apple.well-known.failed" => of::<ErrorWellKnownFailed>,
            "com.apple.softwareupdate.required" => of::<ErrorCodeSoftwareUpdateRequired>,
            "com.apple.psso.required" => of::<ErrorCodePlatformSSORequired>,
            "com.apple.watch.pairing.token.missing" => of::<ErrorCodePairingTokenMissing>,
            _ if code.starts_with("com.apple.") => {
                return Some(Found::ErrorBody(DocumentView::of(encoding, vec![], None, taken())));
            }
            _ => return None,
        };
        return Some(Found::ErrorBody(DocumentView::of(encoding, vec![], Some(differences(taken())), taken())));
    }
    if text("PRODUCT").is_some() && text("VERSION").is_some() {
        return Some(Found::MachineInfo(document::<MachineInfo>(encoding, taken())));
    }
    let assets = |item: &Value| item.as_dictionary().is_some_and(|item| item.get("assets").is_some());
    if entries.get("items").and_then(Value::as_array).is_some_and(|items| items.iter().any(assets)) {
        return Some(Found::AppManifest(document::<ManifestURL>(encoding, taken())));
    }
    if knows_all::<EnrollmentSSODocument>(entries)
        && (entries.get("iTunesStoreID").is_some() || entries.get("AppIDs").is_some())
    {
        return Some(Found::EnrollmentSsoDocument(document::<EnrollmentSSODocument>(encoding, taken())));
    }
    None
}

/// What a server answers to a check-in, and other property lists that say what they are by their keys alone.
pub fn property_list(encoding: &'static str, entries: &Dictionary) -> Option<Found> {
    if let Some(found) = either(encoding, entries) {
        return Some(found);
    }
    let taken = || entries.clone();
    if knows_all::<PasswordHash>(entries) {
        return Some(Found::PasswordHash(document::<PasswordHash>(encoding, taken())));
    }
    let answer =
        |kind, differences| Some(Found::CheckInAnswer(DocumentView::of(encoding, vec![kind], Some(differences), taken())));
    if knows_all::<GetBootstrapTokenResponse>(entries) {
        answer("GetBootstrapToken", of::<GetBootstrapTokenResponse>(taken()))
    } else if knows_all::<GetTokenResponse>(entries) {
        answer("GetToken", of::<GetTokenResponse>(taken()))
    } else if knows_all::<ReturnToServiceResponse>(entries) {
        answer("ReturnToService", of::<ReturnToServiceResponse>(taken()))
    } else if knows_all::<UserAuthenticateChallenge>(entries) {
        answer("UserAuthenticate", of::<UserAuthenticateChallenge>(taken()))
    } else if knows_all::<UserAuthenticateToken>(entries) {
        answer("UserAuthenticate", of::<UserAuthenticateToken>(taken()))
    } else {
        None
    }
}

/// Whether there are keys and the schema names each.
fn knows_all<R: Record>(entries: &Dictionary) -> bool {
    covers(R::table(), entries)
}

fn covers(table: &Table, entries: &Dictionary) -> bool {
    !entries.is_empty() && entries.iter().all(|(name, _)| table.key(name).is_some())
}

fn of<R: Record>(entries: Dictionary) -> Vec<Difference> {
    check(&R::from_dictionary(R::table().typed(entries)))
}

fn document<R: Record>(encoding: &'static str, entries: Dictionary) -> DocumentView {
    let typed = if encoding == JSON { R::table().typed(entries) } else { entries };
    let differences = check(&R::from_dictionary(typed.clone()));
    DocumentView::of(encoding, vec![], Some(differences), typed)
}

impl DocumentView {
    fn of(encoding: &'static str, types: Vec<&'static str>, differences: Option<Vec<Difference>>, entries: Dictionary) -> Self {
        DocumentView { encoding, types, schema: Schema::of(differences), holds: Holds(entries.into()) }
    }
}

fn declaration(bytes: &[u8], entries: Dictionary) -> Result<DeclarationView, String> {
    let declaration = Declaration::parse(bytes, &Limits::MESSAGE).map_err(|error| error.to_string())?;
    let known = declaration::table(declaration.declaration_type()).is_some();
    let differences = check(&declaration.envelope).into_iter().chain(check(&declaration)).collect();
    Ok(DeclarationView {
        encoding: JSON,
        declaration_type: declaration.declaration_type().to_owned(),
        identifier: declaration.envelope.identifier.clone(),
        server_token: declaration.envelope.server_token.clone(),
        schema: Schema::of(known.then_some(differences)),
        holds: Holds(entries.into()),
    })
}

fn status_report(entries: Dictionary) -> StatusReportView {
    let report = StatusReport::from_dictionary(StatusReport::table().typed(entries.clone()));
    let items = report.known_items();
    let of_items = items.iter().flat_map(|(table, item)| differences(table, item));
    StatusReportView {
        encoding: JSON,
        items: items.iter().map(|(table, _)| table.kind).collect(),
        errors: report.errors.as_ref().map_or(0, Vec::len),
        full_report: report.full_report,
        schema: Schema::of(Some(check(&report).into_iter().chain(of_items).collect())),
        holds: Holds(entries.into()),
    }
}

/// Where a dictionary differs from a schema.
fn differences(table: &'static Table, entries: &Dictionary) -> Vec<Difference> {
    struct Part<'a>(&'static Table, &'a Dictionary);
    impl mdm_core::schema::Described for Part<'_> {
        fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary)) {
            each("", &[self.0], self.1);
        }
    }
    check(&Part(table, entries))
}

/// A part of a document by itself, as Apple's documentation shows them: status items, the data of a credential, a payload.
fn part(entries: &Dictionary) -> Option<Found> {
    let report = StatusReport { status_items: Some(entries.clone()), ..StatusReport::default() };
    let items = report.known_items();
    if !items.is_empty() {
        let kinds = items.iter().map(|(table, _)| table.kind).collect();
        let found = items.iter().flat_map(|(table, item)| differences(table, item)).collect();
        return Some(Found::StatusItems(DocumentView::of(JSON, kinds, Some(found), entries.clone())));
    }
    let credentials =
        [ACMECredential::table(), SCEPCredential::table(), IdentityCredential::table(), UserNameAndPasswordCredential::table()];
    let payloads = declaration::DECLARATIONS.iter().map(|(_, table)| table());
    let named = |tables: Vec<&'static Table>| -> Option<DocumentView> {
        let first = *tables.first()?;
        let found = differences(first, &first.typed(entries.clone()));
        let kinds = tables.iter().map(|table| table.kind).collect();
        Some(DocumentView::of(JSON, kinds, Some(found), entries.clone()))
    };
    let fits = |table: &&'static Table| covers(table, entries);
    named(credentials.into_iter().filter(fits).collect())
        .map(Found::Credential)
        .or_else(|| named(payloads.filter(fits).collect()).map(Found::DeclarationPayload))
}
