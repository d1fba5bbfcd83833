//! When to ask again.

use serde::{Deserialize, Serialize};

use super::RequestId;
use crate::time::Timestamp;

/// How long to wait between two questions about one request.
///
/// The wait doubles with each question up to the longest, and is spread by up to a quarter, so that requests which were made in one
/// second do not come back in one. The spread comes from the request's name: the same decision gives the same moment. What the authority
/// asks for (`Retry-After`) is kept to, within the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host spells it")]
pub struct Polling {
    /// The first wait in seconds.
    pub first: u32,
    /// The longest wait in seconds.
    pub longest: u32,
}

impl Default for Polling {
    /// Half a minute at first, six hours at most: people decide about many of these requests.
    fn default() -> Self {
        Polling { first: 30, longest: 21_600 }
    }
}

impl Polling {
    /// The moment of the next question, after so many.
    pub fn next(&self, asked: u32, retry_after: Option<u32>, id: &RequestId, now: Timestamp) -> Timestamp {
        let wait = u64::from(self.first) << asked.min(31);
        let wait = wait.max(u64::from(retry_after.unwrap_or(0))).min(u64::from(self.longest)).max(1);
        // FNV-1a: it need not be hard to guess, only different for different names.
        let hash = id
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3));
        let spread = hash.checked_rem((wait / 4).saturating_add(1)).unwrap_or(0);
        now.plus_seconds(i64::try_from(wait.saturating_add(spread)).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest_and_are_spread_by_a_quarter() {
        let (polling, now) = (Polling { first: 30, longest: 3600 }, Timestamp::from_unix(0));
        let wait = |asked, retry_after, id: &str| polling.next(asked, retry_after, &id.into(), now).unix();
        for (asked, shortest) in [(0, 30), (1, 60), (2, 120), (7, 3600), (31, 3600), (u32::MAX, 3600)] {
            let wait = wait(asked, None, "request");
            assert!((shortest..=shortest + shortest / 4).contains(&wait), "{asked}: {wait}");
        }
        assert!((600..=750).contains(&wait(0, Some(600), "request")));
        assert!(wait(0, Some(u32::MAX), "request") <= 4500);
        assert_eq!(wait(3, None, "request"), wait(3, None, "request"));
        let different: std::collections::BTreeSet<i64> = (0..50).map(|n| wait(6, None, &format!("request {n}"))).collect();
        assert!(different.len() > 30, "{different:?}");
        assert_eq!(Polling { first: 0, longest: 0 }.next(5, None, &"x".into(), now).unix(), 1);
    }
}
