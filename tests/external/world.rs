//! A root, an authority under it, a device's request, and a stranger with an authority of the same name.

use std::sync::OnceLock;

use mdm_core::ca::Holder;
use mdm_core::crypto::{KeyKind, Provider, PublicKey, SigningKey, SoftwareKey};
use mdm_core::external::{Issued, Order, Trust};
use mdm_core::time::Timestamp;
use mdm_core::x509::{
    BasicConstraints, Certificate, CertificateTemplate, Csr, CsrTemplate, Extensions, KeyUsage, Name, SerialNumber, Validity,
};

use crate::support;

/// 2026-11-21.
pub const NOW: Timestamp = Timestamp::from_unix(1_795_219_200);

pub struct World {
    pub provider: Provider,
    pub root: Certificate,
    pub authority: Certificate,
    authority_key: SoftwareKey,
    pub csr: Csr,
    pub device: Certificate,
    pub other_csr: Csr,
    /// For the device's key, by a stranger's authority of the same name.
    pub forged: Certificate,
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::new(support::providers()[0].1))
}

fn name(common_name: &str) -> Name {
    Name::builder().organization("Example").common_name(common_name).build().unwrap()
}

pub fn validity() -> Validity {
    Validity { not_before: NOW.plus_days(-1), not_after: NOW.plus_days(100) }
}

fn sign(template: &CertificateTemplate, key: &SoftwareKey, provider: &Provider) -> Certificate {
    let to_be_signed = template.to_be_signed(SigningKey::public_key(key), key.algorithm(), provider);
    to_be_signed.unwrap().sign_with(key).unwrap()
}

fn authority(
    provider: &Provider,
    subject: &str,
    key: &SoftwareKey,
    above: Option<(&Certificate, &SoftwareKey)>,
) -> Certificate {
    let (issuer, signer) = match above {
        Some((issuer, signer)) => (issuer.subject().clone(), signer),
        None => (name(subject), key),
    };
    let usage = KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN;
    let template = CertificateTemplate {
        serial: SerialNumber::random(provider.random).unwrap(),
        issuer,
        subject: name(subject),
        validity: Validity { not_before: NOW.plus_days(-1000), not_after: NOW.plus_days(1000) },
        public_key: SigningKey::public_key(key).clone(),
        extensions: Extensions::new().with(&BasicConstraints::authority(None)).with(&usage),
        authority_key_identifier: None,
    };
    sign(&template, signer, provider)
}

impl World {
    fn new(provider: Provider) -> Self {
        let key = || provider.load(&provider.generate(KeyKind::P256).unwrap()).unwrap();
        let (root_key, authority_key, device_key, other_key, forger_key) = (key(), key(), key(), key(), key());
        let root = authority(&provider, "Root", &root_key, None);
        let issuing = authority(&provider, "Issuing", &authority_key, Some((&root, &root_key)));
        let forger = authority(&provider, "Issuing", &forger_key, None);
        let csr = |key: &SoftwareKey| {
            let template = CsrTemplate::new(name("iPhone"), SigningKey::public_key(key).clone());
            template.to_be_signed(key.algorithm(), &provider).unwrap().sign_with(key).unwrap()
        };
        let device_public = SigningKey::public_key(&device_key);
        World {
            device: leaf(&provider, &issuing, &authority_key, device_public, validity(), false),
            forged: leaf(&provider, &forger, &forger_key, device_public, validity(), false),
            csr: csr(&device_key),
            other_csr: csr(&other_key),
            root,
            authority: issuing,
            authority_key,
            provider,
        }
    }

    pub fn trust(&self) -> Trust {
        Trust::new(vec![self.root.clone()]).unwrap()
    }

    /// Another certificate for the device's key.
    pub fn issue(&self, validity: Validity, is_authority: bool) -> Certificate {
        leaf(&self.provider, &self.authority, &self.authority_key, self.csr.public_key(), validity, is_authority)
    }

    /// Certificate and authority, as a vendor delivers them.
    pub fn chain_pem(&self) -> String {
        format!("{}{}{}", self.device.to_pem(), self.authority.to_pem(), self.root.to_pem())
    }

    pub fn issued(&self) -> Issued {
        let delivered = [self.device.clone(), self.authority.clone()];
        self.trust().expecting(&self.csr, NOW, &self.provider).accept(&delivered).unwrap()
    }

    pub fn order(&self) -> Order {
        Order {
            id: "request-1".into(),
            authority: "venafi".into(),
            csr: self.csr.clone(),
            holder: Holder { device_name: Some("iPhone".into()), ..Holder::default() },
            repeatable: false,
            can_withdraw: true,
        }
    }
}

fn leaf(
    provider: &Provider,
    issuer: &Certificate,
    issuer_key: &SoftwareKey,
    key: &PublicKey,
    validity: Validity,
    is_authority: bool,
) -> Certificate {
    let serial = SerialNumber::random(provider.random).unwrap();
    let mut template = CertificateTemplate::under(issuer, serial, name("iPhone"), validity, key.clone());
    template.extensions = match is_authority {
        true => Extensions::new().with(&BasicConstraints::authority(None)).with(&KeyUsage::KEY_CERT_SIGN),
        false => Extensions::new().with(&KeyUsage::DIGITAL_SIGNATURE),
    };
    sign(&template, issuer_key, provider)
}
