//! Writes `seeds/`: copies of the crate's test data, and what the quickstart's host and device say to each other.
//!
//! ```text
//! cargo run --example seeds      # in this folder
//! ```

#[allow(dead_code, reason = "the quickstart uses the rest")]
#[path = "../../examples/quickstart/apple.rs"]
mod apple;
#[allow(dead_code, reason = "the quickstart uses the rest")]
#[path = "../../examples/quickstart/device.rs"]
mod device;
#[allow(dead_code, reason = "the quickstart uses the rest")]
#[path = "../../examples/quickstart/host.rs"]
mod host;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use device::{Device, learn};
use host::Host;
use mdm_core::command::{Command, DeviceInformation};
use mdm_core::crypto::{Error as CryptoError, Provider, Random};
use mdm_core::scep::Operation;
use mdm_core::time::Timestamp;

pub type Fail = Box<dyn std::error::Error>;
pub type Result<T> = std::result::Result<T, Fail>;

struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> std::result::Result<(), CryptoError> {
        getrandom::fill(dest).map_err(|_| CryptoError::Random)
    }
}

/// Targets, and the test data that they begin with. PEM goes to those that read it, and as DER to the others.
const DATA: &[(&str, &[&str])] = &[
    ("ber", &["asn1/enveloped-stream.ber", "asn1/signed-stream.ber", "cms/stream.ber", "asn1/signed.der"]),
    ("certificate", &["cms/ec.pem", "cms/rsa.pem", "x509/leaf.pem", "x509/ca.pem", "x509/v1.pem", "push/apsp.pem"]),
    ("crl", &["x509/v1.crl", "x509/v2.crl"]),
    ("csr", &["x509/full.csr", "x509/empty.csr", "push/request-p256.der", "ca/rsa-2048.csr"]),
    (
        "enveloped_data",
        &["cms/aes128.der", "cms/password.der", "cms/ecdh.der", "cms/two-recipients.der", "cms/oaep-sha256.der"],
    ),
    (
        "key_store",
        &["keystore/small.p12", "keystore/small.jks", "keystore/small.jceks", "keystore/gnutls.p12", "keystore/rc2.p12"],
    ),
    ("ocsp_request", &["x509/ocsp.req.der"]),
    ("ocsp_response", &["x509/ocsp.resp.der"]),
    ("plist_value", &["plist/all.bplist", "plist/all.xml"]),
    (
        "private_key",
        &["keystore/small.p8", "keystore/pbe-rc2.p8", "keystore/plain.p8", "keystore/old-aes128.pem", "cms/ec.key"],
    ),
    ("signed_data", &["cms/ec.der", "cms/keyid.der", "cms/two-signers.der", "cms/no-certificates.der", "cms/detached.der"]),
    ("ca_certificates", &["cms/certificates-only.der"]),
];

/// What other people's services say: the reader, the place of the status, the body.
const SERVICES: &[(&str, [u8; 2], &str)] = &[
    (
        "ndes-page",
        [0, 0],
        "<P> Thumbprint: <B> A656FA66 AB12B433 A2DA5CF7 CC153D9A </B> <P> The enrollment challenge password is: <B> 8CE317021F690069 </B>",
    ),
    (
        "jamf-event",
        [1, 0],
        r#"{"webhook":{"id":1,"name":"n","webhookEvent":"SCEPChallenge","eventTimestamp":1780000000000},"event":{"scepServerUrl":"https://h/","payloadIdentifier":"p","payloadTypes":["com.apple.security.scep"],"device":{"serialNumber":"C"}}}"#,
    ),
    ("challenge", [2, 0], "\"once\""),
    (
        "step-ca-failed",
        [3, 0],
        r#"{"timestamp":"2026-11-21T14:30:00.5+02:30","scepTransactionID":"a","scepErrorCode":7,"scepErrorDescription":"x"}"#,
    ),
    ("intune", [4, 0], r#"{"code":"ChallengeExpired","errorDescription":"x"}"#),
    ("venafi-accepted", [5, 0], r#"{"CertificateDN":"\\VED\\Policy\\a","Guid":"{x}"}"#),
    ("venafi-denied", [5, 5], r#"{"Error":"no"}"#),
    ("venafi-revoked", [6, 0], r#"{"Requested":true,"Success":true}"#),
    ("digicert-order", [7, 2], r#"{"id":1,"requests":[{"id":1,"status":"pending"}]}"#),
    ("digicert-denied", [7, 5], r#"{"errors":[{"code":"c","message":"m"}]}"#),
    ("digicert-revoked", [8, 2], r#"{"id":1,"type":"revoke","status":"pending"}"#),
    ("adcs-issued", [9, 0], r#"<A Href="certnew.cer?ReqID=7&amp;Enc=b64">"#),
    ("adcs-denied", [9, 0], "Your Request Id is 7. The disposition message is \"Denied by Policy Module\"."),
    ("digicert-status", [10, 0], r#"{"id":1,"status":"issued","certificate":{"id":2}}"#),
    (
        "adcs-pending",
        [11, 0],
        "<B>Disposition:</B></DT><DD>5 <LocID>-</LocID></DD><B>Disposition message:</B></DT><DD>Taken Under Submission</DD>",
    ),
];

/// What `sealed` damages in messages of its own: each of its places, by one change and by three.
const SEALED: std::ops::Range<u8> = 0..13;
/// Where `sealed` signs the document that follows.
const SIGNED: u8 = 9;

/// What `reshaped` changes in each seed: one change, three changes.
const CHANGES: &[&[u8]] = &[&[1, 0, 0, 5], &[3, 8, 0, 9, 1, 0, 14, 19, 0, 3]];

fn main() -> Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = Seeds { folder: fuzz.join("seeds") };
    for (target, files) in DATA {
        for file in *files {
            let bytes = fs::read(fuzz.join("../tests/data").join(file))?;
            seeds.write(target, &file.replace('/', "-"), &bytes)?;
            if let Some(der) = der(&bytes) {
                seeds.reshaped(&file.replace('/', "-"), &der)?;
            }
        }
    }
    for (name, [reader, status], body) in SERVICES {
        seeds.write("services", name, &[&[*reader, *status], body.as_bytes()].concat())?;
    }
    for what in SEALED.filter(|what| *what != SIGNED) {
        for (number, changes) in CHANGES.iter().enumerate() {
            seeds.write("sealed", &format!("{what}-{number}"), &[&[what], *changes].concat())?;
        }
    }
    talk(&seeds)?;
    texts(&seeds)
}

struct Seeds {
    folder: PathBuf,
}

impl Seeds {
    fn write(&self, target: &str, name: &str, bytes: &[u8]) -> Result<()> {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(name), bytes)?)
    }

    fn reshaped(&self, name: &str, der: &[u8]) -> Result<()> {
        for (number, changes) in CHANGES.iter().enumerate() {
            self.write("reshaped", &format!("{name}-{number}"), &[*changes, der].concat())?;
        }
        Ok(())
    }
}

/// The octets of DER or of the first block of PEM; `None` for what is neither.
fn der(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.first() == Some(&0x30) {
        return Some(bytes.to_vec());
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let body: String = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    STANDARD.decode(body).ok().filter(|der| der.first() == Some(&0x30))
}

/// One device's life, as far as messages of every kind are in it.
fn talk(seeds: &Seeds) -> Result<()> {
    let provider = Provider::rustcrypto(&Os);
    let now: Timestamp = "2026-11-21T12:00:00Z".parse()?;
    let mut host = Host::new(provider, "secret", now)?;
    let mut iphone = Device::new("00008150-000A1B2C3D4E5F60", provider)?;
    let (certificates, fingerprint) = host.ca_certificates()?;
    seeds.write("ca_certificates", "ra-and-ca", &certificates)?;
    seeds.reshaped("ra-and-ca", &certificates)?;
    let server = learn(&certificates, &host.capabilities(), &fingerprint, &provider)?;

    let exchange = |host: &mut Host, kind: &str, body: Vec<u8>| -> Result<Vec<u8>> {
        let reply = host.scep(&body)?;
        seeds.write("scep_server", kind, &body)?;
        seeds.reshaped(kind, &body)?;
        seeds.write("scep_client", &format!("{kind}-reply"), &reply)?;
        seeds.reshaped(&format!("{kind}-reply"), &reply)?;
        seeds.write("scep_query", kind, Operation::PkiOperation { message: Some(body) }.to_query().as_bytes())?;
        Ok(reply)
    };
    iphone.enrol(&server, "secret", now, |body| exchange(&mut host, "pkcs-req", body))?;
    iphone.renew(&server, |body| exchange(&mut host, "renewal-req", body))?;

    let topic = host.topic()?.as_str().to_owned();
    for (name, body) in [("authenticate", iphone.authenticate(&topic)?), ("token-update", iphone.token_update(&topic)?)] {
        seeds.write("check_in", name, &body)?;
        let signature = iphone.sign(&body, now)?;
        seeds.write("mdm_signature", name, signature.as_bytes())?;
        host.mdm(true, &signature, &body)?;
    }
    host.queue(&Command::new("ask-1", DeviceInformation::default()))?;
    let idle = iphone.idle()?;
    let (_, command) = host.mdm(false, &iphone.sign(&idle, now)?, &idle)?;
    seeds.write("command", "device-information", &command)?;
    seeds.write("report", "idle", &idle)?;
    seeds.write("report", "device-information", &iphone.answer(&command)?)
}

/// Kinds that the quickstart has no use for.
fn texts(seeds: &Seeds) -> Result<()> {
    let plist = |body: &str| format!("<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>{body}</dict></plist>").into_bytes();
    seeds.write("scep_query", "ca-caps", b"operation=GetCACaps&message=ca")?;
    let iphone = plist(
        "<key>UDID</key><string>00008150-000A1B2C3D4E5F60</string><key>PRODUCT</key><string>iPhone18,1</string><key>VERSION</key><string>24A5</string>",
    );
    seeds.write("machine_info", "iphone", &iphone)?;
    seeds.write("sealed", "9-iphone", &[&[SIGNED], iphone.as_slice()].concat())?;
    let wifi = "<key>PayloadType</key><string>com.apple.wifi.managed</string><key>PayloadVersion</key><integer>1</integer>\
        <key>PayloadIdentifier</key><string>com.example.wifi</string><key>PayloadUUID</key><string>9F09D114-BCFD-42AD-A974-371AA7D6256E</string>\
        <key>SSID_STR</key><string>Example</string>";
    seeds.write(
        "profile",
        "wifi",
        &plist(&format!(
            "<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>\
             <key>PayloadIdentifier</key><string>com.example</string><key>PayloadUUID</key><string>3B2A1C77-8B0E-4A43-9F3C-0E5E0D9F3A11</string>\
             <key>PayloadContent</key><array><dict>{wifi}</dict></array>"
        )),
    )?;
    seeds.write(
        "declaration",
        "passcode",
        br#"{"Type":"com.apple.configuration.passcode.settings","Identifier":"com.example.passcode","ServerToken":"1","Payload":{"RequirePasscode":true,"MinimumLength":6}}"#,
    )?;
    seeds.write(
        "status_report",
        "family",
        br#"{"StatusItems":{"device":{"model":{"family":"iPhone"}}},"Errors":[{"StatusItem":"device.power","Reasons":[{"Code":"Error.Unknown"}]}]}"#,
    )?;
    seeds.write(
        "status_report",
        "tokens",
        br#"{"SyncTokens":{"DeclarationsToken":"7","Timestamp":"2026-11-21T12:00:00Z"}}"#,
    )?;
    let story = [0, 2, 1, 4, 4, 3, 1, 0, 3, 8, 90, 2, 0, 5, 2, 0, 1, 3, 1, 7, 0, 6, 11, 1, 1, 1, 0, 0, 0, 1];
    seeds.write("queue", "story", &story)?;
    let anew = [0, 0x30, 1, 0x21, 8, 20, 4, 1, 1, 9, 1, 0, 0, 1, 1, 4, 2, 0, 1, 9, 0, 10, 1, 10, 5, 5, 0, 8, 30];
    seeds.write("queue", "enrolled-anew", &anew)?;
    let story = [
        0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0, 2, 0, 1, 2, 0, 5, 0, 2, 6, 2, 0, 7, 2, 4, 8, 0, 1, 6, 1, 0, 7, 1, 1, 4,
        0, 0,
    ];
    seeds.write("tenants", "story", &story)?;
    let late = [0, 0, 0, 1, 0, 0, 6, 0, 0, 7, 0, 0x40, 9, 0, 5, 1, 0, 1, 9, 0, 5, 7, 0, 0x21];
    seeds.write("tenants", "late-answer-about-an-older-token", &late)?;
    seeds.write("tenants", "later-wake-behind-a-delivered-one", &[0, 0, 0, 1, 0, 0, 6, 0, 0, 7, 0, 0, 6, 0, 100, 9, 0, 1])?;
    let story = [
        0, 240, 1, 17, 2, 242, 3, 15, 10, 0, 12, 64, 4, 64, 5, 1, 12, 64, 7, 0, 8, 30, 6, 1, 12, 65, 11, 0, 11, 32, 3, 130, 3,
        15, 9, 1, 3, 1, 3, 15, 10, 1, 0, 243, 9, 4, 3, 129, 3, 15, 12, 2, 10, 0, 0, 244, 9, 3, 9, 3, 8, 245, 7, 1, 10, 3, 3,
        15, 12, 16, 12, 32, 8, 200, 7, 2, 4, 130, 12, 66,
    ];
    seeds.write("authority", "story", &story)?;
    let answer = |status: u16, rest: &[u8]| [&(status - 100).to_be_bytes()[..], rest].concat();
    seeds.write("apns_answer", "taken", &answer(200, b"\x00\x24EBA7A6E0-1F0C-4A6E-8D55-3A6B1A8A7C11"))?;
    seeds.write("apns_answer", "gone", &answer(410, br#" 	{"reason":"Unregistered","timestamp":1790000000000}"#))?;
    // What a vendor sends for a customer: base64 of a property list. Without a chain it is read and refused.
    let request = plist("<key>PushCertRequestCSR</key><string>MIIB</string><key>PushCertSignature</key><string>AAAA</string>");
    seeds.write("push_request", "without-chain", STANDARD.encode(request).as_bytes())
}
