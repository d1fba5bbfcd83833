//! The reference host: mdm-core behind HTTP, with one SQLite file.
//!
//! ```text
//! cargo run --release --example server -- --listen 127.0.0.1:8080 --data DIR --challenge SECRET
//! ```
//!
//! | path | what |
//! |---|---|
//! | `GET`, `POST /scep` | SCEP (RFC 8894): AES and SHA-256 only |
//! | `GET`, `POST /scep/legacy` | the same for clients that speak single DES and SHA-1, by named policy |
//! | `PUT /mdm` | check-in and command channel, told apart by Content-Type; identity from the Mdm-Signature header |
//! | `GET /enroll` | an enrollment profile |
//! | `GET /ca.pem`, `GET /crl` | the authority's certificate and revocation list |
//! | `/admin/...` | queue commands, list and revoke; behind the bearer token that is printed at first start |
//!
//! This file is the wire: sockets, signals, status codes. `host.rs` is what a host decides and stores, `store.rs` the database.

mod admin;
mod host;
mod mdm;
mod scep;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use clap::Parser;
use host::{Config, Host};

/// The reference host of mdm-core.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The folder that holds the database; it is made when it is not there.
    #[arg(long)]
    data: PathBuf,
    /// The SCEP challenge that devices must know.
    #[arg(long)]
    challenge: String,
    /// How devices reach this server; http:// and the listening address when absent.
    #[arg(long)]
    url: Option<String>,
}

/// The largest body that is read at all: Apple's largest answers are a few megabytes.
const MAX_BODY: usize = 8 << 20;

#[tokio::main]
async fn main() {
    if let Err(error) = run(Arguments::parse()).await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(&arguments.data)
        .map_err(|error| format!("cannot make the data folder {}: {error}", arguments.data.display()))?;
    let config =
        Config { challenge: arguments.challenge, url: arguments.url.unwrap_or_else(|| format!("http://{}", arguments.listen)) };
    let host = Arc::new(Host::open(&arguments.data.join("mdm.sqlite"), config)?);
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.listen))?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router(host)).with_graceful_shutdown(stop_signal()).await?;
    println!("stopped");
    Ok(())
}

fn router(host: Arc<Host>) -> Router {
    Router::new()
        .route("/scep", get(scep_get).post(scep_post))
        .route("/scep/legacy", get(scep_legacy_get).post(scep_legacy_post))
        .route("/mdm", put(mdm_put))
        .route("/enroll", get(enroll))
        .route("/ca.pem", get(ca_pem))
        .route("/crl", get(crl))
        .merge(admin::router(&host))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(host)
}

async fn stop_signal() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(error) => {
            eprintln!("error: cannot listen for SIGTERM: {error}");
            return;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// An answer before it is on the wire.
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The Content-Type; empty for none.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(content_type: &'static str, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status: StatusCode::OK, content_type, body: body.into() }
    }

    /// A status and one line of text.
    pub fn plain(status: StatusCode, reason: &str) -> Answer {
        Answer { status, content_type: "text/plain; charset=utf-8", body: format!("{reason}\n").into_bytes() }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        response.headers_mut().remove(header::CONTENT_TYPE);
        if let Ok(value) = header::HeaderValue::from_str(self.content_type)
            && !self.content_type.is_empty()
        {
            response.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        response
    }
}

/// The decisions and the database block, so they run beside the async threads. A decision that fails is answered with its own
/// status; what a stranger need not know goes to the log.
pub async fn blocking(host: Arc<Host>, work: impl FnOnce(&Host) -> Result<Answer, host::Failure> + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(move || work(&host)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(failure)) => {
            eprintln!("refused: {}", failure.log);
            Answer::plain(failure.status, &failure.reason)
        }
        Err(error) => {
            eprintln!("error: a request ended abnormally: {error}");
            Answer::plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}

async fn scep_get(State(host): State<Arc<Host>>, RawQuery(query): RawQuery) -> Answer {
    blocking(host, move |host| scep::get(host, query.as_deref().unwrap_or_default(), scep::Door::Strict)).await
}

async fn scep_legacy_get(State(host): State<Arc<Host>>, RawQuery(query): RawQuery) -> Answer {
    blocking(host, move |host| scep::get(host, query.as_deref().unwrap_or_default(), scep::Door::Legacy)).await
}

async fn scep_post(State(host): State<Arc<Host>>, body: Bytes) -> Answer {
    blocking(host, move |host| scep::post(host, &body, scep::Door::Strict)).await
}

async fn scep_legacy_post(State(host): State<Arc<Host>>, body: Bytes) -> Answer {
    blocking(host, move |host| scep::post(host, &body, scep::Door::Legacy)).await
}

async fn mdm_put(State(host): State<Arc<Host>>, headers: HeaderMap, body: Bytes) -> Answer {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (content_type, signature) = (text("content-type"), text("mdm-signature"));
    blocking(host, move |host| mdm::put(host, &content_type, &signature, &body)).await
}

async fn enroll(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, mdm::enrollment_profile).await
}

async fn ca_pem(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, Host::ca_pem).await
}

async fn crl(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, Host::crl).await
}
