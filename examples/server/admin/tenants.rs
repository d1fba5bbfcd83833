//! Tenants, how their devices get certificates, and requests that wait for a decision.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use mdm_core::enrollment::Enrollment;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body, enrollments};
use crate::failure::{Answer, Failure};
use crate::host::Host;
use crate::routes::blocking;
use crate::scep::challenge;
use crate::scep::hold::{self, Decision};
use crate::tenant::{self, ChallengePolicy, ScepSettings, Tenant};

pub fn router() -> Router<Arc<Host>> {
    Router::new()
        .route("/admin/tenants", get(list).post(add))
        .route("/admin/tenants/{tenant}/scep", put(configure))
        .route("/admin/tenants/{tenant}/challenges", post(issue))
        .route("/admin/held", get(held))
        .route("/admin/held/{id}/grant", post(grant))
        .route("/admin/held/{id}/deny", post(deny))
}

async fn list(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| {
        let described = host.store.read(|view| {
            let tenants = view.list_all::<Tenant>()?;
            let mut owing = std::collections::HashMap::<String, u64>::new();
            view.each_of_kind(|enrollment: Enrollment| {
                if enrollments::owes(&tenants, &enrollment) {
                    *owing.entry(enrollment.tenant().to_string()).or_default() += 1;
                }
                Ok::<_, Failure>(())
            })?;
            let owing = |tenant: &Tenant| owing.get(tenant.id.as_str()).copied().unwrap_or(0);
            Ok::<_, Failure>(tenants.iter().map(|tenant| describe(tenant, owing(tenant))).collect())
        })?;
        Ok(Answer::json(&Value::Array(described)))
    })
    .await
}

fn describe(tenant: &Tenant, owing: u64) -> Value {
    let scep = &tenant.scep;
    json!({
        "tenant": tenant.id,
        "path": tenant.path(),
        // Its kind: the secret in it is nobody's to read.
        "challenge": scep.challenge.as_ref().map(ChallengePolicy::name),
        "askedBy": scep.asked_by.as_ref().map(|account| &account.user),
        "approval": scep.approval,
        "emptyContent": scep.empty_content,
        "upstream": scep.upstream,
        "owingReenrollment": owing,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    tenant: String,
    #[serde(default)]
    scep: ScepSettings,
}

async fn add(State(host): State<Arc<Host>>, bytes: Bytes) -> Answer {
    blocking(host, move |host| {
        let New { tenant, scep } = body(&bytes)?;
        host.store.decide(|batch| {
            host.add_tenant(batch, &tenant, &scep)?;
            batch.log(format!("audit: tenant {tenant} added"));
            Ok(Answer::json(&describe(&tenant::load(batch, &tenant)?, 0)))
        })
    })
    .await
}

async fn configure(State(host): State<Arc<Host>>, Path(name): Path<String>, bytes: Bytes) -> Answer {
    blocking(host, move |host| {
        let scep: ScepSettings = body(&bytes)?;
        host.store.decide(|batch| {
            let tenant = tenant::load(batch, &name)?;
            let configured = tenant.configured(&scep);
            batch.put(&configured, Some(tenant.revision))?;
            batch.log(format!("audit: SCEP settings of tenant {name} changed"));
            if configured.origin() != tenant.origin() {
                batch.log(format!("attention: certificates of {name} come from elsewhere now: its devices must enroll again"));
            }
            Ok(Answer::json(&describe(&configured, 0)))
        })
    })
    .await
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Wanted {
    OneTime,
    #[serde(rename_all = "camelCase")]
    Bound {
        common_name: String,
    },
}

async fn issue(State(host): State<Arc<Host>>, Path(name): Path<String>, bytes: Bytes) -> Answer {
    blocking(host, move |host| {
        let wanted: Wanted = body(&bytes)?;
        let tenant = host.store.read(|view| tenant::load(view, &name))?;
        let challenge = match wanted {
            Wanted::OneTime => host.store.decide(|batch| challenge::issue_one_time(host, batch, &tenant.id))?,
            Wanted::Bound { common_name } => challenge::issue_bound(host, &tenant.id, &common_name),
        };
        Ok(Answer::json(&json!({ "challenge": challenge.expose_str() })))
    })
    .await
}

async fn held(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| Ok(Answer::json(&hold::list(host)?))).await
}

async fn grant(State(host): State<Arc<Host>>, Path(id): Path<String>) -> Answer {
    blocking(host, move |host| Ok(Answer::json(&hold::decide(host, &id, Decision::Granted)?))).await
}

async fn deny(State(host): State<Arc<Host>>, Path(id): Path<String>) -> Answer {
    blocking(host, move |host| Ok(Answer::json(&hold::decide(host, &id, Decision::Denied)?))).await
}
