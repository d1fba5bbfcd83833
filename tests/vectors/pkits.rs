//! The paths of NIST's Public Key Interoperability Test Suite (version 1.0.1): what `x509::verify_path` finds for each of its certificates.
//!
//! A certificate whose name begins with Valid must be led to the trust anchor over any of the suite's authorities, and one whose name
//! begins with Invalid must not. [`OTHERWISE`] lists by name what comes out otherwise, and why; nothing is on it that comes out as the
//! suite has it.

use std::collections::BTreeMap;
use std::path::Path;

use libtest_mimic::Failed;
use mdm_core::crypto::Provider;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, Error, PathRules, verify_path};

/// Within the validity of all that is not there to be out of it.
const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

const REVOCATION: &str = "accepted: `verify_path` leaves revocation to its caller, who knows where lists and answers are";
const NAME_CONSTRAINTS: &str =
    "refused: name constraints are not applied, so that a critical one ends the path (RFC 5280 section 4.2)";
const POLICIES: &str = "refused: policies are not looked at, so that a critical policyConstraints, policyMappings or inhibitAnyPolicy ends the path";
const DSA: &str = "refused: no signature by DSA is believed";
const NAMES: &str = "refused: names are compared byte for byte, as issuers write them (RFC 5280 section 4.1.2.6), never after folding case and space";

/// What the names of several tests begin with, and why these come out otherwise.
const OTHERWISE: &[(&str, &str)] = &[
    ("InvalidBadCRL", REVOCATION),
    ("InvalidBasicSelfIssuedCRLSigningKeyTest7", REVOCATION),
    ("InvalidBasicSelfIssuedNewWithOld", REVOCATION),
    ("InvalidBasicSelfIssuedOldWithNew", REVOCATION),
    ("InvalidIDPwithindirectCRL", REVOCATION),
    ("InvalidLongSerialNumberTest18", REVOCATION),
    ("InvalidMissingCRL", REVOCATION),
    ("InvalidNegativeSerialNumberTest15", REVOCATION),
    ("InvalidOldCRLnextUpdate", REVOCATION),
    ("InvalidRevoked", REVOCATION),
    ("InvalidSeparateCertificateandCRLKeys", REVOCATION),
    ("InvalidUnknownCRL", REVOCATION),
    ("InvalidWrongCRL", REVOCATION),
    ("InvalidcRLIssuer", REVOCATION),
    ("InvaliddeltaCRL", REVOCATION),
    ("InvaliddistributionPoint", REVOCATION),
    ("InvalidkeyUsageCriticalcRLSign", REVOCATION),
    ("InvalidkeyUsageNotCriticalcRLSign", REVOCATION),
    ("InvalidonlyContains", REVOCATION),
    ("InvalidonlySomeReasons", REVOCATION),
    ("Invalidpre2000CRLnextUpdate", REVOCATION),
    ("ValidDNSnameConstraints", NAME_CONSTRAINTS),
    ("ValidDNandRFC822nameConstraints", NAME_CONSTRAINTS),
    ("ValidDNnameConstraints", NAME_CONSTRAINTS),
    ("ValidRFC822nameConstraints", NAME_CONSTRAINTS),
    ("ValidURInameConstraints", NAME_CONSTRAINTS),
    ("ValidPolicyMapping", POLICIES),
    ("ValidSelfIssuedinhibitAnyPolicy", POLICIES),
    ("ValidSelfIssuedinhibitPolicyMapping", POLICIES),
    ("ValidSelfIssuedrequireExplicitPolicy", POLICIES),
    ("ValidinhibitAnyPolicy", POLICIES),
    ("ValidinhibitPolicyMapping", POLICIES),
    ("ValidrequireExplicitPolicyTest1", POLICIES),
    ("ValidrequireExplicitPolicyTest2", POLICIES),
    ("ValidrequireExplicitPolicyTest4", POLICIES),
    ("inhibitAnyPolicyTest3", POLICIES),
    ("ValidDSA", DSA),
    ("ValidNameChainingCapitalization", NAMES),
    ("ValidNameChainingWhitespace", NAMES),
    ("ValidRolloverfromPrintableStringtoUTF8String", NAMES),
    ("ValidUTF8StringCaseInsensitiveMatch", NAMES),
];

struct Suite {
    anchor: Certificate,
    authorities: Vec<Certificate>,
    /// By their names: what each test asks about, or why it cannot be read.
    leaves: BTreeMap<String, Result<Certificate, Error>>,
}

impl Suite {
    fn read(folder: &Path) -> Result<Suite, Box<dyn std::error::Error>> {
        let (mut anchor, mut authorities, mut leaves) = (None, Vec::new(), BTreeMap::new());
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
            let certificate = Certificate::from_der(&std::fs::read(&path)?);
            if let Some(name) = name.strip_suffix("EE") {
                leaves.insert(name.to_owned(), certificate);
            } else if name == "TrustAnchorRootCertificate" {
                anchor = certificate.ok();
            } else {
                authorities.extend(certificate.ok());
            }
        }
        Ok(Suite { anchor: anchor.ok_or("no trust anchor")?, authorities, leaves })
    }

    fn judge(&self, leaf: &Result<Certificate, Error>, provider: &Provider) -> Result<(), Error> {
        let leaf = leaf.as_ref().map_err(|error| *error)?;
        verify_path(leaf, &self.authorities, std::slice::from_ref(&self.anchor), &PathRules::at(NOW), provider).map(|_| ())
    }
}

/// `vectors` is the folder of the package.
pub fn paths(vectors: &Path, provider: &Provider) -> Result<(), Failed> {
    let suite = Suite::read(&vectors.join("x509/PKITS_data/certs")).map_err(|error| error.to_string())?;
    let mut used = vec![0; OTHERWISE.len()];
    let (mut accepted, mut refused, mut faults) = (0, 0, Vec::new());
    for (name, leaf) in &suite.leaves {
        let expected = !name.starts_with("Invalid");
        let outcome = suite.judge(leaf, provider);
        let reason = OTHERWISE.iter().position(|(part, _)| name.starts_with(part));
        match (outcome.is_ok() == expected, reason) {
            (true, None) if expected => accepted += 1,
            (true, None) => refused += 1,
            (true, Some(at)) => faults.push(format!("{name} comes out right, though: {}", OTHERWISE[at].1)),
            (false, Some(at)) => used[at] += 1,
            (false, None) => faults.push(format!("{name}: {outcome:?}")),
        }
    }
    for ((part, reason), used) in OTHERWISE.iter().zip(&used) {
        println!("{used:>3} otherwise: {part}: {reason}");
        if *used == 0 {
            faults.push(format!("no test begins with {part}"));
        }
    }
    println!("{accepted} accepted and {refused} refused as the suite has it, {} otherwise", used.iter().sum::<usize>());
    match faults.is_empty() && accepted > 0 && refused > 0 {
        true => Ok(()),
        false => Err(faults.join("\n").into()),
    }
}
