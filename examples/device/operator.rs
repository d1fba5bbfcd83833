//! The operator: queues commands at `/admin`, and looks at the end whether the server has on record what the devices have.

use std::collections::{HashMap, HashSet};

use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::Result;
use crate::device::Device;
use crate::tally::Tally;
use crate::wire::{Message, Trouble, Wire};

/// Who has the admin token.
pub struct Operator {
    wire: Wire,
    server: Url,
    token: String,
}

impl Operator {
    /// With this token at this server.
    pub fn new(wire: Wire, server: Url, token: String) -> Operator {
        Operator { wire, server, token }
    }

    fn message(&self, kind: &'static str, method: Method, path: &str, body: Vec<u8>) -> Result<Message> {
        let authorization = ("authorization", format!("Bearer {}", self.token));
        let content_type = ("content-type", "application/json".to_owned());
        Ok(Message { kind, method, url: self.server.join(path)?, headers: vec![authorization, content_type], body })
    }

    /// Queues a command under this name; false when nobody knows whether it is queued, because the answer was lost.
    pub async fn queue(&self, udid: &str, uuid: &str, request_type: &str) -> Result<bool> {
        let request = match request_type {
            "DeviceInformation" => json!({ "RequestType": request_type, "Queries": ["OSVersion", "DeviceName", "UDID"] }),
            _ => json!({ "RequestType": request_type }),
        };
        let command = json!({ "Command": request, "CommandUUID": uuid });
        let path = format!("/admin/enrollments/{udid}/commands");
        let message = self.message("queue", Method::POST, &path, command.to_string().into_bytes())?;
        match self.wire.once(&message).await {
            Ok(_) => Ok(true),
            Err(Trouble::Lost(_) | Trouble::Busy(_)) => Ok(false),
            Err(refused) => Err(refused.into()),
        }
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let body = self.wire.send(&self.message("audit", Method::GET, path, Vec::new())?).await?;
        match serde_json::from_slice(&body)? {
            Value::Array(items) => Ok(items),
            _ => Err(format!("{path} is not a list").into()),
        }
    }

    /// Holds what the devices have against what the server has.
    pub async fn audit(&self, devices: &[Device], tally: &Tally) -> Result<()> {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut serials = HashSet::new();
        for certificate in self.list("/admin/certificates").await? {
            let serial = text(&certificate, "serial");
            if !serials.insert(serial.clone()) {
                tally.broke(format!("the server lists the serial number {serial} twice"));
            }
        }
        let mut enrollments: HashMap<String, HashMap<String, String>> = HashMap::new();
        for enrollment in self.list("/admin/enrollments").await? {
            let commands = enrollment.get("commands").and_then(Value::as_array).into_iter().flatten();
            let commands = commands.map(|command| (text(command, "uuid"), text(command, "state"))).collect();
            enrollments.insert(text(&enrollment, "id"), commands);
        }
        for device in devices {
            let record = &device.record;
            for certificate in &record.certificates {
                if !serials.contains(&certificate.serial().to_string()) {
                    tally.broke(format!("{} holds {}, which is not on the server's record", record.udid, certificate.serial()));
                }
            }
            let known = enrollments.get(&record.udid);
            if known.is_none() && record.checked_in {
                tally.broke(format!("{} is enrolled and not on the server's record", record.udid));
            }
            for uuid in record.queued.iter().chain(&record.answered) {
                let state = known.and_then(|known| known.get(uuid));
                if state != record.carried_out.get(uuid) {
                    let (state, outcome) = (state.map_or("nothing", String::as_str), record.carried_out.get(uuid));
                    tally.broke(format!("command {uuid} of {}: the device has {outcome:?}, the server {state}", record.udid));
                }
            }
        }
        Ok(())
    }
}
