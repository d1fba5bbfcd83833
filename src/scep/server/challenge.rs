//! Whether a first request is entitled to an answer.

use crate::secret::Secret;

/// What the host holds a challenge against. There is no default: a host without challenges says so.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Challenge<'a> {
    /// One secret for everybody. An empty one is never right, so that a setting that was forgotten does not open the door.
    Fixed(&'a Secret),
    /// The host has looked the challenge up, asked a service, or asked a person, with the request in hand, and accepts it.
    AcceptedByHost,
    /// Whoever asks gets a certificate. Only where something else than SCEP decides who reaches the server.
    AcceptWithoutChallenge,
}

impl Challenge<'_> {
    pub(super) fn accepts(self, presented: Option<&Secret>) -> bool {
        match self {
            Challenge::Fixed(expected) => !expected.is_empty() && presented == Some(expected),
            Challenge::AcceptedByHost | Challenge::AcceptWithoutChallenge => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_fixed_challenge_accepts_nobody() {
        let empty = Secret::default();
        assert!(!Challenge::Fixed(&empty).accepts(Some(&empty)));
        assert!(!Challenge::Fixed(&empty).accepts(None));
    }

    #[test]
    fn a_fixed_challenge_accepts_itself_only() {
        let secret = Secret::from("open sesame");
        assert!(Challenge::Fixed(&secret).accepts(Some(&Secret::from("open sesame"))));
        assert!(!Challenge::Fixed(&secret).accepts(Some(&Secret::from("open sesame "))));
        assert!(!Challenge::Fixed(&secret).accepts(None));
    }

    #[test]
    fn no_challenge_is_accepted_only_when_the_host_says_so() {
        assert!(Challenge::AcceptWithoutChallenge.accepts(None));
        assert!(Challenge::AcceptedByHost.accepts(Some(&Secret::from("x"))));
    }
}
