//! Connections: how many, for how long, and how much of a body is read.
//!
//! A host on the open internet must bound what strangers can take: connections by the files that the process may open, heads and
//! bodies by time, bodies by size, and all bodies together by one budget of memory.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use mdm_core::limits::Limits;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::failure::{Answer, Failure};

/// How long a client may take for the head of a request, and between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a client may take for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection is used; a client that wants to go on opens another.
const CONNECTION_AGE: Duration = Duration::from_secs(600);
/// How long open requests are waited for when the server stops.
const FAREWELL: Duration = Duration::from_secs(30);
/// Kibibytes that all bodies which are being read may take together.
const BODY_BUDGET: u32 = 256 << 10;
/// Connections at once, when the system says nothing of files.
const FEW_CONNECTIONS: usize = 900;
/// Files that are not connections: the database, its journal, other servers.
const OTHER_FILES: usize = 100;

/// What is left for bodies.
#[derive(Clone)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    /// All of it.
    pub fn new() -> Budget {
        Budget(Arc::new(Semaphore::new(BODY_BUDGET as usize)))
    }
}

/// The longest body of a path: what its reader takes.
fn longest(method: &Method, path: &str) -> usize {
    match path {
        _ if *method == Method::GET => 0,
        path if path.starts_with("/admin") || path.ends_with("/mdm") => Limits::MESSAGE.max_bytes,
        _ => Limits::PKI.max_bytes,
    }
}

/// Reads a request's body before anything else looks at it, within its size, its time and the budget.
pub async fn admit(State(budget): State<Budget>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let longest = longest(&parts.method, parts.uri.path());
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let refused = |status, reason: &str| {
        let mut response = Answer::plain(status, reason).into_response();
        // What was not read is still on its way; nothing after it can be understood.
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        response
    };
    if announced.is_some_and(|length| length > longest) {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
    }
    let kibibytes = u32::try_from(announced.unwrap_or(longest).div_ceil(1024)).unwrap_or(u32::MAX);
    let Ok(_held) = budget.0.clone().try_acquire_many_owned(kibibytes) else {
        return Failure::unavailable("the budget for bodies is used up").into_answer().into_response();
    };
    match timeout(BODY_TIMEOUT, to_bytes(body, longest)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(_)) => refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or broke off"),
        Err(_) => refused(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
    }
}

/// Serves until `stop`, then lets the open requests end.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let most = connections();
    let free = Arc::new(Semaphore::new(most));
    let (stopping, stopped) = watch::channel(false);
    let mut stop = std::pin::pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = free.clone().acquire_owned() => permit,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match (permit, accepted) {
            (Ok(permit), Ok((stream, _))) => {
                let (router, stopped) = (router.clone(), stopped.clone());
                tokio::spawn(async move {
                    converse(stream, router, stopped).await;
                    drop(permit);
                });
            }
            (_, Err(error)) => {
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(100)).await;
            }
            (Err(_), _) => break,
        }
    }
    drop(listener);
    // Nobody listens any more when the last connection has ended.
    let _gone = stopping.send(true);
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    if timeout(FAREWELL, free.acquire_many(all)).await.is_err() {
        eprintln!("stopping with requests open that did not end in {} s", FAREWELL.as_secs());
    }
}

/// One connection, HTTP/1 or HTTP/2.
async fn converse(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_TIMEOUT).max_concurrent_streams(32);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // How a connection ends is the client's affair.
        _ = &mut connection => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = sleep(CONNECTION_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ended = timeout(FAREWELL, connection).await;
}

/// Connections at once: as many as the process may open files, less those that it needs for itself.
fn connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).and_then(|line| line.split_whitespace().nth(3));
    let files = files.and_then(|files| files.parse::<usize>().ok());
    files.map_or(FEW_CONNECTIONS, |files| files.saturating_sub(OTHER_FILES).clamp(16, 10_000))
}
