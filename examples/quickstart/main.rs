//! The life of one managed device, start to end, without network and files.
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! `host.rs` is the server's side, `device.rs` a simulated iPhone, `apple.rs` stands in for Apple's page of push certificates; this file is the story. It ends with exit code 0 only when
//! every step held.

mod apple;
mod device;
mod host;

use device::{Device, learn};
use host::Host;
use mdm_core::command::{Command, DeviceInformation, DeviceInformationQueries, RemoveProfile, Report};
use mdm_core::crypto::{Error as CryptoError, Provider, Random};
use mdm_core::limits::Limits;
use mdm_core::push;
use mdm_core::time::Timestamp;

/// Any step's failure.
pub type Fail = Box<dyn std::error::Error>;
/// A step's outcome.
pub type Result<T> = std::result::Result<T, Fail>;

struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> std::result::Result<(), CryptoError> {
        getrandom::fill(dest).map_err(|_| CryptoError::Random)
    }
}

const CHALLENGE: &str = "only for enrolled eyes";
const UDID: &str = "00008150-000A1B2C3D4E5F60";

fn main() -> Result<()> {
    let provider = Provider::rustcrypto(&Os);
    let now = Timestamp::from(std::time::SystemTime::now());

    let mut host = Host::new(provider, CHALLENGE, now)?;
    step("A certificate authority, nothing configured", &format!("{}", host.authority.certificate()?.subject()));
    step("A tenant with a push certificate of its own", &format!("topic {}", host.topic()?.as_str()));

    let mut iphone = Device::new(UDID, provider)?;
    let (certificates, fingerprint) = host.ca_certificates()?;
    let server = learn(&certificates, &host.capabilities(), &fingerprint, &provider)?;
    let stranger = Device::new("00008150-00FFFFFFFFFFFFFF", provider)?.enrol(&server, "a guess", now, |body| host.scep(&body));
    hold(stranger.is_err() && host.certificates.is_empty(), "a wrong challenge gets no certificate")?;
    iphone.enrol(&server, CHALLENGE, now, |body| host.scep(&body))?;
    step("An iPhone gets its identity over SCEP", &format!("serial {}", iphone.identity()?.serial()));

    let topic = host.topic()?.as_str().to_owned();
    let (status, _) = say(&mut host, &iphone, true, iphone.authenticate(&topic)?)?;
    hold(status == 200, "Authenticate is accepted")?;
    let (status, _) = say(&mut host, &iphone, true, iphone.token_update(&topic)?)?;
    hold(status == 200 && host.enrollment.as_ref().is_some_and(|it| it.binding().is_some()), "TokenUpdate makes it reachable")?;
    step("It checks in: Authenticate, TokenUpdate", "both signed with its identity in Mdm-Signature; the device is enrolled");

    let question = DeviceInformation {
        queries: Some(vec![DeviceInformationQueries::OS_VERSION, DeviceInformationQueries::SERIAL_NUMBER]),
        ..DeviceInformation::default()
    };
    host.queue(&Command::new("ask-1", question))?;
    let push = host.wake()?;
    let headers = ["apns-topic", "apns-push-type", "apns-priority"]
        .map(|name| format!("{name}: {}", push.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-")));
    step(
        "A command waits, so the device is woken",
        &format!("{} {}\n      {}", push.method(), push.uri(), headers.join("\n      ")),
    );

    let (_, command) = say(&mut host, &iphone, false, iphone.idle()?)?;
    let answer = iphone.answer(&command)?;
    let responses = Report::parse(&answer, &Limits::MESSAGE)?.answer::<DeviceInformation>()?.query_responses;
    let version = responses.and_then(|responses| responses.os_version).ok_or("the answer tells no OSVersion")?;
    let (status, rest) = say(&mut host, &iphone, false, answer)?;
    hold(status == 200 && rest.is_empty(), "after the answer there is nothing left to do")?;
    step("It asks what to do, gets DeviceInformation, answers", &format!("OSVersion {version}"));

    host.queue(&Command::new(
        "remove-1",
        RemoveProfile { identifier: Some("com.example.old".into()), ..RemoveProfile::default() },
    ))?;
    iphone.locked = true;
    let (_, command) = say(&mut host, &iphone, false, iphone.idle()?)?;
    let (_, nothing) = say(&mut host, &iphone, false, iphone.answer(&command)?)?;
    hold(nothing.is_empty(), "after NotNow the same command is not sent at once again")?;
    step("Locked, it answers the next command with NotNow", "the server keeps the command and does not insist");
    iphone.locked = false;
    let (_, again) = say(&mut host, &iphone, false, iphone.idle()?)?;
    hold(again == command, "the command comes again")?;
    say(&mut host, &iphone, false, iphone.answer(&again)?)?;
    step("Unlocked, it gets the same command again and does it", "each command is answered once");

    let stranding = host.renew_push_certificate("com.apple.mgmt.External.0c3e4d5f-6a7b-4c8d-9e0f-112233445566")?;
    let stranded = match &stranding {
        Err(push::Error::TopicConflict { stranded, .. }) => *stranded,
        other => return Err(format!("a push certificate with another topic: {other:?}").into()),
    };
    hold(stranded == 1 && host.topic()?.as_str() == topic, "the certificate in use stays")?;
    step(
        "Someone at Apple's page chose Create in place of Renew",
        &format!("refused: the new certificate has another topic, and {stranded} device would never be woken again"),
    );
    let serial = host.push_certificate.installed().map(|installed| installed.serial);
    host.renew_push_certificate(&topic)??;
    hold(
        host.wake().is_ok() && host.push_certificate.installed().map(|installed| installed.serial) != serial,
        "a wake goes on",
    )?;
    step("Renewed with the same topic, it is in use at once", "no device notices");

    let old = iphone.identity()?.clone();
    iphone.renew(&server, |body| host.scep(&body))?;
    let (status, _) = say(&mut host, &iphone, false, iphone.idle()?)?;
    hold(status == 200 && *iphone.identity()? != old, "the new identity speaks for the same enrollment")?;
    step(
        "It renews its certificate",
        &format!("serial {}; signed with the old one, no challenge needed", iphone.identity()?.serial()),
    );

    host.revoke(&iphone.identity()?.clone())?;
    let (status, _) = say(&mut host, &iphone, false, iphone.idle()?)?;
    hold(status == 403, "a revoked device is refused")?;
    let renewal = iphone.renew(&server, |body| host.scep(&body));
    hold(renewal.is_err(), "a revoked certificate renews nothing")?;
    step("Its certificate is revoked, and it is refused", "HTTP 403 on the command channel, FAILURE over SCEP");

    println!("\nEvery step held.");
    Ok(())
}

/// A device talks to the server, over its signed channel.
fn say(host: &mut Host, device: &Device, is_check_in: bool, body: Vec<u8>) -> Result<(u16, Vec<u8>)> {
    let signature = device.sign(&body, host.now)?;
    host.mdm(is_check_in, &signature, &body)
}

fn step(what: &str, detail: &str) {
    println!("\n  {what}\n      {detail}");
}

fn hold(held: bool, what: &str) -> Result<()> {
    if held { Ok(()) } else { Err(format!("this did not hold: {what}").into()) }
}
