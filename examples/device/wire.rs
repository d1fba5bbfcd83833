//! HTTP: messages, the nodes of a server, connections that break off, and patience with a server that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, Url};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::Result;
use crate::tally::{Error, Tally};

/// A request.
#[derive(Clone)]
pub struct Message {
    /// What it is, for the table.
    pub kind: &'static str,
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Where a connection breaks off.
#[derive(Clone, Copy)]
pub enum Break {
    /// In the middle of the body.
    InBody,
    /// Behind the request; nobody hears the answer.
    BeforeAnswer,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The server is away, or the connection was lost.
    Lost(String),
    /// The server asks to come again: 5xx.
    Busy(u16),
    /// The server has refused: 4xx.
    Refused(u16, String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Lost(why) => write!(f, "the server is away: {why}"),
            Trouble::Busy(status) => write!(f, "the server did not get to it: HTTP {status}"),
            Trouble::Refused(status, why) => write!(f, "refused with HTTP {status}: {why}"),
        }
    }
}

impl std::error::Error for Trouble {}

/// The network, as every device uses it.
#[derive(Clone)]
pub struct Wire {
    client: Client,
    tally: Arc<Tally>,
    patience: Duration,
    nodes: Arc<Nodes>,
}

/// The nodes of the server, and whose turn it is.
struct Nodes(Vec<Url>, AtomicUsize);

impl Nodes {
    /// Where a message to one of the nodes goes this time; what is elsewhere stays.
    fn turn(&self, url: &Url) -> Url {
        let is_it = |node: &Url| (node.host(), node.port_or_known_default()) == (url.host(), url.port_or_known_default());
        if !self.0.iter().any(is_it) {
            return url.clone();
        }
        let turn = self.1.fetch_add(1, Ordering::Relaxed) % self.0.len();
        let mut there = self.0[turn].clone();
        there.set_path(url.path());
        there.set_query(url.query());
        there
    }
}

/// Waits between attempts: they double, up to two seconds, until patience is at its end.
pub struct Patience {
    until: Instant,
    wait: Duration,
}

impl Patience {
    /// Waits after an attempt that may go better the next time.
    ///
    /// # Errors
    /// The trouble itself, when it does not pass or patience is at its end.
    pub async fn after(&mut self, trouble: Trouble) -> std::result::Result<(), Trouble> {
        if matches!(trouble, Trouble::Refused(..)) || Instant::now() >= self.until {
            return Err(trouble);
        }
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(Duration::from_secs(2));
        Ok(())
    }
}

impl Wire {
    /// A network that counts.
    pub fn new(tally: Arc<Tally>, patience: Duration, nodes: Vec<Url>) -> Result<Wire> {
        // reqwest wants to know one before it makes any client, also one that speaks plain HTTP. It is there only once, and may be
        // there already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?;
        Ok(Wire { client, tally, patience, nodes: Arc::new(Nodes(nodes, AtomicUsize::new(0))) })
    }

    /// A fresh stock of patience.
    pub fn patience(&self) -> Patience {
        Patience { until: Instant::now() + self.patience, wait: Duration::from_millis(50) }
    }

    /// Sends a message until it is answered.
    ///
    /// # Errors
    /// [`Trouble`] that does not pass.
    pub async fn send(&self, message: &Message) -> std::result::Result<Vec<u8>, Trouble> {
        let mut patience = self.patience();
        loop {
            match self.once(message).await {
                Ok(body) => return Ok(body),
                Err(trouble) => patience.after(trouble).await?,
            }
        }
    }

    /// Sends a message once.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn once(&self, message: &Message) -> std::result::Result<Vec<u8>, Trouble> {
        let begun = Instant::now();
        let outcome = self.exchange(message).await;
        match &outcome {
            Ok(_) => self.tally.answered(message.kind, begun.elapsed()),
            Err(Trouble::Lost(_)) => self.tally.failed(message.kind, Error::Lost),
            Err(Trouble::Busy(_)) => self.tally.failed(message.kind, Error::Busy),
            Err(Trouble::Refused(..)) => self.tally.failed(message.kind, Error::Refused),
        }
        outcome
    }

    async fn exchange(&self, message: &Message) -> std::result::Result<Vec<u8>, Trouble> {
        let lost = |error: reqwest::Error| Trouble::Lost(error.to_string());
        let mut request = self.client.request(message.method.clone(), self.nodes.turn(&message.url)).body(message.body.clone());
        for (name, value) in &message.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let body = response.bytes().await.map_err(lost)?;
        match status.as_u16() {
            200..=299 => Ok(body.to_vec()),
            status @ 500.. => Err(Trouble::Busy(status)),
            status => Err(Trouble::Refused(status, String::from_utf8_lossy(&body).trim().chars().take(200).collect())),
        }
    }

    /// Sends a message over a connection of its own and breaks off. A server that is away at that moment is no matter: the device
    /// does not know either.
    pub async fn break_off(&self, message: &Message, at: Break) {
        if let Err(error) = self.try_break_off(message, at).await {
            self.tally.failed(message.kind, Error::Lost);
            eprintln!("device: {} was lost before it broke off: {error}", message.kind);
        }
    }

    async fn try_break_off(&self, message: &Message, at: Break) -> std::io::Result<()> {
        let url = self.nodes.turn(&message.url);
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}:{port}\r\n", message.method, url.path());
        for (name, value) in &message.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", message.body.len());
        let sent = match at {
            Break::InBody => message.body.get(..message.body.len() / 2).unwrap_or_default(),
            Break::BeforeAnswer => &message.body,
        };
        let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(sent).await?;
        stream.flush().await
    }
}
