//! The name under which a certificate's holder may push.

use std::fmt;

use http::HeaderValue;
use serde::{Deserialize, Deserializer, Serialize};

use super::Error;
use crate::asn1::Oid;
use crate::plist::{Dictionary, Value};
use crate::x509::{Certificate, Name, oid};

/// An APNs topic of MDM: `com.apple.mgmt.` and what Apple put behind it, such as `com.apple.mgmt.External.` and a UUID.
///
/// The topic is the subject's UID (OID 0.9.2342.19200300.100.1.1) in a push certificate, `Topic` in the MDM payload of a profile,
/// and `Topic` in every check-in; the three must be the same bytes. It cannot change for a device without a new enrollment, so it
/// is compared exactly: a topic that differs only by case is another topic.
///
/// ```
/// use mdm_core::push::Topic;
///
/// let topic: Topic = "com.apple.mgmt.External.0c3e4d5f-6a7b-4c8d-9e0f-112233445566".parse()?;
/// assert!("com.example.app".parse::<Topic>().is_err());
/// # Ok::<(), mdm_core::push::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Topic(String);

/// What every topic of MDM begins with.
const PREFIX: &str = "com.apple.mgmt.";
/// Longer than any that Apple has issued, short enough for a header and a log.
const MAX_LEN: usize = 255;

impl Topic {
    /// The topic that a certificate's subject names.
    ///
    /// # Errors
    /// [`Error::NoTopic`] without a UID, [`Error::SeveralTopics`] with more than one (Apple issues none such, and programs differ
    /// in which they take), [`Error::TopicNotText`] when it is no string, [`Error::NotMdm`] when it is another topic than one of
    /// MDM: a certificate for an app's notifications.
    pub fn of_subject(subject: &Name) -> Result<Self, Error> {
        let mut values = subject.attributes().filter(|(attribute, _)| *attribute == oid::USER_ID).map(|(_, value)| value);
        let value = values.next().ok_or(Error::NoTopic)?;
        let others = values.count();
        if others > 0 {
            return Err(Error::SeveralTopics { found: others.saturating_add(1) });
        }
        value.text().ok_or(Error::TopicNotText)?.parse()
    }

    /// The topic of the MDM payload in a configuration profile: the one that a device will listen on which installs it. With it
    /// comes the APNs that the payload names by `UseDevelopmentAPNS`.
    ///
    /// # Errors
    /// [`Error::NoTopic`] without an MDM payload or without `Topic` in it, [`Error::SeveralTopics`] with more than one MDM payload,
    /// [`Error::TopicNotText`], [`Error::NotMdm`].
    pub fn of_profile(profile: &Dictionary) -> Result<(Self, Environment), Error> {
        let payloads = profile.get("PayloadContent").and_then(Value::as_array).unwrap_or_default().iter();
        let is_mdm = |payload: &&Dictionary| payload.get("PayloadType").and_then(Value::as_str) == Some("com.apple.mdm");
        let mut found = payloads.filter_map(Value::as_dictionary).filter(is_mdm);
        let payload = found.next().ok_or(Error::NoTopic)?;
        let others = found.count();
        if others > 0 {
            return Err(Error::SeveralTopics { found: others.saturating_add(1) });
        }
        let topic = payload.get("Topic").ok_or(Error::NoTopic)?.as_str().ok_or(Error::TopicNotText)?.parse()?;
        let development = payload.get("UseDevelopmentAPNS").and_then(Value::as_boolean).unwrap_or(false);
        Ok((topic, if development { Environment::Development } else { Environment::Production }))
    }

    /// The topic's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Topic {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = text.strip_prefix(PREFIX).is_some_and(|rest| !rest.is_empty());
        // What is not visible ASCII could not stand in the `apns-topic` header.
        let fits = text.len() <= MAX_LEN && text.bytes().all(|octet| octet.is_ascii_graphic());
        if named && fits { Ok(Topic(text.to_owned())) } else { Err(Error::NotMdm) }
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl TryFrom<&Topic> for HeaderValue {
    type Error = http::header::InvalidHeaderValue;

    fn try_from(topic: &Topic) -> Result<Self, Self::Error> {
        HeaderValue::from_str(&topic.0)
    }
}

/// Which APNs a certificate and a token belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Environment {
    /// `api.push.apple.com`, which is where MDM lives.
    #[default]
    Production,
    /// `api.sandbox.push.apple.com`, for devices whose MDM payload has `UseDevelopmentAPNS`.
    Development,
}

/// 1.2.840.113635.100.6.3.1, Apple's mark of a certificate for development.
const DEVELOPMENT: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x63, 0x64, 0x06, 0x03, 0x01]);
/// 1.2.840.113635.100.6.3.2, Apple's mark of a certificate for production.
const PRODUCTION: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x63, 0x64, 0x06, 0x03, 0x02]);

impl Environment {
    /// What Apple marked the certificate for. The extension 1.2.840.113635.100.6.3.1 alone means development;
    /// 1.2.840.113635.100.6.3.2, both, or neither mean production: Apple's portal issues no other certificates for MDM, and a
    /// self-made one for a test has no mark.
    pub fn of_certificate(certificate: &Certificate) -> Self {
        let marked = |mark| certificate.extensions().get(mark).is_some();
        if marked(DEVELOPMENT) && !marked(PRODUCTION) { Environment::Development } else { Environment::Production }
    }

    /// The host that takes pushes, on port 443; the same host also listens on 2197.
    pub const fn host(self) -> &'static str {
        match self {
            Environment::Production => "api.push.apple.com",
            Environment::Development => "api.sandbox.push.apple.com",
        }
    }
}
