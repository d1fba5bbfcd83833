//! The admin page of Microsoft's NDES, which hands out one-time challenges.
//!
//! NDES has no interface for programs: a challenge is a password on a web page, `…/certsrv/mscep_admin/`, shown to an account with the right
//! to enroll, once, good for an hour. Okta's "dynamic SCEP URL" and other services imitate the page, because MDM servers read it.
//!
//! The page is read in any encoding that Windows writes (UTF-8, UTF-16 with or without its mark), and by its structure where its
//! language is not English. Not read are the messages of a full cache and of a missing right in other languages: these are
//! [`ChallengeError::NoChallenge`]. The account usually signs in with NTLM, which the host's HTTP client must do; Basic is in the request when
//! credentials are given. Tried against pages that servers were seen to send, not against a server.

use http::{Request, Response};
use serde::{Deserialize, Serialize};

use super::ChallengeError;
use crate::secret::Secret;
use crate::web::{self, Answer, Credentials, Endpoint};

/// The page to ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct AdminPage {
    /// Its address: `https://ndes.example.com/certsrv/mscep_admin/`, or the challenge URL that Okta shows.
    pub url: Endpoint,
    /// For Basic authentication; `None` when the host's client signs in by NTLM.
    pub credentials: Option<Credentials>,
    /// Whether an answer that is no page but a single word is the challenge. Services that imitate NDES may answer so; their public
    /// documentation does not say.
    pub bare_challenge: bool,
}

/// What the page says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NdesChallenge {
    /// The challenge, good for one request.
    pub challenge: Secret,
    /// The fingerprint of the CA that the page shows, MD5 on old servers. It came over the same way as the challenge.
    pub ca_fingerprint: Option<Vec<u8>>,
}

/// The longest challenge that is believed to be one, in characters.
const MAX_CHALLENGE: usize = 255;
/// How many bold texts of a page are looked at; the page of NDES has two.
const MAX_BOLD: usize = 16;

impl AdminPage {
    /// A page of NDES itself, for a client that signs in by its own means.
    pub fn new(url: Endpoint) -> Self {
        AdminPage { url, credentials: None, bare_challenge: false }
    }

    /// The request. Each one that succeeds uses up one of the passwords that NDES keeps.
    ///
    /// # Errors
    /// [`web::Error::Misuse`] when the credentials cannot be sent.
    pub fn request(&self) -> Result<Request<Vec<u8>>, web::Error> {
        web::get(self.url.uri(), self.credentials.as_ref())
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// [`ChallengeError::PasswordCacheFull`], [`ChallengeError::NoPermission`], [`ChallengeError::NoChallenge`], [`ChallengeError::Web`].
    pub fn read<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<NdesChallenge, ChallengeError> {
        let page = decode(Answer::read(response)?.ok()?.body)?;
        if let Some(challenge) = challenge_of(&page) {
            return Ok(NdesChallenge { challenge, ca_fingerprint: fingerprint_of(&page) });
        }
        let lower = page.to_lowercase();
        let bare = page.trim();
        if lower.contains("password cache is full") {
            Err(ChallengeError::PasswordCacheFull)
        } else if lower.contains("do not have sufficient permission") {
            Err(ChallengeError::NoPermission)
        } else if self.bare_challenge && is_word(bare) && !bare.contains('<') {
            Ok(NdesChallenge { challenge: Secret::from(bare), ca_fingerprint: None })
        } else {
            Err(ChallengeError::NoChallenge)
        }
    }
}

/// The page as text: by its byte order mark, else by where its zero octets stand.
fn decode(body: &[u8]) -> Result<String, web::Error> {
    let units = |octets: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, rest) = octets.as_chunks::<2>();
        let text: Option<String> = char::decode_utf16(units.iter().map(|pair| unit(*pair))).map(Result::ok).collect();
        text.filter(|_| rest.is_empty()).ok_or(web::Error::Format("text in UTF-16"))
    };
    match body {
        [0xFF, 0xFE, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => units(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => units(body, u16::from_le_bytes),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => units(body, u16::from_be_bytes),
        _ => utf8(body),
    }
}

fn utf8(octets: &[u8]) -> Result<String, web::Error> {
    String::from_utf8(octets.to_vec()).map_err(|_| web::Error::Format("text in UTF-8 or UTF-16"))
}

/// What stands before each bold text, and the text.
fn bold(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = page;
    std::iter::from_fn(move || {
        let (before, behind) = split_tag(rest, "<b>")?;
        let (text, behind) = split_tag(behind, "</b>")?;
        rest = behind;
        Some((before, text.trim()))
    })
    .take(MAX_BOLD)
}

/// The text around the first of these tags, in either case.
fn split_tag<'a>(text: &'a str, tag: &str) -> Option<(&'a str, &'a str)> {
    let at = text.as_bytes().windows(tag.len()).position(|window| window.eq_ignore_ascii_case(tag.as_bytes()))?;
    Some((text.get(..at)?, text.get(at.checked_add(tag.len())?..)?))
}

/// The bold text behind the English words for it; else the one bold word of hexadecimal digits, which the fingerprint, written in
/// groups, is not.
fn challenge_of(page: &str) -> Option<Secret> {
    let named = bold(page).find(|(before, text)| before.to_lowercase().ends_with("challenge password is: ") && is_word(text));
    if let Some((_, text)) = named {
        return Some(Secret::from(text));
    }
    let mut digits =
        bold(page).filter(|(_, text)| is_word(text) && text.len() >= 8 && text.bytes().all(|c| c.is_ascii_hexdigit()));
    match (digits.next(), digits.next()) {
        (Some((_, text)), None) => Some(Secret::from(text)),
        _ => None,
    }
}

fn is_word(text: &str) -> bool {
    (1..=MAX_CHALLENGE).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic())
}

/// The bold text of hexadecimal digits in several groups.
fn fingerprint_of(page: &str) -> Option<Vec<u8>> {
    let (_, text) = bold(page).find(|(_, text)| text.contains(' '))?;
    let digits: String = text.split_ascii_whitespace().collect();
    Some(crate::hex::decode(&digits)?).filter(|octets| matches!(octets.len(), 16 | 20 | 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The structure of the page, in words of our own but for those that are looked for.
    fn page(middle: &str) -> String {
        format!(
            "<HTML><Head><Title>Network Device Enrollment Service</Title></Head><Body><P> Some words. </P>{middle}</Body></HTML>"
        )
    }

    fn with_challenge() -> String {
        page(
            "<P> Thumbprint: <B> A656FA66 AB12B433 A2DA5CF7 CC153D9A </B> <P> The enrollment challenge password is: <B> 8CE317021F690069 \
             </B> <P> Good for 60 minutes.",
        )
    }

    fn admin() -> AdminPage {
        AdminPage::new(Endpoint::new("https://ndes.example.com/certsrv/mscep_admin/").unwrap())
    }

    fn read(body: &[u8]) -> Result<NdesChallenge, ChallengeError> {
        admin().read(&Response::new(body.to_vec()))
    }

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn the_challenge_is_read_in_every_encoding_of_windows() {
        let page = with_challenge();
        let (little, big) = (utf16(&page, u16::to_le_bytes), utf16(&page, u16::to_be_bytes));
        let marked = |mark: &[u8], body: &[u8]| [mark, body].concat();
        for body in [
            page.clone().into_bytes(),
            marked(b"\xEF\xBB\xBF", page.as_bytes()),
            marked(b"\xFF\xFE", &little),
            marked(b"\xFE\xFF", &big),
            little,
            big,
        ] {
            let found = read(&body).unwrap();
            assert_eq!(found.challenge, Secret::from("8CE317021F690069"));
            assert_eq!(found.ca_fingerprint.unwrap()[..4], [0xA6, 0x56, 0xFA, 0x66]);
        }
    }

    #[test]
    fn in_another_language_the_only_bold_word_of_digits_is_the_challenge() {
        let german = page("<P>Fingerabdruck: <b>A656FA66 AB12B433 A2DA5CF7 CC153D9A</b><P>Kennwort: <b> 8CE317021F690069 </b>");
        assert_eq!(read(german.as_bytes()).unwrap().challenge, Secret::from("8CE317021F690069"));
        let two = page("<b>8CE317021F690069</b> <b>8CE317021F690068</b>");
        assert_eq!(read(two.as_bytes()), Err(ChallengeError::NoChallenge));
    }

    #[test]
    fn the_reasons_for_no_challenge_are_told_apart() {
        assert_eq!(read(page("<P> The password cache is full. <P>").as_bytes()), Err(ChallengeError::PasswordCacheFull));
        let no_right = page("<P> You do not have sufficient permission to enroll with SCEP. ");
        assert_eq!(read(&utf16(&no_right, u16::to_le_bytes)), Err(ChallengeError::NoPermission));
        for other in ["", "<b>", "<b></b>", "8CE317021F690069", "<b> two words </b>", "<b>&lt;</b>"] {
            assert_eq!(read(other.as_bytes()), Err(ChallengeError::NoChallenge), "{other}");
        }
        let unauthorized = Response::builder().status(401).body(with_challenge()).unwrap();
        assert_eq!(admin().read(&unauthorized), Err(web::Error::Unauthorized(401).into()));
    }

    #[test]
    fn a_bare_word_counts_only_where_the_host_says_so() {
        let lenient = AdminPage { bare_challenge: true, ..admin() };
        let read = |body: &str| lenient.read(&Response::new(body.as_bytes().to_vec()));
        assert_eq!(read(" s3cret-Word \r\n").unwrap().challenge, Secret::from("s3cret-Word"));
        for other in ["", "two words", "<html>", &"a".repeat(256)] {
            assert_eq!(read(other), Err(ChallengeError::NoChallenge), "{other}");
        }
    }

    #[test]
    fn no_damage_gives_another_challenge() {
        let whole = with_challenge().into_bytes();
        for end in 0..whole.len() {
            match read(&whole[..end]) {
                Ok(found) => assert_eq!(found.challenge, Secret::from("8CE317021F690069"), "{end}"),
                Err(error) => assert_eq!(error, ChallengeError::NoChallenge, "{end}"),
            }
        }
        assert!(matches!(read(b"\xFF\xFEa"), Err(ChallengeError::Web(web::Error::Format(_)))));
        assert!(matches!(read(b"\xFF\xFE\x00\xD8"), Err(ChallengeError::Web(web::Error::Format(_)))));
        assert!(matches!(read(b"\xC3\x28"), Err(ChallengeError::Web(web::Error::Format(_)))));
    }

    #[test]
    fn many_bold_texts_cost_no_more_than_the_page() {
        let many = "<b>x y</b>".repeat(20_000);
        assert_eq!(read(many.as_bytes()), Err(ChallengeError::NoChallenge));
        let open = "<b>".repeat(80_000);
        assert_eq!(read(open.as_bytes()), Err(ChallengeError::NoChallenge));
    }

    #[test]
    fn the_request_shows_basic_credentials_when_there_are_any() {
        assert!(admin().request().unwrap().headers().is_empty());
        let page = AdminPage { credentials: Some(Credentials::basic("EXAMPLE\\scep", "secret")), ..admin() };
        let request = page.request().unwrap();
        assert_eq!(request.uri(), "https://ndes.example.com/certsrv/mscep_admin/");
        assert_eq!(request.headers()["authorization"], "Basic RVhBTVBMRVxzY2VwOnNlY3JldA==");
        assert!(!format!("{page:?} {request:?}").contains("secret"));
    }
}
