//! Microsoft's AD CS through its web enrollment pages, `…/certsrv/`.
//!
//! The pages are made for browsers, and are the only interface of AD CS that speaks plain HTTP without a connector on the Windows side. They
//! are read by the few marks that programs have relied on for twenty years (certsrv, adcs-issuer): the link to the certificate, the request
//! id in its sentence, the disposition and its message.
//!
//! ```text
//! submit (certfnsh.asp) ─► link to certnew.cer?ReqID=7 ── poll ─► PEM
//!                       ├► "Your Request Id is 7", pending ── poll (certnew.cer) ─► page with disposition 5 ... 3 ─► PEM
//!                       └► a disposition message: denied
//! ```
//!
//! The numbers of dispositions are those of MS-WCCE section 2.2.1.3 and the same in every language; the sentences are looked for in English,
//! so that a server in another language may give [`web::Error::Format`]. The account usually signs in with NTLM or Kerberos, which the host's
//! HTTP client must do; Basic is in the request when credentials are given. The pages can neither withdraw nor revoke: that is for a person
//! at the authority. A host has that person told with [`Error::Unsupported`] through
//! [`CertificateRequest::failed`](super::CertificateRequest::failed), and takes the person's word as [`Answer::Revoked`].

use http::header::{self, HeaderValue};
use http::{Request, Response};
use serde::{Deserialize, Serialize};

use super::{Answer, Error, Expected, Reference};
use crate::web::{self, Credentials, Endpoint};
use crate::x509::Csr;

/// The pages of one authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct WebEnrollment {
    /// Their address: `https://ca.example.com/certsrv`.
    pub url: Endpoint,
    /// For Basic authentication; `None` when the host's client signs in by NTLM or Kerberos.
    pub credentials: Option<Credentials>,
    /// The certificate template's name (not its display name). Empty for a stand-alone authority, which has none.
    pub template: String,
    /// Further request attributes, name and value. An authority may take names from here that the request does not have
    /// (`EDITF_ATTRIBUTESUBJECTALTNAME2`): never from what a device sends.
    pub attributes: Vec<(String, String)>,
}

/// Without it, IIS gives certificates another media type.
const USER_AGENT: HeaderValue = HeaderValue::from_static("Mozilla/5.0 (mdm-core)");
/// The longest number that a request id is, in digits.
const MAX_DIGITS: usize = 10;

/// CR_DISP_* of MS-WCCE, as far as they tell something about a request.
const DENIED: u32 = 2;
const ISSUED: u32 = 3;
const ISSUED_OUT_OF_BAND: u32 = 4;
const UNDER_SUBMISSION: u32 = 5;
const REVOKED: u32 = 6;

impl WebEnrollment {
    /// Sends a request for a certificate.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the template or an attribute holds a line end or the name a colon, which would add attributes of somebody
    /// else's choice.
    pub fn submit(&self, csr: &Csr) -> Result<Request<Vec<u8>>, Error> {
        let template = ("CertificateTemplate".to_owned(), self.template.clone());
        let attributes = Some(&template).filter(|(_, name)| !name.is_empty()).into_iter().chain(&self.attributes);
        let mut lines = String::new();
        for (name, value) in attributes {
            if name.contains(':') || [name, value].into_iter().any(|text| text.chars().any(char::is_control)) {
                return Err(Error::Misuse("a request attribute is one line, and its name has no colon"));
            }
            lines.push_str(name);
            lines.push(':');
            lines.push_str(value);
            lines.push_str("\r\n");
        }
        let fields = [
            ("Mode", "newreq"),
            ("CertRequest", &csr.to_pem()),
            ("CertAttrib", &lines),
            ("FriendlyType", "Saved-Request Certificate"),
            ("TargetStoreFlags", "0"),
            ("SaveCert", "yes"),
        ];
        let request = web::form(self.url.below("certfnsh.asp")?, self.credentials.as_ref(), &fields)?;
        Ok(as_browser(request))
    }

    /// Reads the answer to [`WebEnrollment::submit`].
    ///
    /// # Errors
    /// [`Error::Web`].
    pub fn submitted<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<Answer, Error> {
        let page = web::Answer::read(response)?.ok()?.text()?;
        let reference = |id: &str| Reference::new(id);
        if let Some(id) = number_behind(page, "certnew.cer?ReqID=") {
            return Ok(Answer::Accepted(reference(id)?));
        }
        let id = number_behind(page, "Your Request Id is ");
        let message = behind(page, "The disposition message is \"").and_then(|rest| rest.split(['"', '<']).next());
        match (id, message) {
            (Some(id), None) => Ok(Answer::Pending { reference: Some(reference(id)?) }),
            (Some(id), Some(_)) if page.contains("Certificate Pending") => {
                Ok(Answer::Pending { reference: Some(reference(id)?) })
            }
            (_, Some(message)) => Ok(Answer::Denied { reason: web::shown(message) }),
            (None, None) => Err(web::Error::Format("the page of certfnsh.asp").into()),
        }
    }

    /// Asks for the certificate.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a reference that is no number.
    pub fn poll(&self, reference: &Reference) -> Result<Request<Vec<u8>>, Error> {
        let id = reference.request();
        if id.is_empty() || id.len() > MAX_DIGITS || !id.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(Error::Misuse("the request id of AD CS is a number"));
        }
        let request = web::get(self.url.below(&format!("certnew.cer?ReqID={id}&Enc=b64"))?, self.credentials.as_ref())?;
        Ok(as_browser(request))
    }

    /// Reads the answer to [`WebEnrollment::poll`]: the certificate, alone, or a page about it. The authorities between the certificate and
    /// the pinned one come from [`Trust::with_intermediates`](super::Trust::with_intermediates).
    ///
    /// # Errors
    /// [`Error::Status`] for a disposition that says nothing about the request; [`Error::Web`], and those of [`Expected::accept`].
    pub fn polled<B: AsRef<[u8]>>(&self, response: &Response<B>, expected: &Expected<'_>) -> Result<Answer, Error> {
        let answer = web::Answer::read(response)?.ok()?;
        if answer.is("application/pkix-cert") || answer.body.starts_with(b"-----BEGIN CERTIFICATE-----") {
            return Ok(Answer::Issued(expected.accept_encoded(answer.body)?));
        }
        let page = answer.text()?;
        let message = web::shown(cell(page, "Disposition message:").unwrap_or_default());
        let disposition = cell(page, "Disposition:").and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
        match disposition {
            Some(UNDER_SUBMISSION) => Ok(Answer::Pending { reference: None }),
            Some(DENIED) => Ok(Answer::Denied { reason: message }),
            Some(REVOKED) => Ok(Answer::Revoked),
            // The page says that there is a certificate in place of giving it: ask again.
            Some(ISSUED | ISSUED_OUT_OF_BAND) => Ok(Answer::Pending { reference: None }),
            Some(other) => Err(Error::Status(web::shown(&format!("{other} {message}")))),
            None if message.contains("Taken Under Submission") => Ok(Answer::Pending { reference: None }),
            None if message.contains("Denied") => Ok(Answer::Denied { reason: message }),
            None => Err(web::Error::Format("the page of certnew.cer").into()),
        }
    }
}

fn as_browser(mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
    request
}

fn behind<'a>(page: &'a str, mark: &str) -> Option<&'a str> {
    page.split_once(mark).map(|(_, rest)| rest)
}

fn number_behind<'a>(page: &'a str, mark: &str) -> Option<&'a str> {
    let rest = behind(page, mark)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(digits).filter(|digits| (1..=MAX_DIGITS).contains(&digits.len()))
}

/// The text of the table cell behind a label: from the next `<DD>` to the next tag.
fn cell<'a>(page: &'a str, label: &str) -> Option<&'a str> {
    let rest = behind(page, label)?;
    let at = rest.as_bytes().windows(4).position(|window| window.eq_ignore_ascii_case(b"<dd>"))?;
    let rest = rest.get(at.checked_add(4)?..)?;
    rest.split('<').next().map(str::trim)
}
