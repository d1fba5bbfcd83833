//! PFX in.

use std::borrow::Cow;

use super::super::encryption::{Encryption, Opening, read_iterations};
use super::super::pairing::{CertificateBag, KeyBag, pair};
use super::super::policy::Budget;
use super::super::private_key::{self, is_private_key};
use super::super::{Error, KeyStore, Refusal};
use super::{
    CERTIFICATE_BAG, DATA, ENCRYPTED_DATA, FRIENDLY_NAME, KEY_BAG, LOCAL_KEY_ID, SAFE_CONTENTS_BAG, SHROUDED_KEY_BAG, STATE,
    X509_CERTIFICATE, mac,
};
use crate::asn1::{self, Error as Asn1Error, Oid, Reader, Tag};
use crate::crypto::DigestAlgorithm;
use crate::limits::Limits;
use crate::secret::Secret;
use crate::x509::Certificate;

const PFX: &str = "PFX";
const SAFE: &str = "AuthenticatedSafe";
const CONTENTS: &str = "SafeContents";

/// Reads a store. What is not encrypted is read before the MAC is computed, so that damage there is told as such; nothing is
/// decrypted before the MAC has matched.
pub(in crate::keystore) fn open(bytes: &[u8], with: &mut Opening<'_>) -> Result<KeyStore, Error> {
    let limits = with.policy.limits;
    let der = asn1::to_der(bytes, &limits).map_err(Error::malformed(PFX))?;
    let pfx = Pfx::read(&der, &with.budget)?;
    let safe = asn1::to_der(pfx.safe, &limits).map_err(Error::malformed(SAFE))?;
    let parts = read_parts(&safe, &limits, &with.budget)?;
    match &pfx.mac {
        Some(mac) => mac.verify(pfx.safe, with)?,
        None if with.policy.without_mac => {}
        None => return Err(Refusal::NoMac.into()),
    }
    let part_of = |error| if pfx.mac.is_some() { of_part(error, "a part") } else { error };
    let mut bags = Bags { authenticated: pfx.mac.is_some(), ..Bags::default() };
    for part in parts {
        match part {
            Part::Plain(contents) => bags.read(&contents, with)?,
            Part::Encrypted(encryption, sealed) => {
                let plain = encryption.decrypt(sealed, with).and_then(|plains| sound(&plains, &limits)).map_err(part_of)?;
                bags.read(plain.expose(), with)?;
            }
        }
    }
    let (entries, certificates) = pair(bags.keys, bags.certificates, with.provider);
    Ok(KeyStore { entries, certificates, state: bags.state })
}

/// Below a MAC that matched, what does not open has another password.
fn of_part(error: Error, part: &'static str) -> Error {
    if error == Error::Password { Error::OtherPassword(part) } else { error }
}

/// The first that is one whole element, in DER: rubbish is not.
fn sound(plains: &[Secret], limits: &Limits) -> Result<Secret, Error> {
    let mut whole = plains.iter().filter_map(|plain| match asn1::to_der(plain.expose(), limits).ok()? {
        Cow::Borrowed(_) => Some(plain.clone()),
        Cow::Owned(der) => Some(Secret::new(der)),
    });
    whole.next().ok_or(Error::Password)
}

/// PFX, RFC 7292 section 4.
struct Pfx<'a> {
    /// The octets that the MAC covers: AuthenticatedSafe.
    safe: &'a [u8],
    mac: Option<Mac<'a>>,
}

/// MacData.
struct Mac<'a> {
    algorithm: DigestAlgorithm,
    digest: &'a [u8],
    salt: &'a [u8],
    iterations: u32,
}

impl<'a> Pfx<'a> {
    fn read(der: &'a [u8], budget: &Budget) -> Result<Self, Error> {
        let malformed = Error::malformed(PFX);
        let mut pfx = Reader::new(der).sequence().map_err(&malformed)?;
        let at = pfx.at();
        if pfx.small_integer().map_err(&malformed)? != 3 {
            return Err(malformed(Asn1Error::field("version", at)));
        }
        let (kind, mut content) = read_content_info(&mut pfx).map_err(&malformed)?;
        if kind != DATA {
            return Err(Error::Unsupported("PKCS#12 that is signed instead of having a MAC"));
        }
        let safe = content.octet_string().and_then(|safe| content.finish().map(|()| safe)).map_err(&malformed)?;
        let mac = if pfx.is_empty() { None } else { Some(Mac::read(&mut pfx, budget)?) };
        pfx.finish().map_err(&malformed)?;
        Ok(Pfx { safe, mac })
    }
}

impl<'a> Mac<'a> {
    fn read(reader: &mut Reader<'a>, budget: &Budget) -> Result<Self, Error> {
        let malformed = Error::malformed(PFX);
        let mut data = reader.sequence().map_err(&malformed)?;
        let mut info = data.sequence().map_err(&malformed)?;
        let algorithm = DigestAlgorithm::read(&mut info).map_err(&malformed)?;
        let digest = info.octet_string().and_then(|digest| info.finish().map(|()| digest)).map_err(&malformed)?;
        let salt = data.octet_string().map_err(&malformed)?;
        let iterations = if data.is_empty() { 1 } else { read_iterations(&mut data, PFX, budget)? };
        data.finish().map_err(&malformed)?;
        let algorithm = algorithm.ok_or(Error::Unsupported("the algorithm of the MAC"))?;
        Ok(Mac { algorithm, digest, salt, iterations })
    }

    /// Compares in constant time, with each encoding that the password may have.
    fn verify(&self, safe: &[u8], with: &mut Opening<'_>) -> Result<(), Error> {
        let Opening { password, budget, provider, .. } = with;
        budget.spend(self.iterations, password.pkcs12().count())?;
        let holds = password
            .settle(|password| mac(provider, self.algorithm, password, self.salt, self.iterations, safe).matches(self.digest));
        if holds { Ok(()) } else { Err(Error::Password) }
    }
}

/// ContentInfo, RFC 5652 section 3: its type and the reader of its content.
fn read_content_info<'a>(reader: &mut Reader<'a>) -> Result<(Oid<'a>, Reader<'a>), Asn1Error> {
    let mut info = reader.sequence()?;
    let kind = info.oid()?;
    let content = info.nested(Tag::context_constructed(0))?;
    info.finish()?;
    Ok((kind, content))
}

/// One of the contents of AuthenticatedSafe, not yet decrypted.
enum Part<'a> {
    /// SafeContents in DER.
    Plain(Cow<'a, [u8]>),
    Encrypted(Encryption<'a>, &'a [u8]),
}

fn read_parts<'a>(safe: &'a [u8], limits: &Limits, budget: &Budget) -> Result<Vec<Part<'a>>, Error> {
    let malformed = Error::malformed(SAFE);
    let mut infos = Reader::new(safe).sequence().map_err(&malformed)?;
    let mut parts = Vec::new();
    while !infos.is_empty() {
        let (kind, mut content) = read_content_info(&mut infos).map_err(&malformed)?;
        if kind == DATA {
            let octets = content.octet_string().map_err(&malformed)?;
            parts.push(Part::Plain(asn1::to_der(octets, limits).map_err(Error::malformed(CONTENTS))?));
        } else if kind == ENCRYPTED_DATA {
            let (mut algorithm, sealed) = read_encrypted_data(&mut content).map_err(&malformed)?;
            parts.push(Part::Encrypted(Encryption::read(&mut algorithm, budget)?, sealed));
        } else {
            return Err(Error::Unsupported("PKCS#12 that is encrypted to a public key"));
        }
        content.finish().map_err(&malformed)?;
    }
    Ok(parts)
}

/// EncryptedData, RFC 5652 section 8: the reader of the algorithm, and what is encrypted.
fn read_encrypted_data<'a>(content: &mut Reader<'a>) -> Result<(Reader<'a>, &'a [u8]), Asn1Error> {
    let mut data = content.sequence()?;
    data.small_integer()?;
    let mut info = data.sequence()?;
    info.oid()?;
    let algorithm = info.clone();
    info.tagged(Tag::SEQUENCE)?;
    let sealed = info.tagged(Tag::context(0))?.value();
    info.finish()?;
    // unprotectedAttrs say nothing that is needed.
    data.optional(Tag::context_constructed(1))?;
    data.finish()?;
    Ok((algorithm, sealed))
}

/// What has been found in the bags so far.
#[derive(Default)]
struct Bags {
    authenticated: bool,
    keys: Vec<KeyBag>,
    certificates: Vec<CertificateBag>,
    state: Option<Secret>,
}

/// The attributes of a bag that are looked at (RFC 7292 section 4.2).
#[derive(Default)]
struct Attributes {
    name: String,
    id: Option<Vec<u8>>,
    state: Option<Secret>,
}

impl Bags {
    /// Reads SafeContents in DER. Bags within bags are walked with a stack, whose depth is that of the DER.
    fn read(&mut self, contents: &[u8], with: &mut Opening<'_>) -> Result<(), Error> {
        let malformed = Error::malformed(CONTENTS);
        let mut open = vec![Reader::new(contents).sequence().map_err(&malformed)?];
        while let Some(reader) = open.last_mut() {
            if reader.is_empty() {
                open.pop();
                continue;
            }
            let (kind, mut value, attributes) = read_bag(reader).map_err(&malformed)?;
            if kind == SAFE_CONTENTS_BAG {
                open.push(value.sequence().and_then(|inner| value.finish().map(|()| inner)).map_err(&malformed)?);
            } else {
                self.take(kind, value, attributes, with)?;
            }
        }
        Ok(())
    }

    /// CRLs, secrets and bags of unknown kinds are passed over.
    fn take(&mut self, kind: Oid<'_>, mut value: Reader<'_>, found: Attributes, with: &mut Opening<'_>) -> Result<(), Error> {
        let malformed = Error::malformed(CONTENTS);
        if self.state.is_none() {
            self.state = found.state;
        }
        if kind == KEY_BAG {
            let key = Secret::from(value.element().map_err(&malformed)?.raw());
            if !is_private_key(&key) {
                return Err(malformed(Asn1Error::field("keyBag", value.at())));
            }
            self.keys.push(KeyBag { key, name: found.name, id: found.id });
        } else if kind == SHROUDED_KEY_BAG {
            let authenticated = self.authenticated;
            let outcome = private_key::open(&mut value, with);
            let key = outcome.map_err(|error| if authenticated { of_part(error, "a private key") } else { error })?;
            self.keys.push(KeyBag { key, name: found.name, id: found.id });
        } else if kind == CERTIFICATE_BAG {
            let Some(der) = read_certificate(&mut value).map_err(&malformed)? else { return Ok(()) };
            let certificate = Certificate::from_der(der).map_err(Error::Certificate)?;
            self.certificates.push(CertificateBag { certificate, name: found.name, id: found.id });
        } else {
            return Ok(());
        }
        value.finish().map_err(&malformed)
    }
}

/// SafeBag, RFC 7292 section 4.2.
fn read_bag<'a>(reader: &mut Reader<'a>) -> Result<(Oid<'a>, Reader<'a>, Attributes), Asn1Error> {
    let mut bag = reader.sequence()?;
    let kind = bag.oid()?;
    let value = bag.nested(Tag::context_constructed(0))?;
    let mut attributes = Attributes::default();
    if let Some(mut set) = bag.optional_nested(Tag::SET)? {
        while !set.is_empty() {
            attributes.read_one(&mut set)?;
        }
    }
    bag.finish()?;
    Ok((kind, value, attributes))
}

impl Attributes {
    fn read_one(&mut self, set: &mut Reader<'_>) -> Result<(), Asn1Error> {
        let mut attribute = set.sequence()?;
        let kind = attribute.oid()?;
        let mut values = attribute.set()?;
        attribute.finish()?;
        if kind == FRIENDLY_NAME {
            let name = values.element()?;
            self.name = name.text().ok_or_else(|| Asn1Error::field("friendlyName", name.at()))?.into_owned();
        } else if kind == LOCAL_KEY_ID {
            self.id = Some(values.octet_string()?.to_vec());
        } else if kind == STATE {
            self.state = Some(Secret::from(values.octet_string()?));
        }
        Ok(())
    }
}

/// CertBag, RFC 7292 section 4.2.3; `None` for a certificate that is not X.509.
fn read_certificate<'a>(value: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Asn1Error> {
    let mut bag = value.sequence()?;
    if bag.oid()? != X509_CERTIFICATE {
        return Ok(None);
    }
    let mut wrapped = bag.nested(Tag::context_constructed(0))?;
    let der = wrapped.octet_string()?;
    wrapped.finish()?;
    bag.finish()?;
    Ok(Some(der))
}
