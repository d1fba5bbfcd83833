//! The readers of the crate, each with input that costs it most for its size.
//!
//! Shared by the tests of memory (`main.rs` here, `tests/linear.rs`) and by `examples/instructions.rs`.

#[path = "pki.rs"]
mod pki;
#[path = "stores.rs"]
mod stores;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::ade::MachineInfo;
use mdm_core::asn1::{self, Tag};
use mdm_core::checkin::CheckIn;
use mdm_core::cms::{EnvelopedData, MdmSignature, SignedData};
use mdm_core::command::{Command, InstalledApplicationList, Report};
use mdm_core::keystore::EncryptedPrivateKey;
use mdm_core::limits::Limits;
use mdm_core::plist;
use mdm_core::profile::{self, Profile};
use mdm_core::push::{Answer, SignedRequest};
use mdm_core::scep::{CaCertificates, Capabilities, Operation, Peer, PkiMessage};
use mdm_core::schema::Record;
use mdm_core::x509::ocsp::{self, Request, Response};
use mdm_core::x509::{Certificate, CertificateRevocationList, Csr};
use pki::{
    certificate, element, enveloped_data, many, ocsp_request, ocsp_response, request, revocation_list, scep_signer,
    signed_content, signed_data, signer,
};

/// Input of a kind, and who reads it.
pub struct Shape {
    /// What it is.
    pub name: &'static str,
    /// The longest that the reader's limits allow, or nearly.
    pub most: usize,
    /// Input of about so many bytes.
    pub make: fn(usize) -> Vec<u8>,
    /// Reads it; whether it was accepted.
    pub read: fn(&[u8]) -> bool,
}

/// A little below the limit, so that what is made stays below. Where it is items that are limited, a shape has a length of its own.
const MESSAGE: usize = (8 << 20) - 4096;
const PKI: usize = (256 << 10) - 4096;
const STORE: usize = (1 << 20) - 4096;

/// Every shape.
pub const SHAPES: &[Shape] = &[
    // One more than a power of two, where vectors that double are at their worst.
    Shape { name: "plist: true", most: 7 * 524_289, make: |bytes| array(bytes, "<true/>"), read: plist },
    Shape { name: "plist: many true", most: 7 * 1_000_000, make: |bytes| array(bytes, "<true/>"), read: plist },
    Shape { name: "plist: empty dictionaries", most: 7 * 1_000_000, make: |bytes| array(bytes, "<dict/>"), read: plist },
    Shape { name: "plist: empty data", most: 7 * 1_000_000, make: |bytes| array(bytes, "<data/>"), read: plist },
    Shape { name: "plist: one-letter strings", most: MESSAGE, make: |bytes| array(bytes, "<string>a</string>"), read: plist },
    Shape {
        name: "plist: dictionaries of one key",
        most: MESSAGE,
        make: |bytes| array(bytes, "<dict><key/><true/></dict>"),
        read: plist,
    },
    Shape {
        name: "plist: nested arrays",
        most: MESSAGE,
        make: |bytes| array(bytes, "<array><array><true/></array></array>"),
        read: plist,
    },
    Shape { name: "plist: one dictionary", most: MESSAGE, make: |bytes| dictionary(bytes, ""), read: plist },
    Shape { name: "plist: references", most: MESSAGE, make: |bytes| text("string", "&lt;", bytes), read: plist },
    Shape { name: "plist: line ends", most: MESSAGE, make: |bytes| text("string", "\r\n", bytes), read: plist },
    Shape { name: "plist: data", most: MESSAGE, make: |bytes| text("data", "AAAA\n", bytes), read: plist },
    Shape { name: "plist: binary applications", most: 1_500_000, make: binary_applications, read: plist },
    Shape {
        name: "check-in: unknown keys",
        most: MESSAGE,
        make: |bytes| dictionary(bytes, "<key>MessageType</key><string>TokenUpdate</string>"),
        read: |input| CheckIn::parse(input, &Limits::MESSAGE).is_ok(),
    },
    Shape {
        name: "report: applications",
        most: MESSAGE,
        make: applications,
        read: |input| Report::parse(input, &Limits::MESSAGE).and_then(Report::into_answer::<InstalledApplicationList>).is_ok(),
    },
    Shape {
        name: "report: empty applications",
        most: 7 * 1_000_000,
        make: |bytes| report(bytes, "<dict/>"),
        read: |input| Report::parse(input, &Limits::MESSAGE).and_then(Report::into_answer::<InstalledApplicationList>).is_ok(),
    },
    Shape {
        name: "command: unknown keys",
        most: MESSAGE,
        make: |bytes| {
            let body = dictionary(bytes, "<key>RequestType</key><string>Other</string>");
            [b"<dict><key>CommandUUID</key><string>1</string><key>Command</key>".as_slice(), &body, b"</dict>"].concat()
        },
        read: |input| Command::parse(input, &Limits::MESSAGE).is_ok(),
    },
    Shape {
        name: "profile: empty payloads",
        most: 7 * 600_000,
        make: |bytes| [b"<dict><key>PayloadContent</key>".as_slice(), &array(bytes, "<dict/>"), b"</dict>"].concat(),
        read: |input| matches!(Profile::parse(input, &Limits::MESSAGE), Err(profile::Error::EmptyPayloads(_))),
    },
    Shape { name: "asn1: definite", most: 2_000_000, make: |bytes| many(bytes, &[5, 0]), read: to_der },
    Shape {
        name: "asn1: indefinite",
        most: 4_000_000,
        make: |bytes| [&[0x30, 0x80][..], &[0x30, 0x80, 0, 0].repeat(bytes / 4), &[0, 0]].concat(),
        read: to_der,
    },
    Shape {
        name: "asn1: a string in pieces",
        most: 3_000_000,
        make: |bytes| [&[0x24, 0x80][..], &[4, 1, 0x41].repeat(bytes / 3), &[0, 0]].concat(),
        read: to_der,
    },
    Shape {
        name: "x509: extensions",
        most: PKI,
        make: |bytes| certificate(1, bytes / 14),
        read: |input| Certificate::from_der(input).is_ok(),
    },
    Shape {
        name: "x509: names",
        most: PKI,
        make: |bytes| certificate(bytes / 15, 0),
        read: |input| Certificate::from_der(input).is_ok(),
    },
    Shape {
        name: "x509: PEM",
        most: PKI,
        make: |bytes| {
            let noise = "noise\n".repeat(bytes / 6);
            [noise.as_bytes(), include_bytes!("../data/x509/ca.pem")].concat()
        },
        read: |input| Certificate::from_pem(input).is_ok(),
    },
    Shape { name: "x509: request with attributes", most: PKI, make: request, read: |input| Csr::from_der(input).is_ok() },
    Shape {
        name: "x509: revocation list",
        most: 7_000_000,
        make: revocation_list,
        read: |input| CertificateRevocationList::from_der(input, &Limits::PKI.bytes(8 << 20).items(1 << 20)).is_ok(),
    },
    Shape {
        name: "ocsp: request",
        most: 64 * 80,
        make: |bytes| ocsp_request(bytes / 80),
        read: |input| Request::from_der(input, &ocsp::LIMITS).is_ok(),
    },
    Shape {
        name: "ocsp: response",
        most: PKI,
        make: ocsp_response,
        read: |input| Response::from_der(input, &Limits::PKI).is_ok(),
    },
    Shape {
        name: "cms: certificates",
        most: 16_000 * 2,
        make: |bytes| signed_data(&[0x30, 0].repeat(bytes / 2), &[]),
        read: signed,
    },
    Shape {
        name: "cms: signers",
        most: 50_000,
        make: |bytes| signed_data(&[], &signer().repeat(bytes / signer().len())),
        read: signed,
    },
    Shape {
        name: "cms: recipients",
        most: 50_000,
        make: enveloped_data,
        read: |input| EnvelopedData::parse(input, &Limits::PKI).is_ok(),
    },
    Shape {
        name: "cms: Mdm-Signature",
        most: PKI,
        make: |bytes| {
            let padding = element(Tag::OCTET_STRING, &vec![0; bytes / 4 * 3 - 600]);
            STANDARD.encode(signed_data(&element(Tag::SEQUENCE, &padding), &[])).into_bytes()
        },
        read: |input| MdmSignature::parse(input, &Limits::PKI).is_ok(),
    },
    Shape {
        name: "scep: a message's attributes",
        most: 45_000,
        make: |bytes| signed_data(&[], &scep_signer(bytes)),
        read: |input| PkiMessage::parse(input, &Peer::default()).is_ok(),
    },
    Shape {
        name: "scep: CA certificates",
        most: 110_000,
        make: |bytes| {
            let one = certificate(1, 0);
            signed_data(&one.repeat(bytes / one.len()), &[])
        },
        read: |input| CaCertificates::parse(input, &Limits::PKI).is_ok(),
    },
    Shape {
        name: "scep: capabilities",
        most: PKI,
        make: |bytes| "AES\n".repeat(bytes / 4).into_bytes(),
        read: |input| Capabilities::parse(input) != Capabilities::default(),
    },
    Shape {
        name: "scep: a query",
        most: PKI,
        make: |bytes| format!("operation=PKIOperation&message={}", "%4D%49".repeat(bytes / 24 * 4)).into_bytes(),
        read: |input| std::str::from_utf8(input).is_ok_and(|query| Operation::from_query(query, &Limits::PKI).is_ok()),
    },
    Shape {
        name: "push: an answer",
        most: 4_000,
        make: |bytes| {
            format!(r#"{{"reason":"Unregistered","timestamp":1900000000000,"a":[{}0]}}"#, "0,".repeat(bytes / 2)).into_bytes()
        },
        read: |input| {
            let answer = Answer::from_parts(http::StatusCode::GONE, &http::HeaderMap::new(), input);
            answer.reason().is_some()
        },
    },
    Shape {
        name: "push: a vendor's request, refused",
        most: PKI,
        make: |bytes| STANDARD.encode(array(bytes / 4 * 3, "<true/>")).into_bytes(),
        read: |input| SignedRequest::parse(input, &Limits::PKI).is_err(),
    },
    Shape {
        name: "keystore: an encrypted key, refused",
        most: 30_000,
        make: |bytes| many(bytes, &[5, 0]),
        read: |input| EncryptedPrivateKey::from_der(input, &mdm_core::keystore::Policy::EXTERNAL_CA).is_err(),
    },
    Shape {
        name: "keystore: PKCS#12",
        // Here it is the elements that are limited.
        most: 600_000,
        make: |bytes| stores::pkcs12(bytes, &certificate(1, 0)),
        read: stores::open,
    },
    Shape {
        name: "keystore: JKS",
        most: STORE,
        make: |bytes| stores::java(0xFEED_FEED, bytes, &stores::java_certificate(&certificate(1, 0))),
        read: stores::open,
    },
    Shape {
        name: "keystore: JCEKS",
        most: STORE,
        make: |bytes| stores::java(0xCECE_CECE, bytes, &stores::java_certificate(&certificate(1, 0))),
        read: stores::open,
    },
    Shape { name: "keystore: PKCS#8", most: 100_000, make: stores::pkcs8, read: stores::private_key },
    Shape {
        name: "keystore: PKCS#8 in PEM",
        most: 140_000,
        make: |bytes| {
            let body = STANDARD.encode(stores::pkcs8(bytes / 4 * 3));
            let lines = body.as_bytes().chunks(64).flat_map(|line| [line, b"\n"].concat()).collect();
            [b"-----BEGIN PRIVATE KEY-----\n".to_vec(), lines, b"-----END PRIVATE KEY-----\n".to_vec()].concat()
        },
        read: stores::private_key,
    },
    Shape {
        name: "machine info: unknown keys",
        most: MESSAGE,
        make: |bytes| dictionary(bytes, "<key>UDID</key><string>1</string>"),
        read: machine_info,
    },
    Shape {
        name: "machine info: signed",
        most: PKI,
        make: |bytes| signed_content(&dictionary(bytes, "<key>UDID</key><string>1</string>")),
        read: |input| {
            let message = SignedData::parse(input, &Limits::PKI);
            message.is_ok_and(|message| message.content().is_some_and(machine_info))
        },
    },
    #[cfg(feature = "declarations")]
    Shape { name: "declaration: numbers", most: MESSAGE, make: |bytes| json(bytes, "1234567,"), read: json_declaration },
    #[cfg(feature = "declarations")]
    Shape { name: "declaration: empty objects", most: MESSAGE, make: |bytes| json(bytes, "{},     "), read: json_declaration },
];

fn plist(input: &[u8]) -> bool {
    plist::parse(input, &Limits::MESSAGE).is_ok()
}

fn to_der(input: &[u8]) -> bool {
    asn1::to_der(input, &Limits::MESSAGE).is_ok()
}

fn machine_info(input: &[u8]) -> bool {
    let document = plist::parse(input, &Limits::MESSAGE);
    let entries = document.ok().and_then(|value| value.as_dictionary().cloned());
    entries.is_some_and(|entries| MachineInfo::from_dictionary(entries).udid.is_some())
}

fn signed(input: &[u8]) -> bool {
    SignedData::parse(input, &Limits::PKI).is_ok()
}

#[cfg(feature = "declarations")]
fn json_declaration(input: &[u8]) -> bool {
    mdm_core::declaration::Declaration::parse(input, &Limits::MESSAGE).is_ok()
}

#[cfg(feature = "declarations")]
fn json(bytes: usize, item: &str) -> Vec<u8> {
    let items = item.repeat(bytes / item.len());
    format!(r#"{{"Type":"com.example","Identifier":"a","ServerToken":"b","Payload":{{"a":[{items}0]}}}}"#).into_bytes()
}

fn array(bytes: usize, item: &str) -> Vec<u8> {
    format!("<array>{}</array>", item.repeat(bytes / item.len())).into_bytes()
}

fn text(kind: &str, piece: &str, bytes: usize) -> Vec<u8> {
    format!("<{kind}>{}</{kind}>", piece.repeat(bytes / piece.len())).into_bytes()
}

/// A dictionary of short keys, and what it begins with.
fn dictionary(bytes: usize, first: &str) -> Vec<u8> {
    let mut text = format!("<dict>{first}");
    let mut key = 0;
    while text.len() < bytes.saturating_sub(40) {
        // Writing to a string does not fail.
        let _ = write!(text, "<key>{key:x}</key><true/>");
        key += 1;
    }
    (text + "</dict>").into_bytes()
}

/// Applications as a device lists them.
fn applications(bytes: usize) -> Vec<u8> {
    let mut apps = String::new();
    let mut number = 0;
    while apps.len() < bytes.saturating_sub(1_000) {
        apps += "\n\t<dict>";
        for key in ["Identifier", "Name", "ShortVersion", "Version", "ExternalVersionIdentifier"] {
            let _ = write!(apps, "\n\t\t<key>{key}</key>\n\t\t<string>com.example.app.{number}</string>");
        }
        let _ = write!(
            apps,
            "\n\t\t<key>BundleSize</key>\n\t\t<integer>{number}</integer>\n\t\t<key>Installing</key>\n\t\t<false/></dict>"
        );
        number += 1;
    }
    report(apps.len(), &apps)
}

fn binary_applications(bytes: usize) -> Vec<u8> {
    let tree = plist::parse(&applications(bytes * 5), &Limits::MESSAGE.bytes(64 << 20)).expect("it was made here");
    plist::to_binary(&tree).expect("it was read from a property list")
}

fn report(bytes: usize, item: &str) -> Vec<u8> {
    let head = "<key>Status</key><string>Acknowledged</string><key>InstalledApplicationList</key>";
    [format!("<dict>{head}").as_bytes(), &array(bytes, item), b"</dict>"].concat()
}
