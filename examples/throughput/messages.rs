//! What devices say, and what wakes them.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::ca::{IssuanceRequest, Profile};
use mdm_core::checkin::{Authenticate, CheckIn, TokenUpdate};
use mdm_core::cms::{MdmSignature, MdmSignaturePolicy, SignedContent, SignedDataTemplate};
use mdm_core::command::{Command, DeviceInformation, DeviceInformationQueries, InstalledApplicationList, Report};
use mdm_core::crypto::{Legacy, Provider};
use mdm_core::enrollment::{Contact, Enrollment, Fingerprint, Identity, QueuedCommand, Schedule};
use mdm_core::id::TenantId;
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, Value};
use mdm_core::push::{Descent, Environment, PushCertificate, Topic};
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, Standing};

use crate::authority::{Owner, create, key, request};
use crate::measure::Workload;
use crate::{Fail, Result, sample};

const UDID: &str = "00008150-000A1B2C3D4E5F60";
/// A moment at which the push certificate of the tests is good.
const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A tenant and the device that is to enrol with it.
struct Place {
    tenant: TenantId,
    topics: [Topic; 1],
    push: PushCertificate,
}

impl Place {
    fn new() -> Result<Place> {
        let tenant = TenantId::from("example");
        let certificate = Certificate::from_pem(include_bytes!("../../tests/data/push/apsp.pem"))?;
        let descent = Descent {
            developer_account: "developer".into(),
            vendor_certificate: "vendor".into(),
            apple_account: "push@example.com".into(),
        };
        let key = certificate.public_key();
        let push = PushCertificate::adopt(tenant.clone(), descent, &certificate, key, Environment::Production, NOW)?.record;
        let topic = push.installed().ok_or("the push certificate is not installed")?.topic.clone();
        Ok(Place { tenant, topics: [topic], push })
    }

    fn contact(&self) -> Contact<'_> {
        Contact::new(&self.tenant, &self.topics, Identity::new(Fingerprint::from_bytes([7; 32]), Standing::InForce))
    }

    fn topic(&self) -> Option<String> {
        self.topics.first().map(ToString::to_string)
    }

    fn authenticated(&self) -> Result<Enrollment> {
        let message = Authenticate { topic: self.topic(), udid: Some(UDID.into()), ..Authenticate::default() };
        Ok(Enrollment::begin(&message.into(), &self.contact(), NOW)?.enrollment.record)
    }

    /// A `TokenUpdate` with an unlock token, as an iPhone sends it: about 2 kB.
    fn token_update(&self) -> TokenUpdate {
        TokenUpdate {
            topic: self.topic(),
            udid: Some(UDID.into()),
            token: Some(vec![0x5A; 32].into()),
            push_magic: Some("3F7E1C4A-0B6D-4C0E-9E0A-7B8D5C2F1A90".into()),
            unlock_token: Some((0..=u8::MAX).cycle().take(1_100).collect::<Vec<u8>>().into()),
            awaiting_configuration: Some(false),
            ..TokenUpdate::default()
        }
    }

    fn enrolled(&self) -> Result<Enrollment> {
        Ok(self.authenticated()?.receive(&self.token_update().into(), &self.contact(), NOW)?.enrollment.record)
    }
}

/// A `TokenUpdate` that enrolls a device.
pub fn check_in() -> Result<Workload> {
    let place = Place::new()?;
    let enrollment = place.authenticated()?;
    let body = CheckIn::from(place.token_update()).to_xml()?;
    let input = body.len();
    let operation = move || {
        let message = CheckIn::parse(&body, &Limits::MESSAGE)?;
        let outcome = enrollment.receive(&message, &place.contact(), NOW)?;
        black_box(outcome.enrollment.record.binding().ok_or("the device is not enrolled")?);
        Ok(())
    };
    Ok(Workload { input, operation: Box::new(operation) })
}

fn report_of(uuid: &str, answer: &str, value: Value) -> Result<Vec<u8>> {
    let entries: [(&str, Value); 4] =
        [("CommandUUID", uuid.into()), (answer, value), ("Status", "Acknowledged".into()), ("UDID", UDID.into())];
    Ok(plist::to_xml(&entries.into_iter().collect::<Dictionary>().into())?)
}

/// What an iPhone tells of itself when it is asked for everything that is usual.
fn responses() -> Dictionary {
    let texts = [
        ("BluetoothMAC", "10:94:bb:aa:00:01"),
        ("BuildVersion", "24A5279h"),
        ("DeviceID", "10:94:bb:aa:00:02"),
        ("DeviceName", "Ann’s iPhone"),
        ("EASDeviceIdentifier", "2B5T8V0QKD7JL3M1N9R4S6W8X0"),
        ("IMEI", "35 693803 564380 9"),
        ("MEID", "35693803564380"),
        ("Model", "MTLV3LL"),
        ("ModelName", "iPhone"),
        ("ModelNumber", "MTLV3LL/A"),
        ("ModemFirmwareVersion", "3.01.02"),
        ("OSVersion", "27.0"),
        ("ProductName", "iPhone16,1"),
        ("SerialNumber", "C39XK0AAN72K"),
        ("SubscriberCarrierNetwork", "Example Mobile"),
        ("SupplementalBuildVersion", "24A5279h"),
        ("UDID", UDID),
        ("WiFiMAC", "10:94:bb:aa:00:03"),
    ];
    let truths = [
        ("AppAnalyticsEnabled", false),
        ("AwaitingConfiguration", false),
        ("DiagnosticSubmissionEnabled", false),
        ("IsActivationLockEnabled", true),
        ("IsCloudBackupEnabled", true),
        ("IsDeviceLocatorServiceEnabled", true),
        ("IsDoNotDisturbInEffect", false),
        ("IsMDMLostModeEnabled", false),
        ("IsMultiUser", false),
        ("IsNetworkTethered", false),
        ("IsRoaming", false),
        ("IsSupervised", true),
        ("PersonalHotspotEnabled", false),
        ("iTunesStoreAccountIsActive", true),
    ];
    let mut responses: Dictionary = texts.into_iter().collect();
    truths.into_iter().for_each(|(key, truth)| drop(responses.insert(key, truth)));
    for (key, number) in [("AvailableDeviceCapacity", 91.27), ("BatteryLevel", 0.83), ("DeviceCapacity", 128.0)] {
        responses.insert(key, number);
    }
    responses.insert("CellularTechnology", 3_i64);
    let subscription: Dictionary =
        [("ICCID", "8949 0200 0012 3456 789"), ("IMEI", "35 693803 564380 9"), ("Slot", "CTSubscriptionSlotOne")]
            .into_iter()
            .collect();
    responses.insert("ServiceSubscriptions", vec![Value::from(subscription)]);
    responses
}

fn question() -> DeviceInformation {
    let queries = vec![DeviceInformationQueries::OS_VERSION, DeviceInformationQueries::SERIAL_NUMBER];
    DeviceInformation { queries: Some(queries), ..DeviceInformation::default() }
}

/// An answer to `DeviceInformation`, after which one more command waits.
pub fn report() -> Result<Workload> {
    let place = Place::new()?;
    let enrollment = place.enrolled()?;
    let queued = |uuid: &str, order| -> Result<QueuedCommand> {
        Ok(enrollment.enqueue(&Command::new(uuid, question()), Schedule::default(), order, NOW)?.record)
    };
    let body = report_of("ask-1", "QueryResponses", responses().into())?;
    let (asked, next) = (queued("ask-1", 1)?, queued("ask-2", 2)?);
    let input = body.len();
    let operation = move || {
        let report = Report::parse(&body, &Limits::MESSAGE)?;
        let exchange = enrollment.report(&report, Some(&asked), &place.contact(), NOW)?;
        let outcome = exchange.next([&next], NOW);
        let answer = report.into_answer::<DeviceInformation>()?;
        answer.query_responses.and_then(|it| it.os_version).ok_or("the answer tells no OSVersion")?;
        if outcome.commands.len() == 2 { Ok(()) } else { Err(Fail::from("the next command was not handed out")) }
    };
    Ok(Workload { input, operation: Box::new(operation) })
}

/// The applications of a device that has 4,000 of them.
pub fn applications() -> Result<Workload> {
    let body = plist::to_xml(&sample::applications())?;
    let input = body.len();
    let operation = move || {
        let answer = Report::parse(&body, &Limits::MESSAGE)?.into_answer::<InstalledApplicationList>()?;
        let found = answer.installed_application_list.map_or(0, |list| list.len());
        if found == 4_000 { Ok(()) } else { Err(format!("{found} applications were read").into()) }
    };
    Ok(Workload { input, operation: Box::new(operation) })
}

/// The signature of a device over what it says.
pub fn mdm_signature(provider: &Provider, now: Timestamp) -> Result<Workload> {
    let provider = *provider;
    let (ca_key, device_key) = (key(&provider, Owner::Authority)?, key(&provider, Owner::Device)?);
    let authority = create(&provider, &ca_key, None, now)?;
    let csr = request(&provider, &device_key, None)?.verify(&provider, Legacy::NONE)?;
    let profile = Profile::device_identity();
    let reserved = authority.reserve(&IssuanceRequest::new(&csr, "transaction", &profile), None, now, &provider)?;
    let issued = reserved.sign_with(&ca_key)?.record;
    let identity = issued.certificate().ok_or("the certificate was not signed")?.clone();

    let body = CheckIn::from(Place::new()?.token_update()).to_xml()?;
    let mut template = SignedDataTemplate::new(SignedContent::Detached(&body));
    template.signing_time = Some(now);
    template.certificates.push(identity.as_der());
    let header = STANDARD.encode(template.to_be_signed(&identity, &provider)?.sign_with(&device_key)?);
    let input = body.len() + header.len();
    let policy = MdmSignaturePolicy::at(now);
    let operation = move || {
        let signer = MdmSignature::parse(&header, &Limits::PKI)?.verify(&body, &provider, &policy)?;
        if signer == identity { Ok(()) } else { Err("the signature is somebody else's".into()) }
    };
    Ok(Workload { input, operation: Box::new(operation) })
}

/// The request that wakes an enrolled device.
pub fn wake() -> Result<Workload> {
    let place = Place::new()?;
    let enrollment = place.enrolled()?;
    let operation = move || {
        let binding = enrollment.binding().ok_or("the device is not enrolled")?;
        black_box(binding.wake(&place.push, NOW)?.request());
        Ok(())
    };
    Ok(Workload { input: 0, operation: Box::new(operation) })
}
