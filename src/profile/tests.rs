use super::*;

fn enrollment() -> Enrollment {
    Enrollment {
        identifier: "com.example.mdm".into(),
        display_name: "Example".into(),
        organization: Some("Example".into()),
        scep: ScepIdentity {
            url: "https://mdm.example.com/scep".into(),
            name: None,
            challenge: Some("once".into()),
            subject: vec![("O".into(), "Example".into()), ("CN".into(), "device".into())],
            key_size: 2048,
            ca_fingerprint: None,
            options: ScepOptions::default(),
        },
        topic: "com.apple.mgmt.External.example".into(),
        server_url: "https://mdm.example.com/mdm".into(),
        check_in_url: None,
        access_rights: Some(Rights::ALL),
        trusted_roots: vec![b"one".to_vec(), b"two".to_vec()],
    }
}

#[test]
fn the_enrollment_profile_is_what_the_schema_asks_for() {
    let profile = enrollment().profile([[1; 16], [2; 16], [3; 16]]);
    let found = crate::schema::check(&profile);
    assert!(found.is_empty(), "{found:?}");
    let mut uuids: Vec<_> = profile.payloads.iter().filter_map(|payload| payload.envelope.payload_uuid.clone()).collect();
    uuids.extend(profile.envelope.payload_uuid.clone());
    uuids.sort();
    uuids.dedup();
    assert_eq!(uuids.len(), 5);
    let scep = profile.payloads[0].read::<SCEP>().and_then(|scep| scep.payload_content).unwrap();
    assert_eq!(scep.subject, Some(vec![vec![vec!["O".into(), "Example".into()]], vec![vec!["CN".into(), "device".into()]]]));
}

#[test]
fn a_profile_keeps_order_and_what_it_does_not_know() {
    let profile = Profile::new("p", "u")
        .with(Payload::raw("com.example.z", Dictionary::from_iter([("K", "v")]), "p.z", "z"))
        .with(Payload::new(&CertificateRoot::default(), "p.a", "a").named("Root"));
    let read = Profile::parse(&profile.to_xml().unwrap(), &Limits::MESSAGE).unwrap();
    assert_eq!(read, profile);
    assert_eq!(read.payloads[0].payload_type(), "com.example.z");
    assert_eq!(read.payloads[0].content().get("K"), Some(&"v".into()));
    assert_eq!(read.payloads[1].read::<SCEP>(), None);
}

#[test]
fn a_profile_without_payloads_keeps_whether_it_has_their_key() {
    for entries in [Dictionary::new(), Dictionary::from_iter([("PayloadContent", Vec::<Value>::new())])] {
        assert_eq!(Profile::from_value(entries.clone().into()).unwrap().to_dictionary(), entries);
    }
    let odd = Dictionary::from_iter([("PayloadContent", "text")]);
    let profile = Profile::from_value(odd.clone().into()).unwrap();
    assert_eq!(profile.to_dictionary(), odd);
    assert_eq!(profile.mismatches()[0].path, "PayloadContent");
}

#[test]
fn a_mistyped_key_of_a_payload_is_reported_with_its_place() {
    let root = Payload::raw(CertificateRoot::PAYLOAD_TYPE, Dictionary::from_iter([("PayloadContent", 1)]), "i", "u");
    let found = Profile::new("p", "u").with(root).mismatches();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, "PayloadContent[0].PayloadContent");
}

#[test]
fn what_is_no_profile_is_refused() {
    assert_eq!(Profile::from_value(1.into()), Err(Error::NotADictionary("integer")));
    assert!(matches!(Profile::parse(b"", &Limits::MESSAGE), Err(Error::Plist(_))));
}
