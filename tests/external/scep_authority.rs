//! External authorities that speak SCEP.

use base64::Engine as _;
use mdm_core::crypto::{DigestAlgorithm, Provider, SigningKey, SoftwareKey};
use mdm_core::external::{
    AlternativeName, ChallengeSource, Error, KeySize, KeyUses, Route, ScepAuthority, ScepAuthorityEffect, ScepSettings,
};
use mdm_core::keystore;
use mdm_core::profile::SCEP;
use mdm_core::record::{Record, ReplayError};
use mdm_core::scep::{CaCertificates, Capabilities, Operation, Peer, ndes};
use mdm_core::secret::Secret;
use mdm_core::web::Endpoint;
use mdm_core::x509::{BasicConstraints, Certificate, CertificateTemplate, Extensions, KeyUsage, Name, SerialNumber, Validity};

use crate::support::{data, key, providers};
use crate::world::{NOW, world};

fn url(text: &str) -> Endpoint {
    Endpoint::allowing_http(text).unwrap()
}

fn settings() -> ScepSettings {
    let subject = vec![("O".into(), "Example".into()), ("CN".into(), "$UDID".into())];
    ScepSettings {
        name: Some("Wi-Fi CA".into()),
        alternative_names: vec![
            AlternativeName::Dns("$UDID.example.com".into()),
            AlternativeName::NtPrincipal("$USER@example.com".into()),
        ],
        challenge: ChallengeSource::Static(Secret::from("static")),
        retries: 5,
        retry_delay: 20,
        key_size: KeySize::Rsa4096,
        key_uses: KeyUses { signing: true, encryption: false },
        fingerprint: Some(vec![7; 32]),
        enrollment: Route::Direct,
        ..ScepSettings::new(url("http://scep.example.com/ca/pkiclient.exe"), subject)
    }
}

fn fill(text: &str) -> String {
    text.replace("$UDID", "U-1").replace("$USER", "bob")
}

fn misuse(settings: ScepSettings) -> &'static str {
    match settings.check() {
        Err(Error::Misuse(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_payload_has_every_parameter() {
    let identity = settings().identity(Route::Direct, None, None, fill).unwrap();
    let content = SCEP::from(&identity).payload_content.unwrap();
    assert_eq!(content.url.as_deref(), Some("http://scep.example.com/ca/pkiclient.exe"));
    assert_eq!(content.name.as_deref(), Some("Wi-Fi CA"));
    let subject = vec![vec![vec!["O".to_owned(), "Example".to_owned()]], vec![vec!["CN".to_owned(), "U-1".to_owned()]]];
    assert_eq!(content.subject, Some(subject));
    assert_eq!(content.challenge, Some(Secret::from("static")));
    assert_eq!((content.keysize, content.key_usage, content.key_type.as_deref()), (Some(4096), Some(1), Some("RSA")));
    assert_eq!((content.retries, content.retry_delay), (Some(5), Some(20)));
    assert_eq!(content.ca_fingerprint, Some(vec![7; 32]));
    assert_eq!((content.key_is_extractable, content.allow_all_apps_access), (Some(false), None));
    let names = content.subject_alt_name.unwrap();
    assert_eq!(
        (names.d_ns_name.as_deref(), names.nt_principal_name.as_deref()),
        (Some("U-1.example.com"), Some("bob@example.com"))
    );
    assert_eq!((names.rfc822_name, names.uniform_resource_identifier), (None, None));
    let both =
        ScepSettings { key_uses: KeyUses { signing: true, encryption: true }, alternative_names: Vec::new(), ..settings() };
    let content = SCEP::from(&both.identity(Route::Direct, None, None, fill).unwrap()).payload_content.unwrap();
    assert_eq!((content.key_usage, content.subject_alt_name), (Some(5), None));
    let encryption = ScepSettings { key_uses: KeyUses { signing: false, encryption: true }, ..settings() };
    assert_eq!(encryption.identity(Route::Direct, None, None, fill).unwrap().options.key_usage, 4);
}

#[test]
fn over_the_proxy_a_device_learns_nothing_of_the_authority_behind() {
    let proxy = url("https://mdm.example.com/scep-proxy");
    let identity = settings().identity(Route::Proxy, Some(&proxy), Some(Secret::from("ours")), fill).unwrap();
    assert_eq!((identity.url.as_str(), identity.challenge), ("https://mdm.example.com/scep-proxy", Some(Secret::from("ours"))));
    assert_eq!(identity.ca_fingerprint, None);
    for (proxy, challenge) in
        [(None, Some(Secret::from("ours"))), (Some(&proxy), None), (Some(&proxy), Some(Secret::default()))]
    {
        assert!(matches!(settings().identity(Route::Proxy, proxy, challenge, fill), Err(Error::Misuse(_))));
    }
    assert!(matches!(settings().identity(Route::BuiltIn, None, None, fill), Err(Error::Misuse(_))));
}

#[test]
fn a_challenge_is_there_when_it_is_wanted_and_only_then() {
    let with = |challenge: ChallengeSource, given: Option<&str>| {
        let settings = ScepSettings { challenge, ..settings() };
        settings.identity(Route::Direct, None, given.map(Secret::from), fill).map(|identity| identity.challenge)
    };
    assert_eq!(with(ChallengeSource::None, None), Ok(None));
    assert!(matches!(with(ChallengeSource::None, Some("x")), Err(Error::Misuse(_))));
    let admin = || ndes::AdminPage::new(url("https://ndes.example.com/certsrv/mscep_admin/"));
    assert!(matches!(with(ChallengeSource::Ndes(admin()), None), Err(Error::Misuse(_))));
    assert_eq!(with(ChallengeSource::Ndes(admin()), Some("8CE317021F690069")), Ok(Some(Secret::from("8CE317021F690069"))));
    assert!(matches!(with(ChallengeSource::Host, Some("")), Err(Error::Misuse(_))));
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_reason() {
    assert!(settings().check().is_ok());
    let nobody = ScepSettings { subject: Vec::new(), alternative_names: Vec::new(), ..settings() };
    assert!(misuse(nobody).contains("nobody"));
    assert!(misuse(ScepSettings { subject: vec![("CN".into(), String::new())], ..settings() }).contains("empty"));
    let twice = vec![AlternativeName::Dns("a".into()), AlternativeName::Dns("b".into())];
    assert!(misuse(ScepSettings { alternative_names: twice, ..settings() }).contains("one alternative name"));
    assert!(misuse(ScepSettings { key_uses: KeyUses { signing: false, encryption: false }, ..settings() }).contains("nothing"));
    assert!(misuse(ScepSettings { challenge: ChallengeSource::Static(Secret::default()), ..settings() }).contains("challenge"));
    assert!(misuse(ScepSettings { fingerprint: Some(vec![1; 16]), ..settings() }).contains("SHA"));
    assert!(misuse(ScepSettings { fingerprint: None, profiles: Route::Proxy, ..settings() }).contains("proxy"));
}

#[test]
fn a_fingerprint_is_read_as_people_type_it() {
    let bytes: Vec<u8> = (0..32).collect();
    let plain: String = bytes.iter().map(|octet| format!("{octet:02x}")).collect();
    let colons: Vec<String> = bytes.iter().map(|octet| format!("{octet:02X}")).collect();
    for text in [plain.clone(), colons.join(":"), colons.join(" ")] {
        assert_eq!(ScepSettings::read_fingerprint(&text), Ok(bytes.clone()));
    }
    assert_eq!(ScepSettings::read_fingerprint(&plain[..40]).unwrap().len(), 20);
    let long = "0".repeat(100_000);
    for text in ["", "abc", &plain[..63], &plain[..32], "zz", &format!("{plain}0"), &format!("{plain}00"), &long] {
        assert!(matches!(ScepSettings::read_fingerprint(text), Err(Error::Misuse(_))), "{text}");
    }
}

#[test]
fn a_key_store_gives_the_proxys_certificates() {
    let provider = &providers()[0].1;
    let password = Secret::from("changeit");
    let ca = Certificate::from_pem(data("keystore/ca.pem")).unwrap();
    let now = ca.validity().not_before.plus_days(1);
    let read = |name: &str, authority: Option<Certificate>, now| {
        let mut settings = settings();
        settings
            .read_key_store(&data(&format!("keystore/{name}")), &password, None, authority, now, provider)
            .map(|key| (settings, key))
    };
    let (settings, key) = read("chain.p12", None, now).unwrap();
    let certificates = settings.certificates.as_ref().unwrap();
    assert_eq!(certificates.authority(), &ca);
    assert!(provider.load(&key).is_ok());
    let stored = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<ScepSettings>(&stored).unwrap(), settings);
    assert!(certificates.trust().is_ok());

    assert!(read("chain.p12", Some(ca.clone()), now).is_ok(), "the authority's certificate given apart");
    assert!(matches!(read("chain.p12", Some(world().root.clone()), now), Err(Error::Untrusted(_))));
    assert!(matches!(read("chain.p12", Some(world().device.clone()), now), Err(Error::Misuse(_))));
    assert!(matches!(read("chain.p12", None, ca.validity().not_after.plus_seconds(1)), Err(Error::Untrusted(_))));
    let mut settings = super::scep_authority::settings();
    let wrong = settings.read_key_store(&data("keystore/chain.p12"), &Secret::from("wrong"), None, None, now, provider);
    assert_eq!((wrong, settings.certificates), (Err(Error::KeyStore(keystore::Error::Password)), None));
    assert!(matches!(read("certificates.p12", None, now), Err(Error::KeyStore(keystore::Error::NoEntry))));
}

#[test]
fn the_server_is_met_under_its_name_and_pinned() {
    let world = world();
    let address = |operation: &Operation| settings().address(operation).unwrap().to_string();
    let base = "http://scep.example.com/ca/pkiclient.exe?operation=";
    assert_eq!(address(&Operation::GetCaCert { identifier: None }), format!("{base}GetCACert&message=Wi-Fi%20CA"));
    assert_eq!(address(&Operation::GetCaCaps { identifier: Some("other".into()) }), format!("{base}GetCACaps&message=other"));
    assert_eq!(address(&Operation::PkiOperation { message: None }), format!("{base}PKIOperation"));

    let (ca, store) = rsa_authority(&world.provider);
    let certificates = CaCertificates::authority(ca.clone());
    let peer = Peer { any_key_usage: true, ..Peer::default() };
    let server = |settings: &ScepSettings| {
        let capabilities = Capabilities::server(&peer);
        settings.server(&certificates, capabilities, peer, &world.provider).map(|server| server.recipient().clone())
    };
    let mut pinned = ScepSettings { fingerprint: None, ..settings() };
    assert!(matches!(server(&pinned), Err(Error::Misuse(_))), "nothing vouches");
    pinned.read_key_store(&store, &Secret::from("changeit"), Some("proxy"), None, NOW, &world.provider).unwrap();
    assert_eq!(server(&pinned), Ok(ca.clone()));
    let sha256 = world.provider.digest(DigestAlgorithm::Sha256, ca.as_der());
    let by_fingerprint = ScepSettings { fingerprint: Some(sha256.as_ref().to_vec()), ..settings() };
    assert_eq!(server(&by_fingerprint), Ok(ca));
    assert!(matches!(server(&settings()), Err(Error::Scep(_))), "another fingerprint");
}

/// An authority with an RSA key, and the PKCS#12 that its administrator gives out.
fn rsa_authority(provider: &Provider) -> (Certificate, Vec<u8>) {
    let (ca_key, proxy_key) = (key(provider, "scep/ca.key"), key(provider, "scep/ra.key"));
    let name = |text: &str| Name::builder().common_name(text).build().unwrap();
    let make = |subject: &str, key: &SoftwareKey, extensions| {
        let template = CertificateTemplate {
            serial: SerialNumber::random(provider.random).unwrap(),
            issuer: name("SCEP CA"),
            subject: name(subject),
            validity: Validity { not_before: NOW.plus_days(-1), not_after: NOW.plus_days(1) },
            public_key: SigningKey::public_key(key).clone(),
            extensions,
            authority_key_identifier: None,
        };
        let signed = template.to_be_signed(SigningKey::public_key(&ca_key), ca_key.algorithm(), provider).unwrap();
        signed.sign_with(&ca_key).unwrap()
    };
    let usage = KeyUsage::KEY_CERT_SIGN | KeyUsage::DIGITAL_SIGNATURE;
    let ca = make("SCEP CA", &ca_key, Extensions::new().with(&BasicConstraints::authority(None)).with(&usage));
    let proxy = make("Proxy", &proxy_key, Extensions::new().with(&KeyUsage::DIGITAL_SIGNATURE));
    let pem = String::from_utf8(data("scep/ra.key")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let pkcs8 = Secret::new(base64::engine::general_purpose::STANDARD.decode(body).unwrap());
    let entry = keystore::Entry { alias: "proxy".into(), key: pkcs8, chain: vec![proxy, ca.clone()] };
    let store = keystore::KeyStore { entries: vec![entry], ..keystore::KeyStore::default() };
    let store = store.to_pkcs12(&Secret::from("changeit"), keystore::Protection::iterations(1000), provider).unwrap();
    (ca, store)
}

#[test]
fn a_profile_is_sent_again_so_many_days_before_its_certificate_ends() {
    let end = NOW.plus_days(10);
    assert!(!settings().is_redistribution_due(end, end.plus_days(1)), "nobody asked for it");
    let settings = ScepSettings { redistribute_days: Some(7), ..settings() };
    assert!(!settings.is_redistribution_due(end, end.plus_days(-7).plus_seconds(-1)));
    assert!(settings.is_redistribution_due(end, end.plus_days(-7)));
    assert!(settings.is_redistribution_due(end, end.plus_days(7)));
}

#[test]
fn another_authority_makes_every_enrollment_owe_another() {
    let first = ScepAuthority::configure("wifi".into(), settings(), NOW).unwrap();
    let authority = first.record.clone();
    assert_eq!((authority.era(), first.expected()), (1, None));
    assert!(!authority.owes_reenrollment(1));
    assert!(authority.change(settings(), NOW).unwrap().is_empty());

    let harmless = [
        ScepSettings { challenge: ChallengeSource::Host, ..settings() },
        ScepSettings { key_size: KeySize::Rsa2048, retries: 1, ..settings() },
        ScepSettings { subject: vec![("CN".into(), "x".into())], profiles: Route::Direct, ..settings() },
    ];
    for settings in harmless {
        let change = authority.change(settings, NOW).unwrap();
        assert!(change.effects.is_empty() && change.record.era() == 1 && change.events.len() == 1);
    }
    let elsewhere = [
        ScepSettings { url: url("https://other.example.com/"), ..settings() },
        ScepSettings { name: None, ..settings() },
        ScepSettings { fingerprint: Some(vec![8; 32]), ..settings() },
        ScepSettings { enrollment: Route::BuiltIn, ..settings() },
        ScepSettings { enrollment: Route::Proxy, ..settings() },
    ];
    for settings in elsewhere {
        let change = authority.change(settings, NOW).unwrap();
        assert_eq!(change.effects, [ScepAuthorityEffect::ReenrollBefore { id: "wifi".into(), era: 2 }]);
        assert!(change.record.owes_reenrollment(1) && !change.record.owes_reenrollment(2));
        let replayed = ScepAuthority::replay(first.events.iter().chain(&change.events));
        assert_eq!(replayed.as_ref(), Ok(&change.record));
        let stored = serde_json::to_string(&change.record).unwrap();
        assert_eq!(serde_json::from_str::<ScepAuthority>(&stored).unwrap(), change.record);
        let twice = first.events.iter().chain(&change.events).chain(&change.events);
        assert!(matches!(ScepAuthority::replay(twice), Err(ReplayError::OutOfOrder { .. })));
        assert!(matches!(ScepAuthority::replay(&change.events), Err(ReplayError::NotThisRecord(_))));
    }
    let unused = ScepSettings { enrollment: Route::BuiltIn, ..settings() };
    let unused = ScepAuthority::configure("wifi".into(), unused, NOW).unwrap().record;
    let moved = ScepSettings { enrollment: Route::BuiltIn, url: url("https://other.example.com/"), ..settings() };
    assert_eq!(unused.change(moved, NOW).unwrap().record.era(), 1, "no device enrolled with it");
    let bad = ScepSettings { fingerprint: Some(Vec::new()), ..settings() };
    assert!(matches!(authority.change(bad.clone(), NOW), Err(Error::Misuse(_))));
    assert!(matches!(ScepAuthority::configure("wifi".into(), bad, NOW), Err(Error::Misuse(_))));
}

#[test]
fn no_challenge_or_password_shows() {
    let shown = format!("{:?}", ScepAuthority::configure("wifi".into(), settings(), NOW).unwrap());
    assert!(!shown.contains("\"static\""), "{shown}");
}
