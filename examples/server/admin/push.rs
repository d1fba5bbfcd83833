//! Push certificates: requested, installed, renewed, shared, given up.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use mdm_core::crypto::Provider;
use mdm_core::id::TenantId;
use mdm_core::keystore::{self, Policy};
use mdm_core::push::{Descent, PushCertificate};
use mdm_core::record::Change;
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;
use serde::Deserialize;

use super::body;
use crate::failure::{Answer, Failure};
use crate::host::{Host, now};
use crate::push::{certificate, report, separation};
use crate::routes::blocking;
use crate::store::Batch;
use crate::tenant;

pub fn router() -> Router<Arc<Host>> {
    Router::new()
        .route("/admin/push", get(all))
        .route("/admin/push/{tenant}/request", post(request))
        .route("/admin/push/{tenant}/certificate", post(install))
        .route("/admin/push/{tenant}/resume", post(resume))
        .route("/admin/push/{tenant}/revoke", post(revoke))
        .route("/admin/push/{tenant}/share", post(share))
        .route("/admin/push/{tenant}/separation", get(show_separation).post(separate))
        .route("/admin/push/{tenant}/separation/advance", post(advance))
}

async fn all(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| Ok(Answer::json(&host.store.read(report::report)?))).await
}

async fn show_separation(State(host): State<Arc<Host>>, Path(tenant): Path<String>) -> Answer {
    blocking(host, move |host| {
        Ok(Answer::json(&host.store.read(|view| separation::show(view, &TenantId::from(tenant.as_str())))?))
    })
    .await
}

async fn separate(State(host): State<Arc<Host>>, Path(tenant): Path<String>, bytes: Bytes) -> Answer {
    blocking(host, move |host| {
        let wanted: separation::Wanted = body(&bytes)?;
        let tenant = host.store.read(|view| tenant::load(view, &tenant))?.id;
        Ok(Answer::json(&separation::begin(host, &tenant, &wanted)?))
    })
    .await
}

async fn advance(State(host): State<Arc<Host>>, Path(tenant): Path<String>) -> Answer {
    blocking(host, move |host| Ok(Answer::json(&separation::advance(host, &TenantId::from(tenant.as_str()))?))).await
}

/// What a certificate hangs from at Apple.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Accounts {
    developer_account: String,
    vendor_certificate: String,
    apple_account: String,
}

impl Default for Accounts {
    fn default() -> Self {
        let unknown = || "unknown".to_owned();
        Accounts { developer_account: unknown(), vendor_certificate: unknown(), apple_account: unknown() }
    }
}

impl Accounts {
    fn descent(&self) -> Descent {
        Descent {
            developer_account: self.developer_account.as_str().into(),
            vendor_certificate: self.vendor_certificate.as_str().into(),
            apple_account: self.apple_account.as_str().into(),
        }
    }
}

async fn request(State(host): State<Arc<Host>>, Path(tenant): Path<String>, bytes: Bytes) -> Answer {
    blocking(host, move |host| {
        let accounts: Accounts = body(&bytes)?;
        let csr = host.store.decide(|batch| {
            let tenant = tenant::load(batch, &tenant)?;
            certificate::request(host, batch, &tenant.id, accounts.descent())
        })?;
        Ok(Answer::ok("application/x-pem-file", csr.to_pem()))
    })
    .await
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    reenroll: bool,
    #[serde(flatten)]
    accounts: Accounts,
}

async fn install(
    State(host): State<Arc<Host>>,
    Path(tenant): Path<String>,
    Query(choice): Query<Choice>,
    pem: Bytes,
) -> Answer {
    blocking(host, move |host| {
        let certificate = Certificate::from_pem(&pem).map_err(Failure::bad_request)?;
        let key = private_key(&pem, &host.provider)?;
        host.store.decide(|batch| {
            let tenant = tenant::load(batch, &tenant)?.id;
            let descent = choice.accounts.descent();
            certificate::install(host, batch, &tenant, &certificate, key.as_ref(), descent, choice.reenroll)
        })?;
        Ok(Answer::json(&host.store.read(report::report)?))
    })
    .await
}

/// The private key in a PEM file, when there is one.
fn private_key(pem: &[u8], provider: &Provider) -> Result<Option<Secret>, Failure> {
    let text = std::str::from_utf8(pem).map_err(|_| Failure::bad_request("the body is not PEM"))?;
    let mut key = String::new();
    for line in text.lines().skip_while(|line| !(line.starts_with("-----BEGIN") && line.contains("PRIVATE KEY"))) {
        key = format!("{key}{line}\n");
        if line.starts_with("-----END") {
            break;
        }
    }
    if key.is_empty() {
        return Ok(None);
    }
    let key = keystore::private_key(key.as_bytes(), &Secret::from(""), &Policy::MODERN, provider);
    key.map(Some).map_err(|error| Failure::bad_request(format!("the private key cannot be read: {error}")))
}

/// Which of a tenant's certificates.
#[derive(Deserialize)]
struct Which {
    serial: Option<String>,
}

/// Decides about one certificate of a tenant: the one with the serial number, else the newest.
fn decide(
    host: &Host,
    tenant: &str,
    which: &Which,
    decision: impl Fn(&mut Batch<'_>, &PushCertificate) -> Result<(), Failure>,
) -> Result<Answer, Failure> {
    host.store.decide(|batch| {
        let mine = batch.list_open::<PushCertificate>(tenant)?;
        let is_it = |found: &&PushCertificate| {
            found.installed().is_some_and(|installed| {
                which.serial.as_ref().is_none_or(|serial| installed.serial.to_string() == serial.to_ascii_lowercase())
            })
        };
        let found = mine.iter().filter(is_it).max_by_key(|found| found.installed().map(|installed| installed.at));
        decision(batch, found.ok_or_else(|| Failure::not_found("the tenant has no such push certificate"))?)
    })?;
    Ok(Answer::json(&host.store.read(report::report)?))
}

fn happened(decided: Option<Change<PushCertificate>>, otherwise: &str) -> Result<Change<PushCertificate>, Failure> {
    decided.ok_or_else(|| Failure::conflict(otherwise))
}

async fn resume(State(host): State<Arc<Host>>, Path(tenant): Path<String>, Query(which): Query<Which>) -> Answer {
    blocking(host, move |host| {
        let answer = decide(host, &tenant, &which, |batch, found| {
            certificate::keep(host, batch, &happened(found.resume(now()), "the certificate is not paused")?)
        })?;
        host.push_owed.notify_one();
        Ok(answer)
    })
    .await
}

async fn revoke(State(host): State<Arc<Host>>, Path(tenant): Path<String>, Query(which): Query<Which>) -> Answer {
    blocking(host, move |host| {
        decide(host, &tenant, &which, |batch, found| {
            batch.log(format!("audit: the push certificate of {tenant} is given up"));
            certificate::keep(host, batch, &happened(found.revoke(now()), "the certificate is not in use")?)
        })
    })
    .await
}

#[derive(Deserialize)]
struct With {
    with: Vec<String>,
    serial: Option<String>,
}

async fn share(State(host): State<Arc<Host>>, Path(tenant): Path<String>, bytes: Bytes) -> Answer {
    blocking(host, move |host| {
        let With { with, serial } = body(&bytes)?;
        decide(host, &tenant, &Which { serial }, |batch, found| {
            let with = with.iter().map(|name| tenant::load(batch, name).map(|tenant| tenant.id)).collect::<Result<_, _>>()?;
            certificate::share(host, batch, found, with)
        })
    })
    .await
}
