//! What this crate and what OpenSSL say to the same bytes.

use std::fmt::Write as _;
use std::path::PathBuf;

use mdm_core::cms::{EnvelopedData, OpeningPolicy, SignaturePolicy, SignedData};
use mdm_core::crypto::{Legacy, SoftwareKey};
use mdm_core::limits::Limits;
use mdm_core::x509::{Certificate, CertificateRevocationList, PathRules, SerialNumber, verify_path};
use openssl::asn1::{Asn1IntegerRef, Asn1Time, Asn1TimeRef};
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::SslFiletype;
use openssl::stack::Stack;
use openssl::x509::store::{X509Lookup, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509Crl, X509StoreContext, X509VerifyResult};

use crate::house::{Fail, NOW, provider};

/// What one side says.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// It takes the bytes, and reads this from them.
    Takes(String),
    /// It refuses them, for this reason.
    Refuses(String),
}

use Verdict::{Refuses, Takes};

fn refuses(error: impl std::fmt::Display) -> Verdict {
    Refuses(error.to_string())
}

/// The reasons that OpenSSL stacks up, the deepest first.
fn reasons(stack: &ErrorStack) -> Verdict {
    let reasons: Vec<&str> = stack.errors().iter().filter_map(|error| error.reason()).collect();
    Refuses(if reasons.is_empty() { "no reason given".into() } else { reasons.join(", ") })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a string takes it");
        text
    })
}

/// A serial number of this crate with its sign; the octets are those on the wire.
fn number_here(serial: &SerialNumber) -> String {
    if serial.is_positive() || serial.as_bytes().iter().all(|octet| *octet == 0) {
        return hex(serial.as_bytes());
    }
    // Two's complement: what is missing to the next power of 256.
    let mut borrowed = 0;
    let mut magnitude: Vec<u8> = serial.as_bytes().iter().rev().map(|octet| {
        let (rest, less) = 0_u8.overflowing_sub(*octet);
        let (rest, lesser) = rest.overflowing_sub(borrowed);
        borrowed = u8::from(less || lesser);
        rest
    }).collect();
    while magnitude.len() > 1 && magnitude.last() == Some(&0) {
        magnitude.pop();
    }
    magnitude.reverse();
    format!("-{}", hex(&magnitude))
}

fn number_there(serial: &Asn1IntegerRef) -> String {
    let number = serial.to_bn().expect("a number");
    format!("{}{}", if number.is_negative() { "-" } else { "" }, hex(&number.to_vec()))
}

/// Whether something follows the first element. `d2i` stops there, and leaves it to its caller to look on.
fn something_follows(bytes: &[u8]) -> bool {
    let [_, first, rest @ ..] = bytes else { return false };
    let length = match first {
        0..=0x7f => Some((usize::from(*first), rest)),
        0x80 => None,
        _ => rest.split_at_checked(usize::from(first & 0x7f)).map(|(octets, rest)| {
            (octets.iter().fold(0_usize, |length, octet| length.wrapping_shl(8) | usize::from(*octet)), rest)
        }),
    };
    length.is_some_and(|(length, rest)| rest.len() > length)
}

/// Seconds since 1970, when the time is one.
fn seconds(time: &Asn1TimeRef) -> Option<i64> {
    let difference = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
    Some(i64::from(difference.days) * 86_400 + i64::from(difference.secs))
}

// --- certificates --------------------------------------------------------------------------------------------------------------

/// The certificate is read: number, times.
pub fn certificate_here(der: &[u8]) -> Verdict {
    match Certificate::from_der(der) {
        Ok(certificate) => {
            let validity = certificate.validity();
            let number = number_here(certificate.serial());
            Takes(format!("{number} {} {}", validity.not_before.unix(), validity.not_after.unix()))
        }
        Err(error) => refuses(error),
    }
}

pub fn certificate_there(der: &[u8]) -> Verdict {
    let certificate = match X509::from_der(der) {
        Ok(_) if something_follows(der) => return refuses("bytes follow"),
        Ok(certificate) => certificate,
        Err(stack) => return reasons(&stack),
    };
    let times = [certificate.not_before(), certificate.not_after()].map(|time| seconds(time));
    let number = number_there(certificate.serial_number());
    match times {
        [Some(from), Some(until)] => Takes(format!("{number} {from} {until}")),
        _ => refuses("a time that is none"),
    }
}

/// The leaf is believed under the root.
pub fn path_here(leaf: &[u8], between: &[u8], root: &Certificate) -> Verdict {
    let read = || Ok::<_, mdm_core::x509::Error>((Certificate::from_der(leaf)?, Certificate::from_der(between)?));
    match read() {
        Err(error) => refuses(error),
        Ok((leaf, between)) => {
            match verify_path(&leaf, &[between], std::slice::from_ref(root), &PathRules::at(NOW), &provider()) {
                Ok(path) => Takes(format!("{} certificates", path.len())),
                Err(error) => refuses(error),
            }
        }
    }
}

pub fn path_there(leaf: &[u8], between: &[u8], root: &X509) -> Verdict {
    if something_follows(leaf) || something_follows(between) {
        return refuses("bytes follow");
    }
    let judge = || -> Result<Verdict, ErrorStack> {
        let (leaf, between) = (X509::from_der(leaf)?, X509::from_der(between)?);
        let mut store = X509StoreBuilder::new()?;
        store.add_cert(root.clone())?;
        verified(store, &leaf, between, X509VerifyFlags::empty())
    };
    judge().unwrap_or_else(|stack| reasons(&stack))
}

fn verified(
    mut store: X509StoreBuilder,
    leaf: &X509,
    between: X509,
    flags: X509VerifyFlags,
) -> Result<Verdict, ErrorStack> {
    let mut rules = X509VerifyParam::new()?;
    rules.set_time(NOW.unix());
    rules.set_flags(flags)?;
    store.set_param(&rules)?;
    let mut others = Stack::new()?;
    others.push(between)?;
    let mut context = X509StoreContext::new()?;
    context.init(&store.build(), leaf, &others, |context| {
        Ok(match (context.verify_cert()?, context.error()) {
            (true, X509VerifyResult::OK) => Takes(format!("{} certificates", context.chain().map_or(0, |chain| chain.len()))),
            (_, error) => refuses(error.error_string()),
        })
    })
}

// --- revocation lists ----------------------------------------------------------------------------------------------------------

/// The list is read: times, entries.
pub fn list_here(der: &[u8]) -> Verdict {
    match CertificateRevocationList::from_der(der, &Limits::PKI) {
        Ok(list) => {
            let entries: Vec<String> =
                list.entries().map(|entry| format!("{} {}", number_here(&entry.serial), entry.date.unix())).collect();
            let next = list.next_update().map(|time| time.unix());
            Takes(format!("{} {next:?} {entries:?}", list.this_update().unix()))
        }
        Err(error) => refuses(error),
    }
}

pub fn list_there(der: &[u8]) -> Verdict {
    let list = match X509Crl::from_der(der) {
        Ok(_) if something_follows(der) => return refuses("bytes follow"),
        Ok(list) => list,
        Err(stack) => return reasons(&stack),
    };
    let mut entries: Vec<String> = Vec::new();
    for entry in list.get_revoked().into_iter().flatten() {
        let number = number_there(entry.serial_number());
        let Some(date) = seconds(entry.revocation_date()) else { return refuses("a time that is none") };
        entries.push(format!("{number} {date}"));
    }
    let next = list.next_update().map(seconds);
    match (seconds(list.last_update()), next) {
        (Some(this), None) => Takes(format!("{this} {:?} {entries:?}", None::<i64>)),
        (Some(this), Some(Some(next))) => Takes(format!("{this} {:?} {entries:?}", Some(next))),
        _ => refuses("a time that is none"),
    }
}

/// By this list of the authority the leaf is not revoked.
pub fn standing_here(list: &[u8], leaf: &Certificate, authority: &Certificate) -> Verdict {
    let judge = || -> Result<Verdict, mdm_core::x509::Error> {
        let list = CertificateRevocationList::from_der(list, &Limits::PKI)?;
        list.verify_signature(authority.public_key(), &provider(), Legacy::NONE)?;
        Ok(if list.issuer() != authority.subject() {
            refuses("of another issuer")
        } else if list.authority_key_identifier().is_some_and(|id| Some(id) != authority.subject_key_identifier()) {
            refuses("by another key of the issuer")
        } else if list.base().is_some() {
            refuses("a delta list")
        } else if list.this_update() > NOW || list.next_update().is_some_and(|next| next < NOW) {
            refuses("not of now")
        } else if list.issuing_distribution_point().is_some() {
            refuses("of a part")
        } else if list.find(leaf.serial()).is_some() {
            refuses("revoked")
        } else {
            Takes(String::new())
        })
    };
    judge().unwrap_or_else(refuses)
}

pub fn standing_there(list: &[u8], leaf: &X509, authority: &X509, root: &X509, file: &PathBuf) -> Verdict {
    if something_follows(list) {
        return refuses("bytes follow");
    }
    let judge = || -> Result<Verdict, Fail> {
        // A store takes lists from files only.
        std::fs::write(file, list)?;
        let mut store = X509StoreBuilder::new()?;
        store.add_cert(root.clone())?;
        store.add_lookup(X509Lookup::file())?.load_crl_file(file, SslFiletype::ASN1)?;
        Ok(match verified(store, leaf, authority.clone(), X509VerifyFlags::CRL_CHECK)? {
            Takes(_) => Takes(String::new()),
            refused => refused,
        })
    };
    judge().unwrap_or_else(|error| error.downcast_ref::<ErrorStack>().map_or_else(|| refuses(&error), reasons))
}

// --- messages ------------------------------------------------------------------------------------------------------------------

/// Every signature of the message holds for the certificate in it that its signer names; what was signed.
pub fn signed_here(message: &[u8]) -> Verdict {
    let judge = || -> Result<Verdict, mdm_core::cms::Error> {
        let message = SignedData::parse(message, &Limits::PKI)?;
        let Some(content) = message.content() else { return Ok(refuses("no content")) };
        let policy = SignaturePolicy { without_signed_attributes: true, ..SignaturePolicy::default() };
        if message.signers().len() == 0 {
            return Ok(refuses("no signer"));
        }
        for signer in message.signers() {
            let certificate = message.signer_certificate(&signer).ok_or(mdm_core::cms::Error::NoSignerCertificate)?;
            signer.verify(content, certificate.public_key(), &provider(), &policy)?;
        }
        Ok(Takes(hex(content)))
    };
    judge().unwrap_or_else(refuses)
}

pub fn signed_there(message: &[u8]) -> Verdict {
    if something_follows(message) {
        return refuses("bytes follow");
    }
    let judge = || -> Result<Verdict, ErrorStack> {
        let mut message = CmsContentInfo::from_der(message)?;
        let mut content = Vec::new();
        message.verify(None, None, None, Some(&mut content), CMSOptions::NO_SIGNER_CERT_VERIFY | CMSOptions::BINARY)?;
        Ok(Takes(hex(&content)))
    };
    judge().unwrap_or_else(|stack| reasons(&stack))
}

/// What is in the envelope, by either side's way of asking twice: where a random key stands in for the right one, the answers differ, and
/// the envelope did not open.
fn twice(open: impl Fn() -> Verdict) -> Verdict {
    match (open(), open()) {
        (Takes(first), Takes(second)) if first != second => refuses("opened with a made-up key"),
        (Takes(_), refused @ Refuses(_)) => refused,
        (first, _) => first,
    }
}

pub fn opened_here(message: &[u8], key: &SoftwareKey, certificate: &Certificate) -> Verdict {
    twice(|| {
        let opened = EnvelopedData::parse(message, &Limits::PKI)
            .and_then(|envelope| envelope.open(certificate, key, &provider(), &OpeningPolicy::default()));
        opened.map_or_else(refuses, |plain| Takes(hex(plain.expose())))
    })
}

pub fn opened_there(message: &[u8], key: &PKey<Private>, certificate: &X509) -> Verdict {
    if something_follows(message) {
        return refuses("bytes follow");
    }
    twice(|| {
        let opened = CmsContentInfo::from_der(message).and_then(|message| message.decrypt(key, certificate));
        opened.map_or_else(|stack| reasons(&stack), |plain| Takes(hex(&plain)))
    })
}

