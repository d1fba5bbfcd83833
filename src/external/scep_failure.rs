//! What a device says when it got no certificate over SCEP.

use crate::command::ErrorChainItem;

/// Why a device has not installed a profile with a SCEP payload, told from the error chain of its report
/// ([`Report::error_chain`](crate::command::Report::error_chain)): whether sending the profile again can help, and with what.
///
/// Apple documents no codes; these two are those that operators of dynamic challenges meet (J28).
///
/// ```
/// use mdm_core::command::Report;
/// use mdm_core::external::ScepFailure;
///
/// fn what_next(report: &Report) -> &'static str {
///     match ScepFailure::read(report.error_chain()) {
///         None => "something else than SCEP",
///         Some(ScepFailure::Challenge) => "get a new challenge, and send the profile again with it",
///         Some(ScepFailure::Transient) => "send the profile again later",
///         Some(_) => "look at the server's log",
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScepFailure {
    /// The server did not take the challenge (14006): it is spent, or wrong. The same profile never succeeds.
    Challenge,
    /// The server was not reached, or not in order (15001). The same profile may succeed later.
    Transient,
    /// Anything else, with its code.
    Other(i64),
}

const DOMAIN: &str = "MDM-SCEP";
const CHALLENGE: i64 = 14006;
const TRANSIENT: i64 = 15001;

impl ScepFailure {
    /// What the chain says about SCEP; `None` when it says nothing of it. Of several links the first that is understood counts.
    pub fn read(chain: &[ErrorChainItem]) -> Option<Self> {
        let mut failures = chain
            .iter()
            .filter(|item| item.error_domain.as_deref().is_some_and(|domain| domain.trim() == DOMAIN))
            .map(|item| match item.error_code.unwrap_or_default() {
                CHALLENGE => ScepFailure::Challenge,
                TRANSIENT => ScepFailure::Transient,
                other => ScepFailure::Other(other),
            });
        let first = failures.next()?;
        match first {
            ScepFailure::Other(_) => failures.find(|failure| !matches!(failure, ScepFailure::Other(_))).or(Some(first)),
            understood => Some(understood),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(domain: &str, code: Option<i64>) -> ErrorChainItem {
        ErrorChainItem { error_domain: Some(domain.into()), error_code: code, ..ErrorChainItem::default() }
    }

    #[test]
    fn a_refused_challenge_is_told_from_a_server_that_was_away() {
        let read = |chain: &[ErrorChainItem]| ScepFailure::read(chain);
        let profile = item("MCInstallationErrorDomain", Some(4001));
        assert_eq!(read(&[profile.clone(), item("MDM-SCEP", Some(14006))]), Some(ScepFailure::Challenge));
        assert_eq!(read(&[item("MDM-SCEP", Some(15001)), profile.clone()]), Some(ScepFailure::Transient));
        let both = [item("MDM-SCEP", Some(1)), item("MDM-SCEP", Some(14006))];
        assert_eq!(read(&both), Some(ScepFailure::Challenge), "what is understood counts");
        assert_eq!(read(&both[..1]), Some(ScepFailure::Other(1)));
        assert_eq!(read(&[item("MDM-SCEP", None)]), Some(ScepFailure::Other(0)));
        assert_eq!(read(&[profile, item("MCSCEPErrorDomain", Some(14006))]), None);
        assert_eq!(read(&[]), None);
    }
}
