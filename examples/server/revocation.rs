//! What is revoked: `/crl` and `/ocsp`.

use std::sync::PoisonError;

use mdm_core::ca::{Authority, CertificateRecord, CrlScope, GenerationId, Profile, Service};
use mdm_core::crypto::{PublicKey, SigningKey as _};
use mdm_core::x509::ocsp::{ErrorStatus, Issuer, LIMITS, Request, ResponderId, ResponseTemplate, Status};
use mdm_core::x509::{Certificate, KeyIdentifier, SerialNumber};

use crate::authority::{self, AUTHORITY};
use crate::failure::{Answer, Failure};
use crate::host::{Host, now};
use crate::records::{keep_ca, stale_mark};
use crate::store::View;

/// Says in certificates where to ask about them: over plain HTTP, as everybody expects, since the answers are signed.
pub fn point_to(host: &Host, authority: &Authority, profile: &mut Profile) -> Result<(), Failure> {
    let url = &host.config.url;
    profile.crl_uris = vec![format!("{url}/crl/{}", authority.active()?.id)];
    profile.ocsp_uris = vec![format!("{url}/ocsp")];
    Ok(())
}

/// `GET /crl` and `GET /crl/{generation}`
pub fn crl(host: &Host, generation: Option<u32>) -> Result<Answer, Failure> {
    Ok(Answer::ok("application/pkix-crl", current_crl(host, generation.map(GenerationId::from))?))
}

/// The list of the key in use, or of an earlier one: the stored list, or a new one when something was revoked since or half of its
/// time is over.
pub fn current_crl(host: &Host, generation: Option<GenerationId>) -> Result<Vec<u8>, Failure> {
    // One list at a time; everything else goes on beside it.
    let _one_at_a_time = host.making_crl.lock().unwrap_or_else(PoisonError::into_inner);
    let (scope, stored) = host.store.read(|view| {
        let authority = authority::load(view)?;
        let generation = match generation {
            Some(id) => authority.generation(id).map_err(|_| Failure::not_found("the authority has no such generation"))?,
            None => authority.active()?,
        };
        let scope = CrlScope::full(generation.key.clone());
        let half_over = authority.last_crl(&scope).is_none_or(|last| {
            let lifetime = last.next_update.seconds_since(last.this_update);
            now() > last.this_update.plus_seconds(lifetime / 2)
        });
        let stale = half_over || view.secret(&stale_mark(&scope))?.is_some();
        let stored = if stale { None } else { view.secret(&crl_name(&scope))? };
        Ok::<_, Failure>((scope, stored))
    })?;
    match stored {
        Some(der) => Ok(der),
        None => make_crl(host, &scope),
    }
}

fn crl_name(scope: &CrlScope) -> String {
    format!("crl {}", scope.key)
}

/// Plans a list, which spends its number; then signs it; then publishes it.
fn make_crl(host: &Host, scope: &CrlScope) -> Result<Vec<u8>, Failure> {
    let planned = host.store.decide(|batch| {
        let planned = authority::load(batch)?.plan_crl(scope, now())?;
        keep_ca(host, batch, &planned)?;
        Ok::<_, Failure>(planned.record)
    })?;
    let previous = planned.last_crl(scope).map(|last| last.this_update);
    // What is revoked from here on sets another mark, and comes on the next list.
    let (entries, mark, key) = host.store.read(|view| {
        let mut entries = Vec::new();
        view.each(AUTHORITY, |record: CertificateRecord| {
            entries.extend(record.crl_entry(scope, previous));
            Ok::<_, Failure>(())
        })?;
        let key = host.keys.of(view, &public_key(&planned, scope)?)?;
        Ok::<_, Failure>((entries, view.secret(&stale_mark(scope))?, key))
    })?;
    let issued = planned.crl(scope, entries, &host.provider)?.sign_with(&*key)?;
    let der = issued.crl.as_der().to_vec();
    host.store.decide(|batch| {
        keep_ca(host, batch, &issued.change)?;
        batch.put_secret(&crl_name(scope), &der)?;
        if let Some(mark) = &mark {
            batch.remove_secret(&stale_mark(scope), mark)?;
        }
        Ok::<_, Failure>(())
    })?;
    Ok(der)
}

fn public_key(authority: &Authority, scope: &CrlScope) -> Result<PublicKey, Failure> {
    let found = authority.generations().iter().find(|generation| generation.key == scope.key);
    found.map(|found| found.certificate.public_key().clone()).ok_or_else(|| Failure::not_found("the authority has no such key"))
}

/// `POST /ocsp`
pub fn ocsp_post(host: &Host, body: &[u8]) -> Result<Answer, Failure> {
    ocsp(host, Request::from_der(body, &LIMITS))
}

/// `GET /ocsp/{request}`
pub fn ocsp_get(host: &Host, path: &str) -> Result<Answer, Failure> {
    ocsp(host, Request::from_path(path, &LIMITS))
}

fn ocsp(host: &Host, request: Result<Request, mdm_core::x509::Error>) -> Result<Answer, Failure> {
    let body = match request {
        Ok(request) => answer(host, &request)?,
        // Errors are not signed (RFC 6960 section 2.3).
        Err(error) => ErrorStatus::of(&error).to_der(),
    };
    Ok(Answer::ok("application/ocsp-response", body))
}

/// For how long an answer holds, in seconds.
const GOOD_FOR: i64 = 4 * 3_600;

/// The answer, signed by the responder of the authority; about certificates of an earlier key by that key itself.
fn answer(host: &Host, request: &Request) -> Result<Vec<u8>, Failure> {
    host.store.read(|view| {
        let authority = authority::load(view)?;
        let asked = |certificate: &Certificate| {
            let issuer = Issuer::of(certificate, &host.provider);
            request.ids().iter().any(|id| id.is_under(&issuer)).then_some(issuer)
        };
        let generations = authority.generations().iter().rev();
        let Some((generation, issuer)) = generations.into_iter().find_map(|found| Some((found, asked(&found.certificate)?)))
        else {
            return Ok(ErrorStatus::Unauthorized.to_der());
        };
        let delegated = authority::service(&authority, Service::Ocsp).ok();
        let delegated = delegated.filter(|_| authority.active().is_ok_and(|active| active.key == generation.key));
        let responder = delegated.unwrap_or(&generation.certificate);
        let key = host.keys.of(view, responder.public_key())?;
        let mut fault = None;
        let status = |serial: &SerialNumber| {
            status_of(view, serial).unwrap_or_else(|error| {
                fault = Some(error);
                Status::Unknown
            })
        };
        let id = ResponderId::Key(KeyIdentifier::of(responder.public_key(), &host.provider));
        let mut template = ResponseTemplate::answering(request, &issuer, id, now(), now().plus_seconds(GOOD_FOR), status);
        template.certificate = delegated.cloned();
        match fault {
            // Better no answer than one that is not known to be right.
            Some(fault) => Err(fault),
            None => {
                let unsigned = template.to_be_signed(responder.public_key(), key.algorithm(), &host.provider);
                Ok(unsigned.map_err(Failure::internal)?.sign_with(&*key)?.as_der().to_vec())
            }
        }
    })
}

/// What the records say of a serial number. One that was never issued is never good.
fn status_of(view: &View<'_>, serial: &SerialNumber) -> Result<Status, Failure> {
    let Some(record) = view.load::<CertificateRecord>(&serial.to_string())? else { return Ok(Status::Unknown) };
    Ok(match record.revocation() {
        Some(revocation) => Status::Revoked { at: revocation.at, reason: revocation.reason },
        None if record.certificate().is_some() => Status::Good,
        None => Status::Unknown,
    })
}
