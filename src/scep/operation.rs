//! The query of a SCEP URL (RFC 8894 section 4.1), as it arrives from real clients.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Error;
use crate::limits::Limits;
use crate::web;

/// The media types of SCEP answers.
pub mod media_type {
    /// GetCACaps.
    pub const CAPABILITIES: &str = "text/plain";
    /// GetCACert with one certificate, in DER.
    pub const CA_CERTIFICATE: &str = "application/x-x509-ca-cert";
    /// GetCACert with several, as a certs-only message.
    pub const CA_RA_CERTIFICATES: &str = "application/x-x509-ca-ra-cert";
    /// GetNextCACert.
    pub const NEXT_CA_CERTIFICATES: &str = "application/x-x509-next-ca-cert";
    /// PKIOperation, both ways.
    pub const PKI_MESSAGE: &str = "application/x-pki-message";
}

/// What a SCEP URL asks for.
///
/// The path is not looked at: clients append `/pkiclient.exe` and worse. The `message` of the first three is a name for the CA, which
/// clients fill with anything; servers that answer for one CA ignore it.
///
/// ```
/// use mdm_core::limits::Limits;
/// use mdm_core::scep::Operation;
///
/// let operation = Operation::from_query("operation=GetCACert&message=default", &Limits::PKI)?;
/// assert_eq!(operation, Operation::GetCaCert { identifier: Some("default".into()) });
/// # Ok::<(), mdm_core::scep::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a host must answer each operation of RFC 8894")]
pub enum Operation {
    /// What the server can do.
    GetCaCaps {
        /// The client's name for the CA.
        identifier: Option<String>,
    },
    /// The certificates of CA and RA.
    GetCaCert {
        /// The client's name for the CA.
        identifier: Option<String>,
    },
    /// The certificates of the CA that comes next.
    GetNextCaCert {
        /// The client's name for the CA.
        identifier: Option<String>,
    },
    /// A message. `None` when it is in the body of a POST.
    PkiOperation {
        /// The message of a GET, its Base64 taken off.
        message: Option<Vec<u8>>,
    },
}

impl Operation {
    /// Reads a query as it stands in the request line, percent-escapes and all: the host must not have decoded it. Keys may come in any
    /// order; the first of two counts, further keys do not.
    ///
    /// # Errors
    /// [`Error::Query`].
    pub fn from_query(query: &str, limits: &Limits) -> Result<Self, Error> {
        // Escaped Base64 takes at most four octets for three, times three.
        if query.len() > limits.max_bytes.saturating_mul(4).saturating_add(1024) {
            return Err(Error::Query("too long"));
        }
        let value = |key: &str| {
            let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key);
            found.map(|(_, value)| unescape(value)).transpose()
        };
        let operation = value("operation")?.ok_or(Error::Query("no operation"))?;
        Self::from_parts(&operation, value("message")?.as_deref(), limits)
    }

    /// As [`Operation::from_query`], from the two values when the host's web framework has split and decoded the query. A `+` that
    /// such a framework took for a space is mended.
    ///
    /// # Errors
    /// [`Error::Query`].
    pub fn from_parts(operation: &str, message: Option<&str>, limits: &Limits) -> Result<Self, Error> {
        let identifier = || message.filter(|text| !text.is_empty()).map(|text| text.chars().take(MAX_IDENTIFIER).collect());
        match operation {
            "GetCACaps" => Ok(Operation::GetCaCaps { identifier: identifier() }),
            "GetCACert" => Ok(Operation::GetCaCert { identifier: identifier() }),
            "GetNextCACert" => Ok(Operation::GetNextCaCert { identifier: identifier() }),
            "PKIOperation" => {
                // A value of nothing but line ends is no message either.
                let decoded = message.map(|text| decode_message(text, limits)).transpose()?;
                Ok(Operation::PkiOperation { message: decoded.filter(|message| !message.is_empty()) })
            }
            _ => Err(Error::Query("unknown operation")),
        }
    }

    /// The query of this operation, for a client: everything that is not plain is escaped.
    pub fn to_query(&self) -> String {
        let with = |operation: &str, message: Option<&str>| match message {
            None => format!("operation={operation}"),
            Some(message) => format!("operation={operation}&message={}", web::escape(message)),
        };
        match self {
            Operation::GetCaCaps { identifier } => with("GetCACaps", identifier.as_deref()),
            Operation::GetCaCert { identifier } => with("GetCACert", identifier.as_deref()),
            Operation::GetNextCaCert { identifier } => with("GetNextCACert", identifier.as_deref()),
            Operation::PkiOperation { message: None } => with("PKIOperation", None),
            Operation::PkiOperation { message: Some(message) } => with("PKIOperation", Some(&BASE64.encode(message))),
        }
    }
}

/// The longest name for a CA that is kept, in characters.
const MAX_IDENTIFIER: usize = 256;

/// Standard Base64; padding may be missing, since some clients cut it off with their escaping.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The message of a GET. Mended are: `+` that became a space on the way (jscep and macOS do not escape it), line ends inside and behind
/// (sscep, strongSwan, Cisco), the URL alphabet (Fleet), missing padding.
fn decode_message(text: &str, limits: &Limits) -> Result<Vec<u8>, Error> {
    let longest = limits.max_bytes.saturating_mul(2);
    if text.len() > longest {
        return Err(Error::Query("too long"));
    }
    let mended: Vec<u8> = text
        .bytes()
        .filter(|octet| !matches!(octet, b'\r' | b'\n' | b'\t'))
        .map(|octet| match octet {
            b' ' | b'-' => b'+',
            b'_' => b'/',
            octet => octet,
        })
        .collect();
    BASE64.decode(mended).map_err(|_| Error::Query("the message is not Base64"))
}

/// A value of a query without its percent-escapes.
pub(super) fn unescape(value: &str) -> Result<String, Error> {
    web::unescape(value).and_then(|octets| String::from_utf8(octets).ok()).ok_or(Error::Query("bad percent-escape"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(query: &str) -> Result<Vec<u8>, Error> {
        match Operation::from_query(query, &Limits::PKI)? {
            Operation::PkiOperation { message } => message.ok_or(Error::Query("none")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_damage_of_the_field_is_mended() {
        let octets: Vec<u8> = vec![0xFB, 0xEF, 0xBE, 0xFF, 0xFF, 0xFF, 0x01];
        for (what, text) in [
            ("escaped as it should be", "%2B%2B%2B%2B%2F%2F%2F%2FAQ%3D%3D"),
            ("raw", "++++////AQ=="),
            ("lower-case escapes", "%2b%2b%2b%2b%2f%2f%2f%2fAQ%3d%3d"),
            ("only the padding escaped", "++++////AQ%3D%3D"),
            ("a space for every plus", "%20%20%20%20////AQ=="),
            ("lines", "%2B%2B%2B%2B%0A////%0D%0AAQ%3D%3D%0A"),
            ("the URL alphabet", "----____AQ"),
            ("no padding", "++++////AQ"),
        ] {
            assert_eq!(message(&format!("operation=PKIOperation&message={text}")), Ok(octets.clone()), "{what}");
        }
        let decoded = Operation::from_parts("PKIOperation", Some("    ////AQ==\n"), &Limits::PKI);
        assert_eq!(decoded, Ok(Operation::PkiOperation { message: Some(octets) }));
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["A", "AQ===", "AQ==AQ==", "A*Q=", "%", "%2", "%zz", "%FF", "=AQ"] {
            let query = format!("operation=PKIOperation&message={text}");
            assert!(matches!(message(&query), Err(Error::Query(_))), "{text}");
        }
        let long = format!("operation=PKIOperation&message={}", "A".repeat(Limits::PKI.max_bytes * 3));
        assert_eq!(message(&long), Err(Error::Query("too long")));
        let longer = format!("operation=PKIOperation&message={}", "A".repeat(Limits::PKI.max_bytes * 5));
        assert_eq!(message(&longer), Err(Error::Query("too long")));
    }

    #[test]
    fn the_name_of_the_ca_may_be_anything() {
        let operation = |query| Operation::from_query(query, &Limits::PKI);
        assert_eq!(operation("operation=GetCACaps"), Ok(Operation::GetCaCaps { identifier: None }));
        assert_eq!(operation("message=&operation=GetCACaps"), Ok(Operation::GetCaCaps { identifier: None }));
        assert_eq!(operation("operation=GetCACert&message=0"), Ok(Operation::GetCaCert { identifier: Some("0".into()) }));
        assert_eq!(operation("operation=PKIOperation"), Ok(Operation::PkiOperation { message: None }));
        for bad in ["", "message=0", "operation", "operation=getcacert", "operation=GetCACertX"] {
            assert!(operation(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_written_query_is_read_back() {
        for operation in [
            Operation::GetCaCaps { identifier: Some("a b&c".into()) },
            Operation::GetCaCert { identifier: None },
            Operation::GetNextCaCert { identifier: None },
            Operation::PkiOperation { message: Some((0..=255).collect()) },
            Operation::PkiOperation { message: None },
        ] {
            assert_eq!(Operation::from_query(&operation.to_query(), &Limits::PKI), Ok(operation));
        }
    }
}
