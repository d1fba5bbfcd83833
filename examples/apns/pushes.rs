//! The pushes that came, and whether Apple would take them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, Method};
use mdm_core::push::ApnsId;
use serde_json::{Value, json};

use crate::answers::{Answer, Rule};
use crate::identity::{self, Client};

/// One push as it came.
pub struct Push {
    client: Arc<Client>,
    /// The token in the path.
    pub token: String,
    /// `apns-topic`, or the certificate's when the header is missing.
    pub topic: String,
    /// `apns-id`, or one that was made here.
    pub id: String,
    push_type: Option<String>,
    priority: Option<String>,
    expiration: Option<String>,
    magic: Option<String>,
    at: u64,
    fault: Option<Answer>,
}

impl Push {
    /// Reads a request. What is wrong with it becomes its answer.
    pub fn read(client: &Arc<Client>, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Push {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body_value = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let mut push = Push {
            client: client.clone(),
            token: path.strip_prefix("/3/device/").unwrap_or_default().to_owned(),
            topic: header("apns-topic").unwrap_or_else(|| client.topic.clone()),
            id: header("apns-id").unwrap_or_else(|| ApnsId::from_random(identity::random()).to_string()),
            push_type: header("apns-push-type"),
            priority: header("apns-priority"),
            expiration: header("apns-expiration"),
            magic: body_value.get("mdm").and_then(Value::as_str).map(str::to_owned),
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            fault: None,
        };
        let alone = body_value.as_object().is_some_and(|body| body.len() == 1);
        push.fault = push.find_fault(method, path, body.len(), alone);
        push
    }

    /// "Handling notification responses from APNs": the first thing that is wrong.
    fn find_fault(&self, method: &Method, path: &str, length: usize, alone: bool) -> Option<Answer> {
        let number = |text: &Option<String>| text.as_deref().is_none_or(|text| text.parse::<u64>().is_ok());
        let is_token = |text: &str| text.len().is_multiple_of(2) && text.bytes().all(|octet| octet.is_ascii_hexdigit());
        let (status, reason) = if !path.starts_with("/3/device/") {
            (404, "BadPath")
        } else if method != Method::POST {
            (405, "MethodNotAllowed")
        } else if self.token.is_empty() {
            (400, "MissingDeviceToken")
        } else if !is_token(&self.token) {
            (400, "BadDeviceToken")
        } else if self.topic != self.client.topic {
            (400, "TopicDisallowed")
        } else if self.push_type.as_deref().is_some_and(|kind| kind != "mdm") {
            (400, "InvalidPushType")
        } else if !matches!(self.priority.as_deref(), None | Some("1" | "5" | "10")) {
            (400, "BadPriority")
        } else if !number(&self.expiration) {
            (400, "BadExpirationDate")
        } else if self.id.parse::<ApnsId>().is_err() {
            (400, "BadMessageId")
        } else if length == 0 {
            (400, "PayloadEmpty")
        } else if length > 4096 {
            (413, "PayloadTooLarge")
        } else if self.magic.is_none() || !alone {
            // Apple takes such a push and the device ignores it; here it shall be seen.
            (400, "PayloadEmpty")
        } else {
            return None;
        };
        Some(Answer::refused(status, reason))
    }

    fn describe(&self, answer: &Answer) -> Value {
        json!({
            "token": self.token,
            "topic": self.topic,
            "id": self.id,
            "pushType": self.push_type,
            "priority": self.priority,
            "expiration": self.expiration,
            "magic": self.magic,
            "at": self.at,
            "status": answer.status,
            "reason": answer.reason,
            "certificate": self.client.describe(),
        })
    }
}

/// All that came, and what the test wants to be answered.
#[derive(Default)]
pub struct Apns {
    pushes: Mutex<Vec<Value>>,
    rules: Mutex<Vec<Rule>>,
}

impl Apns {
    /// Answers a push and remembers it.
    pub fn take(&self, push: Push) -> Answer {
        let asked_for = lock(&self.rules).iter_mut().rev().find_map(|rule| rule.applies(&push));
        let answer = asked_for.or_else(|| push.fault.clone()).unwrap_or(Answer::OK);
        println!("{} over {}: {} {}", push.token, push.client.serial, answer.status, answer.reason.as_deref().unwrap_or(""));
        lock(&self.pushes).push(push.describe(&answer));
        answer
    }

    /// Every push so far, the oldest first.
    pub fn pushes(&self) -> Vec<Value> {
        lock(&self.pushes).clone()
    }

    /// Forgets them.
    pub fn forget_pushes(&self) {
        lock(&self.pushes).clear();
    }

    /// Answers by this rule before all others.
    pub fn answer_by(&self, rule: Rule) {
        lock(&self.rules).push(rule);
    }

    /// Answers as Apple would.
    pub fn forget_answers(&self) {
        lock(&self.rules).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
