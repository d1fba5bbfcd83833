//! Queues: what an operator sends to a device.

use mdm_core::command::Command;
use mdm_core::enrollment::{Effect, Enrollment, Schedule};
use mdm_core::id::TenantId;
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, Value as Plist};
use mdm_core::profile;
use serde_json::Value;

use crate::failure::Failure;
use crate::host::{Host, now};
use crate::push;
use crate::store::Batch;

/// Queues a command, and owes the device a push.
pub fn enqueue(batch: &mut Batch<'_>, enrollment: &Enrollment, command: &Command) -> Result<(), Failure> {
    let number = batch.next_number()?;
    let queued = enrollment.enqueue(command, Schedule::default(), number, now()).map_err(Failure::conflict)?;
    batch.keep(&queued)?;
    let request = command.request.request_type();
    batch.log(format!("queue: {request} for {} as {}", enrollment.id(), command.uuid));
    for effect in queued.effects {
        if let Effect::Wake { at } = effect {
            push::waking::owe(batch, enrollment.tenant(), enrollment.id(), at)?;
        }
    }
    Ok(())
}

/// Queues what an operator sent for the enrollment with this identifier. Gives the command's name.
pub fn queue(host: &Host, tenant: &TenantId, id: &str, body: &[u8]) -> Result<String, Failure> {
    let command = read(host, body)?;
    host.store.decide(|batch| {
        let unknown = || Failure::not_found("no enrollment has this identifier");
        let enrollment = batch.load::<Enrollment>(&format!("{tenant} {id}"))?.ok_or_else(unknown)?;
        enqueue(batch, &enrollment, &command)
    })?;
    host.push_owed.notify_one();
    Ok(command.uuid.as_str().to_owned())
}

/// A whole command as a property list, or a request alone as a property list or as JSON.
fn read(host: &Host, body: &[u8]) -> Result<Command, Failure> {
    let value = match serde_json::from_slice::<Value>(body) {
        Ok(json) => from_json(&json).ok_or_else(|| Failure::bad_request("null has no place in a command"))?,
        Err(_) => plist::parse(body, &Limits::MESSAGE)
            .map_err(|error| Failure::bad_request(format!("neither JSON nor a property list: {error}")))?,
    };
    let Plist::Dictionary(entries) = value else { return Err(Failure::bad_request("a command is a dictionary")) };
    let whole = if entries.get("Command").is_some() {
        entries
    } else {
        let name = Plist::from(uuid(host)?);
        [("Command", Plist::Dictionary(entries)), ("CommandUUID", name)].into_iter().collect::<Dictionary>()
    };
    Command::from_value(Plist::Dictionary(whole)).map_err(Failure::bad_request)
}

fn from_json(json: &Value) -> Option<Plist> {
    Some(match json {
        Value::Null => return None,
        Value::Bool(truth) => Plist::from(*truth),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Plist::from(number),
            (_, Some(number), _) => Plist::from(number),
            (_, _, number) => Plist::from(number?),
        },
        Value::String(text) => Plist::from(text.as_str()),
        Value::Array(items) => Plist::Array(items.iter().map(from_json).collect::<Option<_>>()?),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| Some((key.as_str(), from_json(value)?)));
            Plist::Dictionary(entries.collect::<Option<Dictionary>>()?)
        }
    })
}

/// A name for a command.
pub fn uuid(host: &Host) -> Result<String, Failure> {
    Ok(profile::uuid(host.provider.random_bytes()?))
}
