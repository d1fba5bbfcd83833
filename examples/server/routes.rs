//! Which path is what, and how a decision that blocks runs beside the connections.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path, Query, RawPathParams, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::routing::{get, post, put};
use mdm_core::id::TenantId;

use crate::failure::{Answer, Failure};
use crate::host::Host;
use crate::scep::{self, Door};
use crate::wire::{self, Budget};
use crate::{admin, lifecycle, mdm, revocation, tenant};

/// All paths.
pub fn router(host: Arc<Host>) -> Router {
    Router::new()
        .merge(devices())
        .nest("/t/{tenant}", devices())
        .route("/ca.pem", get(ca_pem))
        .route("/ca/{generation}", get(ca_generation))
        .route("/crl", get(crl))
        .route("/crl/{generation}", get(crl_generation))
        .route("/ocsp", post(ocsp_post))
        .route("/ocsp/{*request}", get(ocsp_get))
        .merge(admin::router(&host))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Budget::new(), wire::admit))
        .with_state(host)
}

/// What devices of one tenant talk to.
fn devices() -> Router<Arc<Host>> {
    Router::new()
        .route("/scep", get(scep_get).post(scep_post))
        .route("/scep/legacy", get(scep_legacy_get).post(scep_legacy_post))
        .route("/scep/challenge", post(scep_challenge))
        .route("/mdm", put(mdm_put))
        .route("/enroll", get(enroll))
}

/// At whose door a request came.
pub struct At(pub TenantId);

impl<S: Send + Sync> FromRequestParts<S> for At {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<At, Infallible> {
        let found = RawPathParams::from_request_parts(parts, state).await;
        let named = found.ok().and_then(|found| {
            let tenant = found.iter().find(|(key, _)| *key == "tenant");
            tenant.map(|(_, name)| TenantId::from(name))
        });
        Ok(At(named.unwrap_or_else(|| TenantId::from(tenant::DEFAULT))))
    }
}

/// The decisions, the keys and the database block, so they run beside the async threads. A decision that fails is answered with its
/// own status; what a stranger need not know goes to the log.
pub async fn blocking(host: Arc<Host>, work: impl FnOnce(&Host) -> Result<Answer, Failure> + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(move || work(&host)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(failure)) => {
            eprintln!("refused: {} {}", failure.status.as_u16(), failure.log);
            failure.into_answer()
        }
        Err(error) => {
            eprintln!("error: a request ended abnormally: {error}");
            Answer::plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}

async fn scep_get(State(host): State<Arc<Host>>, At(tenant): At, RawQuery(query): RawQuery) -> Answer {
    blocking(host, move |host| scep::get(host, &tenant, query.as_deref().unwrap_or_default(), Door::Strict)).await
}

async fn scep_legacy_get(State(host): State<Arc<Host>>, At(tenant): At, RawQuery(query): RawQuery) -> Answer {
    blocking(host, move |host| scep::get(host, &tenant, query.as_deref().unwrap_or_default(), Door::Legacy)).await
}

async fn scep_post(State(host): State<Arc<Host>>, At(tenant): At, RawQuery(query): RawQuery, body: Bytes) -> Answer {
    blocking(host, move |host| scep::post(host, &tenant, query.as_deref().unwrap_or_default(), &body, Door::Strict)).await
}

async fn scep_legacy_post(State(host): State<Arc<Host>>, At(tenant): At, RawQuery(query): RawQuery, body: Bytes) -> Answer {
    blocking(host, move |host| scep::post(host, &tenant, query.as_deref().unwrap_or_default(), &body, Door::Legacy)).await
}

async fn mdm_put(State(host): State<Arc<Host>>, At(tenant): At, headers: HeaderMap, body: Bytes) -> Answer {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (content_type, signature) = (text("content-type"), text("mdm-signature"));
    blocking(host, move |host| mdm::put(host, &tenant, &content_type, &signature, &body)).await
}

async fn scep_challenge(State(host): State<Arc<Host>>, At(tenant): At, headers: HeaderMap, body: Bytes) -> Answer {
    blocking(host, move |host| scep::source::answer(host, &tenant, headers, &body)).await
}

#[derive(serde::Deserialize)]
struct For {
    name: Option<String>,
}

async fn enroll(State(host): State<Arc<Host>>, At(tenant): At, Query(wanted): Query<For>) -> Answer {
    blocking(host, move |host| mdm::profile::enroll(host, &tenant, wanted.name)).await
}

async fn ca_pem(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| lifecycle::ca_pem(host, None)).await
}

async fn ca_generation(State(host): State<Arc<Host>>, Path(file): Path<String>) -> Answer {
    blocking(host, move |host| {
        let generation = file.strip_suffix(".pem").and_then(|number| number.parse().ok());
        lifecycle::ca_pem(host, Some(generation.ok_or_else(|| Failure::not_found("there is no such certificate"))?))
    })
    .await
}

async fn crl(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| revocation::crl(host, None)).await
}

async fn crl_generation(State(host): State<Arc<Host>>, Path(generation): Path<u32>) -> Answer {
    blocking(host, move |host| revocation::crl(host, Some(generation))).await
}

async fn ocsp_post(State(host): State<Arc<Host>>, body: Bytes) -> Answer {
    blocking(host, move |host| revocation::ocsp_post(host, &body)).await
}

async fn ocsp_get(State(host): State<Arc<Host>>, Path(request): Path<String>) -> Answer {
    blocking(host, move |host| revocation::ocsp_get(host, &request)).await
}
