//! Enrollments and their queues.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use mdm_core::enrollment::{Enrollment, QueuedCommand};
use serde_json::{Value, json};

use super::OfTenant;
use crate::failure::{Answer, Failure};
use crate::host::Host;
use crate::mdm::commands;
use crate::routes::blocking;
use crate::store::{Stored as _, View};
use crate::tenant::Tenant;

pub fn router() -> Router<Arc<Host>> {
    Router::new().route("/admin/enrollments", get(list)).route("/admin/enrollments/{id}/commands", post(queue))
}

async fn list(State(host): State<Arc<Host>>, Query(wanted): Query<OfTenant>) -> Answer {
    blocking(host, move |host| {
        let described = host.store.read(|view| {
            let tenants = view.list_all::<Tenant>()?;
            let mut described = Vec::new();
            view.each_of_kind(|enrollment: Enrollment| {
                if wanted.tenant.as_deref().is_none_or(|wanted| enrollment.tenant().as_str() == wanted) {
                    described.push(describe(view, &tenants, &enrollment)?);
                }
                Ok::<_, Failure>(())
            })?;
            Ok::<_, Failure>(described)
        })?;
        Ok(Answer::json(&Value::Array(described)))
    })
    .await
}

fn describe(view: &View<'_>, tenants: &[Tenant], enrollment: &Enrollment) -> Result<Value, Failure> {
    let commands = view.list::<QueuedCommand>(&enrollment.key())?;
    let commands = commands.iter().map(|command| {
        json!({
            "uuid": command.uuid().as_str(),
            "requestType": command.request_type(),
            "state": format!("{:?}", command.state()),
        })
    });
    let certificate = match enrollment.identity() {
        Some(fingerprint) => view.linked("fingerprint", &fingerprint.to_string())?,
        None => None,
    };
    Ok(json!({
        "id": enrollment.id().to_string(),
        "tenant": enrollment.tenant(),
        "kind": format!("{:?}", enrollment.id().kind()),
        "state": format!("{:?}", enrollment.state()),
        "topic": enrollment.topic().as_str(),
        "lastSeen": enrollment.last_seen().to_string(),
        "certificate": certificate,
        "owesReenrollment": owes(tenants, enrollment),
        "commands": commands.collect::<Vec<_>>(),
    }))
}

/// Whether certificates of its tenant come from elsewhere than its own.
pub fn owes(tenants: &[Tenant], enrollment: &Enrollment) -> bool {
    let tenant = tenants.iter().find(|tenant| tenant.id == *enrollment.tenant());
    tenant.is_some_and(|tenant| enrollment.owes_reenrollment(&tenant.origin()))
}

async fn queue(State(host): State<Arc<Host>>, Path(id): Path<String>, Query(of): Query<OfTenant>, body: Bytes) -> Answer {
    blocking(host, move |host| {
        let uuid = commands::queue(host, &of.id(), &id, &body)?;
        Ok(Answer::json(&json!({ "CommandUUID": uuid })))
    })
    .await
}
