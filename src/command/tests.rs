use super::*;
use crate::limits::Limits;
use crate::plist::{Dictionary, Value};
use crate::schema::Record as _;

fn report(entries: Dictionary) -> Result<Report, Error> {
    Report::from_value(entries.into())
}

fn text(entries: &[(&str, &str)]) -> Dictionary {
    entries.iter().copied().collect()
}

#[test]
fn a_command_is_written_and_read_again() {
    let lock = DeviceLock { message: Some("<lost & found>".into()), pin: Some("123456".into()), ..DeviceLock::default() };
    let command = Command::new("0001", lock.clone());
    let read = Command::parse(&command.to_xml().unwrap(), &Limits::MESSAGE).unwrap();
    assert_eq!(read, command);
    assert_eq!(read.request.request_type(), "DeviceLock");
    assert_eq!(read.request.read::<DeviceLock>(), Some(lock));
    assert_eq!(read.request.read::<EraseDevice>(), None);
}

#[test]
fn a_command_newer_than_the_crate_is_kept_as_it_is() {
    let mut request = text(&[("RequestType", "Levitate"), ("Height", "3")]);
    request.insert("Deep", text(&[("Deeper", "x")]));
    let mut sent = text(&[("CommandUUID", "u"), ("Note", "kept")]);
    sent.insert("Command", request);
    let command = Command::from_value(sent.clone().into()).unwrap();
    assert_eq!(command.request.table().map(|table| table.name), None);
    let written = command.to_dictionary();
    assert_eq!(written.len(), sent.len());
    assert!(sent.iter().all(|(key, value)| written.get(key) == Some(value)));
}

#[test]
fn the_type_of_a_request_is_said_once() {
    let request = Request::new("DeviceLock", text(&[("RequestType", "EraseDevice"), ("PIN", "1")]));
    let written = request.to_dictionary();
    assert_eq!((written.len(), written.get("RequestType")), (2, Some(&"DeviceLock".into())));
}

#[test]
fn what_is_no_command_is_refused() {
    let refused = |entries: Dictionary| Command::from_value(entries.into()).unwrap_err();
    assert_eq!(Command::from_value(Value::Array(vec![])), Err(Error::NotADictionary { at: "the message", found: "array" }));
    assert_eq!(refused(Dictionary::new()), Error::Missing("CommandUUID"));
    assert_eq!(refused(text(&[("CommandUUID", "u")])), Error::Missing("Command"));
    assert_eq!(
        refused(text(&[("CommandUUID", "u"), ("Command", "c")])),
        Error::NotADictionary { at: "Command", found: "string" }
    );
    let mut untyped = text(&[("CommandUUID", "u")]);
    untyped.insert("Command", Dictionary::new());
    assert_eq!(refused(untyped), Error::Missing("RequestType"));
    assert!(matches!(Command::parse(b"<plist", &Limits::MESSAGE), Err(Error::Plist(_))));
}

#[test]
fn every_status_is_read_and_a_new_one_is_kept() {
    for (sent, status) in [
        ("Acknowledged", Status::ACKNOWLEDGED),
        ("Error", Status::ERROR),
        ("CommandFormatError", Status::COMMAND_FORMAT_ERROR),
        ("Idle", Status::IDLE),
        (" NotNow\n", Status::NOT_NOW),
        ("Levitating", Status::from("Levitating")),
    ] {
        let entries = text(&[("Status", sent), ("UDID", "D")]);
        let report = report(entries.clone()).unwrap();
        assert_eq!(*report.status(), status);
        assert_eq!(report.command_uuid(), None);
        assert_eq!(report.to_dictionary(), entries);
    }
}

#[test]
fn an_error_chain_is_typed_and_keeps_what_is_new() {
    let mut item = text(&[("ErrorDomain", "MCMDMErrorDomain"), ("LocalizedDescription", "no"), ("Mood", "sad")]);
    item.insert("ErrorCode", 12021);
    let mut entries = text(&[("Status", "Error"), ("CommandUUID", "u"), ("UDID", "D")]);
    entries.insert("ErrorChain", vec![Value::from(item)]);
    let report = report(entries).unwrap();
    let [error] = report.error_chain() else { panic!("{report:?}") };
    assert_eq!((error.error_code, error.error_domain.as_deref()), (Some(12021), Some("MCMDMErrorDomain")));
    assert_eq!(error.extra.get("Mood"), Some(&"sad".into()));
    assert_eq!(report.answer::<DeviceInformation>(), Err(Error::NotAcknowledged(Status::ERROR)));
}

#[test]
fn the_answer_of_a_command_is_typed_without_the_envelope() {
    let mut app = text(&[("Identifier", "com.example.app"), ("Future", "x")]);
    app.insert("BundleSize", 143_695_872_i64);
    let mut entries = text(&[("Status", "Acknowledged"), ("CommandUUID", "u"), ("UDID", "D"), ("RequestType", "odd")]);
    entries.insert("InstalledApplicationList", vec![Value::from(app)]);
    entries.insert("NotOnConsole", true);
    let report = report(entries.clone()).unwrap();
    assert_eq!(report.envelope().not_on_console, Some(true));
    let answer = report.answer::<InstalledApplicationList>().unwrap();
    let [app] = answer.installed_application_list.as_deref().unwrap() else { panic!("{answer:?}") };
    assert_eq!((app.identifier.as_deref(), app.bundle_size), (Some("com.example.app"), Some(143_695_872)));
    assert_eq!(answer.extra, text(&[("RequestType", "odd")]));
    assert_eq!(report.to_dictionary().len(), entries.len());
    assert!(report.mismatches().is_empty() && answer.mismatches().is_empty());
}

#[test]
fn the_extension_commands_answer_under_their_own_names() {
    let item = Value::from(text(&[("Identifier", "com.example.ext")]));
    for key in ["Extensions", "ActiveNSExtensions"] {
        let answer = ActiveNSExtensionsResponse::from_dictionary(Dictionary::from_iter([(key, vec![item.clone()])]));
        let items = answer.extensions.or(answer.active_ns_extensions).unwrap();
        assert_eq!(items[0].identifier.as_deref(), Some("com.example.ext"));
    }
}

#[test]
fn the_settings_answer_is_one_dictionary_for_each_setting() {
    let items = vec![Value::from(text(&[("Item", "DeviceName"), ("Status", "Acknowledged")]))];
    let answer = SettingsResponse::from_dictionary(Dictionary::from_iter([("Settings", items)]));
    assert_eq!(answer.settings.unwrap()[0].status.as_deref(), Some("Acknowledged"));
}

#[test]
fn a_report_without_status_is_refused() {
    assert_eq!(report(text(&[("UDID", "D")])), Err(Error::Missing("Status")));
    assert_eq!(report(text(&[("Status", " ")])), Err(Error::Missing("Status")));
    assert_eq!(report(Dictionary::from_iter([("Status", 1)])), Err(Error::Missing("Status")));
    assert!(matches!(Report::parse(b"", &Limits::MESSAGE), Err(Error::Plist(_))));
}

#[test]
fn a_simulated_device_reports_what_is_read_again() {
    let envelope = ReportEnvelope { udid: Some("D".into()), ..ReportEnvelope::default() };
    let idle = Report::from(envelope);
    assert_eq!(*idle.status(), Status::IDLE);
    let read = Report::parse(&idle.to_xml().unwrap(), &Limits::MESSAGE).unwrap();
    assert_eq!(read, idle);
    assert_eq!(read.enrollment().unwrap().to_string(), "D");
}
