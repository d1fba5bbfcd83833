//! Java's own formats, JKS and JCEKS: read, never written.
//!
//! ```text
//! magic  version  count  entry…  SHA-1(password, "Mighty Aphrodite", all of that)
//!
//! entry  1  alias  date  EncryptedPrivateKeyInfo  count  certificate…
//!        2  alias  date  certificate
//!        3  alias  date  Java object                     (JCEKS only: a secret key, passed over)
//! ```
//!
//! Numbers are big-endian, texts have a length of 16 bits, other things one of 32.

mod bytes;
mod object;
mod protection;

use bytes::Bytes;

use super::encryption::Opening;
use super::{Entry, Error, KeyStore, Refusal};
use crate::asn1::{Error as Asn1Error, ErrorKind};
use crate::crypto::DigestAlgorithm;
use crate::x509::Certificate;

/// The first four bytes of the two formats.
const JKS: [u8; 4] = [0xFE, 0xED, 0xFE, 0xED];
const JCEKS: [u8; 4] = [0xCE, 0xCE, 0xCE, 0xCE];

const WHAT: &str = "the Java key store";
const CHECKSUM_LEN: usize = 20;

/// Whether the bytes begin as one of the two formats does.
pub(super) fn is_java(bytes: &[u8]) -> bool {
    bytes.starts_with(&JKS) || bytes.starts_with(&JCEKS)
}

/// Reads a store. The structure needs no password and is read first, so that damage to it is told as such; then the checksum is
/// compared; only then are keys opened.
pub(super) fn open(bytes: &[u8], with: &mut Opening<'_>) -> Result<KeyStore, Error> {
    let malformed = Error::malformed(WHAT);
    if !with.policy.java {
        return Err(Refusal::Java.into());
    }
    let limits = with.policy.limits;
    if bytes.len() > limits.max_bytes {
        return Err(malformed(Asn1Error::new(ErrorKind::TooLong(limits.max_bytes), 0)));
    }
    let mut reader = Bytes::new(bytes);
    let entries = read_entries(&mut reader, limits.max_items).map_err(&malformed)?;
    let covered = bytes.get(..reader.at()).unwrap_or_default();
    let checksum = reader.take(CHECKSUM_LEN).and_then(|found| reader.finish().map(|()| found)).map_err(&malformed)?;
    let password = with.password.utf16();
    let parts = [&password[..], b"Mighty Aphrodite", covered];
    if !with.provider.digests.digest(DigestAlgorithm::Sha1, &parts).matches(checksum) {
        return Err(Error::Password);
    }
    let mut store = KeyStore::default();
    for entry in entries {
        match entry {
            RawEntry::Key { alias, protected, chain } => {
                let chain =
                    chain.into_iter().map(Certificate::from_der).collect::<Result<_, _>>().map_err(Error::Certificate)?;
                store.entries.push(Entry { alias, key: protection::open(protected, with)?, chain });
            }
            RawEntry::Certificate(der) => {
                store.certificates.push(Certificate::from_der(der).map_err(Error::Certificate)?);
            }
        }
    }
    Ok(store)
}

/// An entry as it stands in the file.
enum RawEntry<'a> {
    Key { alias: String, protected: &'a [u8], chain: Vec<&'a [u8]> },
    Certificate(&'a [u8]),
}

fn read_entries<'a>(reader: &mut Bytes<'a>, most: usize) -> Result<Vec<RawEntry<'a>>, Asn1Error> {
    let is_jceks = reader.take(JKS.len())? == JCEKS;
    let at = reader.at();
    let version = reader.u32()?;
    if !matches!(version, 1 | 2) {
        return Err(Asn1Error::field("version", at));
    }
    let count = reader.u32()?;
    let mut left = most;
    let mut entries = Vec::new();
    for _ in 0..count {
        spend(&mut left, most, reader.at())?;
        let at = reader.at();
        let kind = reader.u32()?;
        let alias = reader.text()?;
        reader.take(size_of::<u64>())?;
        match kind {
            1 => {
                let protected = reader.counted()?;
                let mut chain = Vec::new();
                for _ in 0..reader.u32()? {
                    spend(&mut left, most, reader.at())?;
                    chain.push(read_certificate(reader, version)?);
                }
                entries.push(RawEntry::Key { alias, protected, chain });
            }
            2 => entries.push(RawEntry::Certificate(read_certificate(reader, version)?)),
            3 if is_jceks => object::skip(reader)?,
            _ => return Err(Asn1Error::field("the kind of an entry", at)),
        }
    }
    Ok(entries)
}

/// Counts entries and certificates against the limit.
fn spend(left: &mut usize, most: usize, at: usize) -> Result<(), Asn1Error> {
    *left = left.checked_sub(1).ok_or(Asn1Error::new(ErrorKind::TooMany(most), at))?;
    Ok(())
}

/// In version 1 all certificates are X.509; version 2 says so of each.
fn read_certificate<'a>(reader: &mut Bytes<'a>, version: u32) -> Result<&'a [u8], Asn1Error> {
    if version > 1 {
        let at = reader.at();
        if reader.text()? != "X.509" {
            return Err(Asn1Error::field("the type of a certificate", at));
        }
    }
    reader.counted()
}
