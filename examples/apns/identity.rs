//! TLS: who this server says it is, and who its clients prove to be.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use mdm_core::crypto::{DigestAlgorithm, KeyKind, Provider, SigningKey as _};
use mdm_core::push::Topic;
use mdm_core::time::Timestamp;
use mdm_core::x509::{
    self, Certificate, CertificateTemplate, ExtendedKeyUsage, Extensions, GeneralName, Name, SerialNumber,
    SubjectAlternativeNames, Validity,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, ServerConnection, SignatureScheme};
use serde_json::{Value, json};

use crate::Fail;
use crate::os::Os;

fn provider() -> Provider {
    Provider::rustcrypto(&Os)
}

/// Sixteen random octets; zeros when the system has none, for names only.
pub fn random() -> [u8; 16] {
    provider().random_bytes().unwrap_or_default()
}

/// The TLS settings of a server with a key made just now, and its certificate as PEM.
pub fn server(client_ca: Option<&[u8]>) -> Result<(ServerConfig, String), Fail> {
    let provider = provider();
    let pkcs8 = provider.generate(KeyKind::P256)?;
    let key = provider.load(&pkcs8)?;
    let name = Name::builder().common_name("APNs stand-in").build()?;
    let now = Timestamp::from(std::time::SystemTime::now());
    let names = vec![GeneralName::Dns("localhost".into()), GeneralName::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST))];
    let template = CertificateTemplate {
        serial: SerialNumber::random(provider.random)?,
        issuer: name.clone(),
        subject: name,
        validity: Validity { not_before: now.plus_days(-1), not_after: now.plus_days(30) },
        public_key: key.public_key().clone(),
        extensions: Extensions::new()
            .with(&ExtendedKeyUsage::new(&[x509::oid::SERVER_AUTH]))
            .with(&SubjectAlternativeNames { names }),
        authority_key_identifier: None,
    };
    let certificate = template.to_be_signed(key.public_key(), key.algorithm(), &provider)?.sign_with(&key)?;
    let tls = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(tls.clone())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(client_verifier(client_ca, tls)?);
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.expose().to_vec()));
    let mut config = builder.with_single_cert(vec![CertificateDer::from(certificate.as_der().to_vec())], private)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok((config, certificate.to_pem()))
}

fn client_verifier(client_ca: Option<&[u8]>, tls: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, Fail> {
    let Some(pem) = client_ca else { return Ok(Arc::new(AnyClient(tls.signature_verification_algorithms))) };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls).build()?)
}

/// Takes every certificate whose key the client holds.
#[derive(Debug)]
struct AnyClient(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Whose certificate opened a connection.
pub struct Client {
    /// The topic that the certificate is for.
    pub topic: String,
    /// Its serial number.
    pub serial: String,
    sha256: String,
}

impl Client {
    /// The certificate that the handshake of this connection showed.
    pub fn of(connection: &ServerConnection) -> Result<Client, Fail> {
        let shown = connection.peer_certificates().and_then(|chain| chain.first()).ok_or("the client showed no certificate")?;
        let certificate = Certificate::from_der(shown)?;
        let digest = certificate.fingerprint(&provider(), DigestAlgorithm::Sha256);
        Ok(Client {
            topic: Topic::of_subject(certificate.subject())?.to_string(),
            serial: certificate.serial().to_string(),
            sha256: digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect(),
        })
    }

    /// As the control port shows it.
    pub fn describe(&self) -> Value {
        json!({ "topic": self.topic, "serial": self.serial, "sha256": self.sha256 })
    }
}
