//! The authority itself: renewal, backup, certificates for other programs.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::routing::{get, post, put};
use serde::Deserialize;

use super::body;
use crate::failure::Answer;
use crate::host::Host;
use crate::lifecycle;
use crate::routes::blocking;

pub fn router() -> Router<Arc<Host>> {
    Router::new()
        .route("/admin/authority", get(describe))
        .route("/admin/authority/settings", put(set))
        .route("/admin/authority/renew", post(renew))
        .route("/admin/authority/succeed", post(succeed))
        .route("/admin/authority/abandon", post(abandon))
        .route("/admin/authority/acknowledge", post(acknowledge))
        .route("/admin/authority/backup", post(backup))
        .route("/admin/authority/certificates", post(issue))
}

async fn describe(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| Ok(Answer::json(&lifecycle::describe(host)?))).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    notice_days: u32,
}

async fn set(State(host): State<Arc<Host>>, bytes: Bytes) -> Answer {
    blocking(host, move |host| {
        let wanted: Wanted = body(&bytes)?;
        Ok(Answer::json(&lifecycle::set_notice_days(host, wanted.notice_days)?))
    })
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct How {
    #[serde(default)]
    new_key: bool,
    #[serde(default)]
    ahead: bool,
}

async fn renew(State(host): State<Arc<Host>>, bytes: Bytes) -> Answer {
    blocking(host, move |host| {
        let how: How = body(&bytes)?;
        Ok(Answer::json(&lifecycle::renew(host, how.new_key, how.ahead)?))
    })
    .await
}

async fn succeed(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| Ok(Answer::json(&lifecycle::succeed(host)?))).await
}

async fn abandon(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| Ok(Answer::json(&lifecycle::abandon(host)?))).await
}

async fn acknowledge(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| Ok(Answer::json(&lifecycle::acknowledge(host)?))).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    password: String,
}

async fn backup(State(host): State<Arc<Host>>, bytes: Bytes) -> Answer {
    blocking(host, move |host| {
        let Password { password } = body(&bytes)?;
        lifecycle::backup(host, &password)
    })
    .await
}

#[derive(Deserialize)]
struct For {
    profile: String,
    name: Option<String>,
}

async fn issue(State(host): State<Arc<Host>>, Query(wanted): Query<For>, request: Bytes) -> Answer {
    blocking(host, move |host| {
        let names: Vec<String> = wanted.name.iter().flat_map(|names| names.split(',')).map(str::to_owned).collect();
        lifecycle::issue(host, &request, &wanted.profile, &names)
    })
    .await
}
