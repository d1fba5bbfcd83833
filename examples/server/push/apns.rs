//! The connections to APNs: HTTP/2 over TLS, one for each push certificate, shown as the client's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::uri::Authority;
use mdm_core::push::{Answer, PushCertificate, Route, Wake};
use mdm_core::x509::SerialNumber;
use reqwest::{Certificate, Client, Identity};

use super::certificate;
use crate::failure::Failure;
use crate::host::Host;
use crate::store::{View, causes};

/// Where pushes go.
pub struct Apns {
    /// Another APNs than Apple's.
    authority: Option<Authority>,
    roots: Vec<Certificate>,
    connections: Mutex<HashMap<Route, Client>>,
}

/// Apple's answers are below 100 bytes; of a longer one no more is read.
const MAX_ANSWER: usize = 8192;

impl Apns {
    /// `url` is another APNs than Apple's; `roots` are the authorities that its certificate must come from, as PEM.
    pub fn new(url: Option<&str>, roots: &[u8]) -> Result<Apns, String> {
        let authority = url.map(|url| {
            let uri: http::Uri = url.parse().map_err(|error| format!("--apns {url}: {error}"))?;
            match (uri.scheme_str(), uri.authority()) {
                (Some("https"), Some(authority)) => Ok(authority.clone()),
                _ => Err(format!("--apns {url}: APNs is spoken to over https")),
            }
        });
        let roots = Certificate::from_pem_bundle(roots).map_err(|error| format!("--apns-ca: {error}"))?;
        if roots.is_empty() {
            return Err("--apns-ca: the file has no certificate".into());
        }
        Ok(Apns { authority: authority.transpose()?, roots, connections: Mutex::default() })
    }

    /// Sends a push over the connection of its route. Whatever goes wrong on the way is an answer too: try again.
    pub async fn send(&self, host: &Arc<Host>, wake: &Wake) -> Answer {
        match self.try_send(host, wake).await {
            Ok(answer) => answer,
            Err(failure) => {
                eprintln!("push: {}", failure.log);
                Answer::from_goaway(&[])
            }
        }
    }

    async fn try_send(&self, host: &Arc<Host>, wake: &Wake) -> Result<Answer, Failure> {
        let connection = match self.open(wake.route()) {
            Some(connection) => connection,
            None => self.connect(host, wake.route()).await?,
        };
        let request = match &self.authority {
            Some(authority) => wake.request_to(authority),
            None => wake.request(),
        };
        let request = reqwest::Request::try_from(request).map_err(Failure::internal)?;
        let mut response = connection.execute(request).await.map_err(|error| Failure::upstream(causes(&error)))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| Failure::upstream(causes(&error)))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                break;
            }
        }
        Ok(Answer::from_parts(response.status(), response.headers(), &body))
    }

    fn open(&self, route: &Route) -> Option<Client> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).get(route).cloned()
    }

    /// A client that shows the certificate which the route names, and no other.
    async fn connect(&self, host: &Arc<Host>, route: &Route) -> Result<Client, Failure> {
        let (reading, wanted) = (host.clone(), route.clone());
        let identity = tokio::task::spawn_blocking(move || identity(&reading, &wanted)).await.map_err(Failure::internal)??;
        let mut builder = Client::builder()
            .use_rustls_tls()
            .https_only(true)
            .http2_prior_knowledge()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .identity(identity);
        for root in &self.roots {
            builder = builder.add_root_certificate(root.clone());
        }
        let client = builder.build().map_err(|error| Failure::internal(causes(&error)))?;
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).insert(route.clone(), client.clone());
        Ok(client)
    }

    /// Closes the connections that were opened with this certificate, once their pushes are answered.
    pub fn close(&self, serial: &SerialNumber) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).retain(|route, _| route.serial != *serial);
    }

    /// Closes those whose certificate has gone out of use at another node.
    pub fn close_unused(&self, host: &Host) -> Result<(), Failure> {
        let open: Vec<Route> = self.connections.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for route in open {
            if host.store.read(|view| in_use(view, &route))?.is_none() {
                self.close(&route.serial);
            }
        }
        Ok(())
    }
}

/// The push certificate of a route, unless it has gone out of use.
fn in_use(view: &View<'_>, route: &Route) -> Result<Option<PushCertificate>, Failure> {
    let mine = view.list_open::<PushCertificate>(route.tenant.as_str())?;
    let is_it = |found: &PushCertificate| found.installed().is_some_and(|installed| installed.serial == route.serial);
    Ok(mine.into_iter().find(is_it))
}

/// Certificate and key of a route, as a TLS library takes them.
fn identity(host: &Host, route: &Route) -> Result<Identity, Failure> {
    host.store.read(|view| {
        let record = in_use(view, route)?.ok_or_else(|| Failure::internal("the push certificate is not in use any more"))?;
        let certificate =
            certificate::pem(view, &record)?.ok_or_else(|| Failure::internal("the push certificate is not stored"))?;
        let key = host.keys.pkcs8(view, record.public_key())?;
        let pem = [certificate.into_bytes(), pkcs8_pem(key.expose())].concat();
        Identity::from_pem(&pem).map_err(|error| Failure::internal(causes(&error)))
    })
}

fn pkcs8_pem(der: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n").into_bytes()
}
