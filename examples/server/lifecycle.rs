//! The authority's own life: its certificates, renewal, notices, backup and restore, certificates for other programs.

use std::path::Path;

use mdm_core::ca::{Attention, Authority, GenerationId, Holder, IssuanceRequest, Profile, Renewal, RenewalState, Settings};
use mdm_core::crypto::{KeyKind, Legacy, SigningKey as _};
use mdm_core::keystore::{Policy, Protection};
use mdm_core::secret::Secret;
use mdm_core::x509::{Certificate, Csr};
use serde_json::{Value, json};

use crate::authority;
use crate::failure::{Answer, Failure};
use crate::host::{Host, now};
use crate::records::keep_ca;
use crate::revocation;
use crate::store::Batch;

/// `GET /ca.pem` and `GET /ca/{generation}.pem`
pub fn ca_pem(host: &Host, generation: Option<u32>) -> Result<Answer, Failure> {
    let authority = host.store.read(authority::load)?;
    let certificate = match generation {
        None => authority.certificate()?,
        Some(number) => {
            let found = authority.generation(GenerationId::from(number));
            &found.map_err(|_| Failure::not_found("the authority has no such generation"))?.certificate
        }
    };
    Ok(Answer::ok("application/x-pem-file", certificate.to_pem()))
}

/// `GET /admin/authority`
pub fn describe(host: &Host) -> Result<Value, Failure> {
    let authority = host.store.read(authority::load)?;
    let active = authority.active()?.id;
    let certificate = |certificate: &Certificate| {
        json!({
            "subject": certificate.subject().to_string(),
            "serial": certificate.serial().to_string(),
            "notBefore": certificate.validity().not_before.to_string(),
            "notAfter": certificate.validity().not_after.to_string(),
        })
    };
    let generations = authority.generations().iter().map(|generation| {
        json!({
            "generation": generation.id.get(),
            "key": generation.key.as_str(),
            "active": generation.id == active,
            "certificate": certificate(&generation.certificate),
        })
    });
    let services = authority.services().iter().map(
        |service| json!({ "service": format!("{:?}", service.service), "certificate": certificate(&service.certificate) }),
    );
    let crls = authority.crl_scopes().into_iter().filter_map(|scope| {
        let last = authority.last_crl(&scope)?;
        Some(json!({
            "key": scope.key.as_str(),
            "number": last.number.get(),
            "thisUpdate": last.this_update.to_string(),
            "nextUpdate": last.next_update.to_string(),
        }))
    });
    let next =
        authority.next().map(|next| json!({ "generation": next.id().get(), "certificate": certificate(next.certificate()) }));
    let renewal = authority.renewal().map(|renewal| match renewal {
        RenewalState::Running(generation) => json!({ "state": "Running", "generation": generation.get() }),
        RenewalState::Ahead(generation) => json!({ "state": "Ahead", "generation": generation.get() }),
        RenewalState::Failed(generation) => json!({ "state": "Failed", "generation": generation.get() }),
        _ => json!({ "state": "Unknown" }),
    });
    Ok(json!({
        "id": authority.id().as_str(),
        "generations": generations.collect::<Vec<_>>(),
        "services": services.collect::<Vec<_>>(),
        "crls": crls.collect::<Vec<_>>(),
        "renewal": renewal,
        "next": next,
        "noticeDays": authority.settings().notice_days,
    }))
}

/// `POST /admin/authority/renew`: ten more years, with the same key unless a new one is wanted. Should signing fail, the renewal is
/// given up, and no other begins before an operator has acknowledged that. Made ahead, the new certificate is announced to SCEP clients
/// and not used before [`succeed`].
pub fn renew(host: &Host, new_key: bool, ahead: bool) -> Result<Value, Failure> {
    host.store.decide(|batch| {
        let key = if new_key { Some(host.keys.make(batch, KeyKind::Rsa(2048))?.as_ref().public_key().clone()) } else { None };
        let renewal = Renewal { key, ahead, ..Renewal::default() };
        let started = authority::load(batch)?.renew(&renewal, now(), &host.provider).map_err(Failure::conflict)?;
        keep_ca(host, batch, &started)
    })?;
    if let Err(failure) = authority::sign_own(host) {
        give_up(host)?;
        return Err(failure);
    }
    if ahead {
        eprintln!("audit: the authority's next certificate was made");
        return describe(host);
    }
    eprintln!("audit: the authority was renewed");
    renewed(host)
}

/// The authority after a renewal, and what an operator must look at now.
fn renewed(host: &Host) -> Result<Value, Failure> {
    let look_at: Vec<String> = Attention::ALL.iter().map(ToString::to_string).collect();
    let mut described = describe(host)?;
    described["lookAt"] = json!(look_at);
    Ok(described)
}

fn give_up(host: &Host) -> Result<(), Failure> {
    host.store.decide(|batch| {
        let failed = authority::load(batch)?.renewal_failed(now()).map_err(Failure::conflict)?;
        keep_ca(host, batch, &failed)
    })
}

/// `POST /admin/authority/succeed`: the certificate that was made ahead comes into use.
pub fn succeed(host: &Host) -> Result<Value, Failure> {
    host.store.decide(|batch| {
        let succeeded = authority::load(batch)?.succeed(now()).map_err(Failure::conflict)?;
        keep_ca(host, batch, &succeeded)
    })?;
    eprintln!("audit: the authority's next certificate is in use");
    // Certificates of services that were made with it may be short-lived.
    look_after(host)?;
    renewed(host)
}

/// `POST /admin/authority/abandon`: a renewal that is not wanted, or cannot be finished, is given up.
pub fn abandon(host: &Host) -> Result<Value, Failure> {
    give_up(host)?;
    describe(host)
}

/// `PUT /admin/authority/settings`: how many days before its end the operator is told.
pub fn set_notice_days(host: &Host, days: u32) -> Result<Value, Failure> {
    host.store.decide(|batch| {
        let authority = authority::load(batch)?;
        let settings = Settings { notice_days: days, ..authority.settings().clone() };
        let configured = authority.configure(settings, now()).map_err(Failure::conflict)?;
        keep_ca(host, batch, &configured)?;
        batch.log(format!("audit: the authority's end is told {days} days before"));
        Ok::<_, Failure>(())
    })?;
    look_after(host)?;
    describe(host)
}

/// `POST /admin/authority/acknowledge`
pub fn acknowledge(host: &Host) -> Result<Value, Failure> {
    host.store.decide(|batch| {
        let acknowledged = authority::load(batch)?.acknowledge_renewal(now()).map_err(Failure::conflict)?;
        keep_ca(host, batch, &acknowledged)
    })?;
    describe(host)
}

/// What the authority needs by the clock: its notices, and the certificates of its services, which are short-lived.
pub fn look_after(host: &Host) -> Result<(), Failure> {
    const RENEWED_BEFORE_DAYS: i64 = 10;
    host.store.decide(|batch| {
        let told = authority::load(batch)?.notices(now())?;
        keep_ca(host, batch, &told)
    })?;
    let authority = host.store.read(authority::load)?;
    for service in authority.services() {
        let end = service.certificate.validity().not_after;
        // What ends with the authority itself is not made longer by another certificate.
        if now().plus_days(RENEWED_BEFORE_DAYS) < end || end >= authority.certificate()?.validity().not_after {
            continue;
        }
        host.store.decide(|batch| {
            let planned = authority::load(batch)?.renew_service(service.service, None, now(), &host.provider)?;
            keep_ca(host, batch, &planned)?;
            batch.log(format!("authority: the certificate for {:?} is renewed", service.service));
            Ok::<_, Failure>(())
        })?;
        authority::sign_own(host)?;
    }
    Ok(())
}

/// `POST /admin/authority/certificates`: a certificate for the request of another program (J11).
pub fn issue(host: &Host, request: &[u8], profile: &str, names: &[String]) -> Result<Answer, Failure> {
    let csr = Csr::from_pem(request).or_else(|_| Csr::from_der(request)).map_err(Failure::bad_request)?;
    let csr = csr.verify(&host.provider, Legacy::NONE).map_err(Failure::bad_request)?;
    let mut profile = match profile {
        "web-server" => Profile::web_server(names.iter().map(String::as_str)),
        "profile-signing" => Profile::profile_signing(),
        _ => return Err(Failure::bad_request("the profile is web-server or profile-signing")),
    };
    let key = csr.public_key().key_bits();
    let transaction = crate::host::hex(host.provider.digest(mdm_core::crypto::DigestAlgorithm::Sha256, key).as_ref());
    let (reserved, key) = host.store.decide(|batch| {
        let authority = authority::load(batch)?;
        revocation::point_to(host, &authority, &mut profile)?;
        let wanted = IssuanceRequest { holder: Holder::default(), ..IssuanceRequest::new(&csr, &transaction, &profile) };
        let reserved = authority.reserve(&wanted, None, now(), &host.provider).map_err(Failure::conflict)?;
        keep_ca(host, batch, reserved.change())?;
        Ok::<_, Failure>((reserved, host.keys.of(batch, authority.certificate()?.public_key())?))
    })?;
    let issued = reserved.sign_with(&*key)?;
    host.store.decide(|batch| authority::keep_issued(host, batch, &issued))?;
    let certificate = issued.record.certificate().ok_or_else(|| Failure::internal("the certificate was not signed"))?;
    eprintln!("audit: issued {} to {} as {}", certificate.serial(), certificate.subject(), profile.name);
    Ok(Answer::ok("application/x-pem-file", certificate.to_pem()))
}

/// `POST /admin/authority/backup`: the authority's keys and certificates under a password, with its record, so that it goes on
/// where it was: no number of a revocation list is used twice, and serial numbers are random.
pub fn backup(host: &Host, password: &str) -> Result<Answer, Failure> {
    let (authority, keys) = host.store.read(|view| {
        let authority = authority::load(view)?;
        let own = authority.generations().iter().map(|generation| &generation.certificate);
        let certificates = own.chain(authority.services().iter().map(|service| &service.certificate));
        let keys =
            certificates.map(|certificate| host.keys.pkcs8(view, certificate.public_key())).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, Failure>((authority, keys))
    })?;
    let pkcs12 = authority.backup(&keys, &Secret::from(password), Protection::default(), now(), &host.provider);
    let pkcs12 = pkcs12.map_err(Failure::conflict)?;
    eprintln!("audit: the authority was backed up");
    Ok(Answer::ok("application/x-pkcs12", pkcs12))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// The secret in a file, without the end of its line.
pub fn read_secret(path: &Path) -> Result<Secret, String> {
    let secret = read(path)?;
    Ok(Secret::from(secret.strip_suffix(b"\n").unwrap_or(&secret)))
}

/// A backup that a new database begins with.
pub struct Backup {
    pkcs12: Vec<u8>,
    password: Secret,
}

impl Backup {
    /// Reads the files.
    pub fn read(backup: &Path, password: &Path) -> Result<Backup, String> {
        Ok(Backup { pkcs12: read(backup)?, password: read_secret(password)? })
    }

    /// Begins with the authority of the backup.
    pub fn restore(&self, host: &Host, batch: &mut Batch<'_>) -> Result<(), Failure> {
        let policy = Policy { max_iterations: 20_000_000, ..Policy::MODERN };
        let restored = Authority::restore(&self.pkcs12, &self.password, &policy, None, None, now(), &host.provider);
        let restored = restored.map_err(|error| Failure::conflict(format!("the backup cannot be restored: {error}")))?;
        restored.keys.iter().try_for_each(|(_, key)| host.keys.keep(batch, key).map(drop))?;
        keep_ca(host, batch, &restored.change)?;
        batch.log(format!("audit: the authority was restored from the backup of {}", restored.taken_at));
        Ok(())
    }
}
