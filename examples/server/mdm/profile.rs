//! `GET /enroll`: a profile that gives a device its identity over SCEP and hands it to this server.

use mdm_core::crypto::DigestAlgorithm;
use mdm_core::id::TenantId;
use mdm_core::profile::{Enrollment, Rights, ScepIdentity, ScepOptions};

use crate::authority;
use crate::failure::{Answer, Failure};
use crate::host::Host;
use crate::kept::AUTHORITY;
use crate::push;
use crate::scep::challenge::{self, Ingredients};
use crate::scep::source;
use crate::store::Batch;
use crate::tenant::{self, ChallengePolicy};

/// `GET /enroll`
pub fn enroll(host: &Host, tenant: &TenantId, common_name: Option<String>) -> Result<Answer, Failure> {
    let settings = host.store.read(|view| tenant::load(view, tenant.as_str()))?;
    let bound = *settings.challenge(&host.config.challenge) == ChallengePolicy::Bound;
    if bound && common_name.is_none() {
        return Err(Failure::bad_request("the challenge is bound to a name: ?name=NAME"));
    }
    let scep_url = format!("{}{}/scep", host.config.url, settings.path());
    let made = source::fetch(host, &settings, &scep_url, &identifier(tenant))?;
    let with = Ingredients { common_name, made };
    let body = host.store.decide(|batch| make(host, batch, tenant, &with))?;
    Ok(Answer::ok("application/x-apple-aspen-config", body))
}

/// The profile, with a challenge of its own when the tenant's settings say so.
pub fn make(host: &Host, batch: &mut Batch<'_>, tenant: &TenantId, with: &Ingredients) -> Result<Vec<u8>, Failure> {
    let tenant = tenant::load(batch, tenant.as_str())?;
    let topic = push::certificate::topics(batch, &tenant.id)?.into_iter().next();
    let topic = topic.ok_or_else(|| Failure::conflict("the tenant has no push certificate"))?;
    let authority = authority::load(batch)?;
    let url = format!("{}{}", host.config.url, tenant.path());
    // Apple's client tells MD5 from SHA-1 by the length and, as far as is known, takes no other.
    let fingerprint = authority.certificate()?.fingerprint(&host.provider, DigestAlgorithm::Sha1);
    let enrollment = Enrollment {
        identifier: identifier(&tenant.id),
        display_name: "Enrollment".into(),
        organization: Some("Example".into()),
        scep: ScepIdentity {
            url: format!("{url}/scep"),
            name: Some(AUTHORITY.into()),
            challenge: challenge::for_profile(host, batch, &tenant, with)?,
            subject: vec![("CN".into(), with.common_name.clone().unwrap_or_else(|| "%HardwareUUID%".into()))],
            key_size: 2048,
            // The certificate of the server behind this one is not known here.
            ca_fingerprint: tenant.scep.upstream.is_none().then(|| fingerprint.as_ref().to_vec()),
            options: ScepOptions::default(),
        },
        topic: topic.as_str().into(),
        server_url: format!("{url}/mdm"),
        check_in_url: None,
        // A real host asks for those rights that it needs.
        access_rights: Some(Rights::ALL),
        trusted_roots: Vec::new(),
    };
    let random = || host.provider.random_bytes::<16>();
    enrollment.profile([random()?, random()?, random()?]).to_xml().map_err(Failure::internal)
}

fn identifier(tenant: &TenantId) -> String {
    format!("com.example.mdm.{tenant}")
}
