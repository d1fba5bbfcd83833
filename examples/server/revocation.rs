//! What is revoked: `/crl` and `/ocsp`.

use std::thread::sleep;
use std::time::{Duration, Instant};

use mdm_core::ca::{Authority, CertificateRecord, CrlScope, GenerationId, Profile};
use mdm_core::crypto::PublicKey;
use mdm_core::x509::SerialNumber;
use mdm_core::x509::ocsp::{ErrorStatus, LIMITS, Request};

use crate::authority;
use crate::failure::{Answer, Failure, again};
use crate::host::{Host, now};
use crate::kept::AUTHORITY;
use crate::records::{keep_ca, stale_marks};
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

/// How long a list is waited for that another thread or node is making.
const MAKING: Duration = Duration::from_secs(30);

/// The list of the key in use, or of an earlier one: the published list, or a new one when something was revoked since or half of its
/// time is over.
pub fn current_crl(host: &Host, generation: Option<GenerationId>) -> Result<Vec<u8>, Failure> {
    let until = Instant::now() + MAKING;
    while Instant::now() < until {
        let (scope, published) = host.store.read(|view| published(view, generation))?;
        if let Some(der) = published {
            return Ok(der);
        }
        // One list at a time; everything else goes on beside it. Two that are made at once would each take the other's plan away.
        if let Some(_alone) = host.store.lease(&crl_name(&scope))? {
            return match host.store.read(|view| self::published(view, generation))? {
                (_, Some(der)) => Ok(der),
                (scope, None) => again(|| make_crl(host, &scope)),
            };
        }
        sleep(Duration::from_millis(50));
    }
    Err(Failure::unavailable(format!("the revocation list is not there after {} s", MAKING.as_secs())))
}

/// Which list it is, and the one that is published unless it is out of date.
fn published(view: &View<'_>, generation: Option<GenerationId>) -> Result<(CrlScope, Option<Vec<u8>>), Failure> {
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
    let stale = half_over || !view.links(&stale_marks(&scope))?.is_empty();
    let published = if stale { None } else { view.secret(&crl_name(&scope))? };
    Ok((scope, published))
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
    let (entries, marks, key) = host.store.read(|view| {
        let mut entries = Vec::new();
        view.each(AUTHORITY, |record: CertificateRecord| {
            entries.extend(record.crl_entry(scope, previous));
            Ok::<_, Failure>(())
        })?;
        let key = host.keys.of(view, &public_key(&planned, scope)?)?;
        Ok::<_, Failure>((entries, view.links(&stale_marks(scope))?, key))
    })?;
    let issued = planned.crl(scope, entries, &host.provider)?.sign_with(&*key)?;
    let der = issued.crl.as_der().to_vec();
    host.store.decide(|batch| {
        keep_ca(host, batch, &issued.change)?;
        batch.put_secret(&crl_name(scope), &der)?;
        marks.iter().try_for_each(|(place, mark)| batch.unlink(&stale_marks(scope), place, mark))?;
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

/// The answer, signed by whom the authority has for that: its responder, or the very key that issued.
fn answer(host: &Host, request: &Request) -> Result<Vec<u8>, Failure> {
    host.store.read(|view| {
        let responder = authority::load(view)?.responder(&host.provider)?;
        let mut fault = None;
        let find = |serial: &SerialNumber| {
            let found = view.load::<CertificateRecord>(&serial.to_string());
            found.map_err(|error| fault = Some(error)).ok().flatten()
        };
        let unsigned = responder.answer(request, find, now(), &host.provider);
        // Better no answer than one that is not known to be right.
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        let unsigned = unsigned?;
        let key = host.keys.of(view, unsigned.public_key())?;
        Ok(unsigned.sign_with(&*key)?.as_der().to_vec())
    })
}
