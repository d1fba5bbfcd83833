//! A stand-in for Apple's push service, for tests on one machine: HTTP/2 over TLS with client certificates, on loopback.
//!
//! ```text
//! cargo run --release --example apns -- --listen 127.0.0.1:2197 --control 127.0.0.1:2198 --ca apns.pem [--client-ca FILE]
//! ```
//!
//! It makes a key and a certificate for itself at start and writes the certificate to the file that `--ca` names; whoever pushes
//! here believes that. A client must show a certificate and prove its key; with `--client-ca` it must also come from one of these
//! authorities. What is wrong with a push is answered as Apple documents it, and every push is remembered with the certificate of
//! the connection that it came over.
//!
//! The control port speaks plain HTTP:
//!
//! | request | what |
//! |---|---|
//! | `GET /pushes` | every push so far: token, topic, magic, headers, answer, and the certificate it came over |
//! | `DELETE /pushes` | forgets them |
//! | `POST /answers` | from now on answer so: `{"token", "topic", "status", "reason", "timestamp", "retryAfter", "times"}` |
//! | `DELETE /answers` | answers as Apple would again |
//!
//! `token` and `topic` say which pushes an answer is for, all when absent; `times` how often, always when absent. The newest answer
//! that fits counts.

mod answers;
mod identity;
#[path = "../shared/os.rs"]
mod os;
mod pushes;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, body::Bytes};
use clap::Parser;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use answers::{Answer, Rule};
use identity::Client;
use pushes::{Apns, Push};

type Fail = Box<dyn std::error::Error + Send + Sync>;

/// A stand-in for APNs.
#[derive(Parser)]
struct Arguments {
    /// Where pushes are taken.
    #[arg(long, default_value = "127.0.0.1:2197")]
    listen: SocketAddr,
    /// Where the test asks what came, and says what to answer.
    #[arg(long, default_value = "127.0.0.1:2198")]
    control: SocketAddr,
    /// The file that this server's certificate is written to.
    #[arg(long)]
    ca: PathBuf,
    /// The authorities that clients' certificates must come from, as PEM; any certificate will do when absent.
    #[arg(long)]
    client_ca: Option<PathBuf>,
}

#[tokio::main]
async fn main() {
    if let Err(error) = run(Arguments::parse()).await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run(arguments: Arguments) -> Result<(), Fail> {
    let client_ca = arguments.client_ca.map(std::fs::read).transpose()?;
    let (tls, pem) = identity::server(client_ca.as_deref())?;
    let pushes = TcpListener::bind(arguments.listen).await?;
    let control = TcpListener::bind(arguments.control).await?;
    std::fs::write(&arguments.ca, pem)?;
    println!("pushes on https://{}, control on http://{}", pushes.local_addr()?, control.local_addr()?);
    let apns = Arc::new(Apns::default());
    let accepting = tokio::spawn(accept(pushes, TlsAcceptor::from(Arc::new(tls)), apns.clone()));
    axum::serve(control, control_routes(apns)).with_graceful_shutdown(stop_signal()).await?;
    accepting.abort();
    Ok(())
}

async fn stop_signal() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(error) => eprintln!("error: cannot listen for SIGTERM: {error}"),
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, apns: Arc<Apns>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (tls, apns) = (tls.clone(), apns.clone());
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, tls, apns).await {
                        eprintln!("connection: {error}");
                    }
                });
            }
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

/// One connection: every push on it came over the certificate that its handshake showed.
async fn serve(stream: TcpStream, tls: TlsAcceptor, apns: Arc<Apns>) -> Result<(), Fail> {
    let stream = tls.accept(stream).await?;
    let client = Client::of(stream.get_ref().1)?;
    let pushes =
        Router::new().fallback(push).layer(DefaultBodyLimit::max(1 << 20)).layer(Extension(Arc::new(client))).with_state(apns);
    let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    Ok(http2.serve_connection(TokioIo::new(stream), TowerToHyperService::new(pushes)).await?)
}

/// `POST /3/device/{token}`, and everything that is not.
async fn push(
    State(apns): State<Arc<Apns>>,
    Extension(client): Extension<Arc<Client>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let push = Push::read(&client, &method, uri.path(), &headers, &body);
    let id = push.id.clone();
    let answer = apns.take(push);
    let mut response = answer.into_response();
    if let Ok(id) = id.parse() {
        response.headers_mut().insert("apns-id", id);
    }
    response
}

fn control_routes(apns: Arc<Apns>) -> Router {
    Router::new()
        .route("/pushes", get(pushes).delete(forget_pushes))
        .route("/answers", axum::routing::post(answer).delete(forget_answers))
        .with_state(apns)
}

async fn pushes(State(apns): State<Arc<Apns>>) -> Json<Vec<Value>> {
    Json(apns.pushes())
}

async fn forget_pushes(State(apns): State<Arc<Apns>>) -> StatusCode {
    apns.forget_pushes();
    StatusCode::NO_CONTENT
}

async fn answer(State(apns): State<Arc<Apns>>, Json(rule): Json<Value>) -> Response {
    match Rule::read(&rule) {
        Ok(rule) => {
            apns.answer_by(rule);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(reason) => (StatusCode::BAD_REQUEST, Json(json!({ "error": reason }))).into_response(),
    }
}

async fn forget_answers(State(apns): State<Arc<Apns>>) -> StatusCode {
    apns.forget_answers();
    StatusCode::NO_CONTENT
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = serde_json::Map::new();
        body.extend(self.reason.map(|reason| ("reason".to_owned(), reason.into())));
        body.extend(self.timestamp.map(|timestamp| ("timestamp".to_owned(), timestamp.into())));
        let body = if body.is_empty() { String::new() } else { Value::Object(body).to_string() };
        let mut response = (status, body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        response
    }
}
