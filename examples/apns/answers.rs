//! What is answered to a push: what Apple documents, or what the test asked for.

use serde_json::Value;

use crate::pushes::Push;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `reason`.
    pub reason: Option<String>,
    /// `timestamp`, in milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
}

impl Answer {
    /// The push was taken.
    pub const OK: Answer = Answer { status: 200, reason: None, timestamp: None, retry_after: None };

    /// A refusal for one of Apple's reasons.
    pub fn refused(status: u16, reason: &str) -> Answer {
        Answer { status, reason: Some(reason.to_owned()), timestamp: None, retry_after: None }
    }
}

/// An answer that the test asked for.
#[derive(Debug)]
pub struct Rule {
    token: Option<String>,
    topic: Option<String>,
    times: Option<u64>,
    answer: Answer,
}

impl Rule {
    /// Reads the body of `POST /answers`.
    pub fn read(body: &Value) -> Result<Rule, &'static str> {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| body.get(key).and_then(Value::as_u64);
        let status =
            number("status").and_then(|status| u16::try_from(status).ok()).filter(|status| (200..600).contains(status));
        Ok(Rule {
            token: text("token"),
            topic: text("topic"),
            times: number("times"),
            answer: Answer {
                status: status.ok_or("status must be an HTTP status from 200 to 599")?,
                reason: text("reason"),
                timestamp: number("timestamp"),
                retry_after: number("retryAfter").and_then(|seconds| u32::try_from(seconds).ok()),
            },
        })
    }

    /// The answer, when it is for this push and not used up; takes one use.
    pub fn applies(&mut self, push: &Push) -> Option<Answer> {
        let is_for = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        if !is_for(&self.token, &push.token) || !is_for(&self.topic, &push.topic) || self.times == Some(0) {
            return None;
        }
        self.times = self.times.map(|times| times - 1);
        Some(self.answer.clone())
    }
}
