//! Certificates: lists, exports, revocation.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use mdm_core::ca::{CertificateRecord, Export, ExportFormat, Inventory, Row, State as Standing, Status};
use mdm_core::record::Change;
use mdm_core::time::Timestamp;
use mdm_core::x509::RevocationReason;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::authority::revocation_moment;
use crate::failure::{Answer, Failure};
use crate::host::{Host, now};
use crate::records::keep_ca;
use crate::routes::blocking;
use crate::store::Batch;

/// Days before its end from which a certificate is shown as expiring.
const EXPIRING_DAYS: u32 = 30;

pub fn router() -> Router<Arc<Host>> {
    Router::new()
        .route("/admin/certificates", get(list))
        .route("/admin/certificates/counts", get(counts))
        .route("/admin/certificates/{serial}/revoke", post(revoke))
        .route("/admin/certificates/{serial}/hold", post(hold))
        .route("/admin/certificates/{serial}/release", post(release))
}

/// Which certificates are listed, and how.
#[derive(Deserialize)]
struct Wanted {
    tenant: Option<String>,
    #[serde(default)]
    state: Listed,
    #[serde(default)]
    format: Form,
    #[serde(default = "expiring_days")]
    days: u32,
}

const fn expiring_days() -> u32 {
    EXPIRING_DAYS
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Listed {
    #[default]
    All,
    Active,
    Expiring,
    Inactive,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    #[default]
    Json,
    Csv,
    Txt,
    Xml,
}

impl Wanted {
    fn has(&self, record: &CertificateRecord) -> bool {
        let state = record.state(now(), self.days);
        let tenant = record.holder().tenant.as_ref().map(|tenant| tenant.as_str());
        let listed = match self.listed() {
            Listed::All => true,
            Listed::Active => state.status() == Some(Status::Active),
            Listed::Expiring => state == Standing::Expiring,
            Listed::Inactive => state.status() == Some(Status::Inactive),
        };
        listed && self.tenant.as_deref().is_none_or(|wanted| Some(wanted) == tenant)
    }

    const fn listed(&self) -> Listed {
        self.state
    }
}

/// Every certificate on record, one after the other.
fn each(host: &Host, mut show: impl FnMut(CertificateRecord) -> Result<(), Failure>) -> Result<(), Failure> {
    host.store.read(|view| view.each_of_kind(|record: CertificateRecord| show(record)))
}

async fn list(State(host): State<Arc<Host>>, Query(wanted): Query<Wanted>) -> Answer {
    blocking(host, move |host| match wanted.format {
        Form::Json => {
            let mut described = Vec::new();
            each(host, |record| {
                described.extend(wanted.has(&record).then(|| describe(&record, wanted.days)));
                Ok(())
            })?;
            Ok(Answer::json(&Value::Array(described)))
        }
        Form::Csv => export(host, &wanted, ExportFormat::Csv, "text/csv; charset=utf-8"),
        Form::Txt => export(host, &wanted, ExportFormat::Text, "text/plain; charset=utf-8"),
        Form::Xml => export(host, &wanted, ExportFormat::Xml, "application/xml"),
    })
    .await
}

fn export(host: &Host, wanted: &Wanted, format: ExportFormat, content_type: &str) -> Result<Answer, Failure> {
    let mut export = Export::begin(format, String::new()).map_err(Failure::internal)?;
    each(host, |record| match wanted.has(&record) {
        true => export.row(&Row::of(&record, now(), wanted.days)).map_err(Failure::internal),
        false => Ok(()),
    })?;
    Ok(Answer::ok(content_type, export.finish().map_err(Failure::internal)?))
}

async fn counts(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| {
        let mut inventory = Inventory::default();
        each(host, |record| {
            inventory.add(record.state(now(), EXPIRING_DAYS));
            Ok(())
        })?;
        Ok(Answer::json(&json!({
            "active": inventory.active,
            "expiring": inventory.expiring,
            "inactive": inventory.inactive,
            "expired": inventory.expired,
            "held": inventory.held,
            "revoked": inventory.revoked,
            "all": inventory.all(),
            "activePercent": inventory.active_percent(),
        })))
    })
    .await
}

fn describe(record: &CertificateRecord, expiring_days: u32) -> Value {
    let holder = record.holder();
    json!({
        "serial": record.serial().to_string(),
        "subject": record.subject().to_string(),
        "state": record.state(now(), expiring_days).to_string(),
        "notBefore": record.validity().not_before.to_string(),
        "notAfter": record.validity().not_after.to_string(),
        "tenant": holder.tenant,
        "enrollment": holder.enrollment.as_ref().map(ToString::to_string),
        "device": holder.device_name,
        "profile": record.profile(),
    })
}

async fn revoke(State(host): State<Arc<Host>>, Path(serial): Path<String>, body: Bytes) -> Answer {
    blocking(host, move |host| {
        let reason: Reason = super::body(&body)?;
        let reason = reason.read()?;
        decide(host, &serial, &format!("revoked: {reason:?}"), |record, at| record.revoke(reason, None, at))
    })
    .await
}

async fn hold(State(host): State<Arc<Host>>, Path(serial): Path<String>) -> Answer {
    blocking(host, move |host| decide(host, &serial, "put on hold", CertificateRecord::hold)).await
}

async fn release(State(host): State<Arc<Host>>, Path(serial): Path<String>) -> Answer {
    blocking(host, move |host| decide(host, &serial, "released", CertificateRecord::release)).await
}

type Decided = Result<Change<CertificateRecord>, mdm_core::ca::Error>;

/// Decides about one certificate, and writes the audit line.
fn decide(
    host: &Host,
    serial: &str,
    what: &str,
    decision: impl Fn(&CertificateRecord, Timestamp) -> Decided,
) -> Result<Answer, Failure> {
    let record = host.store.decide(|batch: &mut Batch<'_>| {
        let unknown = || Failure::not_found("no certificate has this serial number");
        let record = batch.load::<CertificateRecord>(&serial.to_ascii_lowercase())?.ok_or_else(unknown)?;
        let decided = decision(&record, revocation_moment(batch)?).map_err(Failure::conflict)?;
        keep_ca(host, batch, &decided)?;
        batch.log(format!("audit: certificate {} of {} {what}", record.serial(), record.subject()));
        Ok::<_, Failure>(decided.record)
    })?;
    Ok(Answer::json(&describe(&record, EXPIRING_DAYS)))
}

#[derive(Deserialize)]
struct Reason {
    reason: Option<String>,
}

impl Reason {
    /// The reason by its name in RFC 5280 section 5.3.1; unspecified when there is none.
    fn read(&self) -> Result<RevocationReason, Failure> {
        match self.reason.as_deref() {
            None | Some("unspecified") => Ok(RevocationReason::Unspecified),
            Some("keyCompromise") => Ok(RevocationReason::KeyCompromise),
            Some("affiliationChanged") => Ok(RevocationReason::AffiliationChanged),
            Some("superseded") => Ok(RevocationReason::Superseded),
            Some("cessationOfOperation") => Ok(RevocationReason::CessationOfOperation),
            Some("privilegeWithdrawn") => Ok(RevocationReason::PrivilegeWithdrawn),
            Some(_) => Err(Failure::bad_request("the reason is none of those that a device's certificate is revoked for")),
        }
    }
}
