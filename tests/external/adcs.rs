//! The web enrollment pages of AD CS.

use http::Response;
use mdm_core::external::adcs::WebEnrollment;
use mdm_core::external::{Answer, Error, Reference};
use mdm_core::web::{self, Credentials, Endpoint};

use crate::world::{NOW, world};

fn pages() -> WebEnrollment {
    WebEnrollment {
        url: Endpoint::new("https://ca.example.com/certsrv").unwrap(),
        credentials: Some(Credentials::basic("EXAMPLE\\mdm", "secret")),
        template: "MDMDevice".into(),
        attributes: Vec::new(),
    }
}

fn page(body: &str) -> Response<Vec<u8>> {
    let html = format!("<HTML><Head><Title>Certificate Services</Title></Head><Body>{body}</Body></HTML>");
    Response::builder().header("content-type", "text/html; Charset=UTF-8").body(html.into_bytes()).unwrap()
}

/// The table of an error page, with the labels and the disposition's number where the pages have them.
fn status_page(disposition: &str, message: &str) -> Response<Vec<u8>> {
    page(&format!(
        "<DL>\n\t<DT ID=locDispLabel><Font Size=-1><B>Disposition:</B></Font></DT><DD>\n\t\t{disposition} <LocID>-</LocID>\n\t</DD>\n\n\t\
         <DT ID=locDispMsgLabel><Font Size=-1><B>Disposition message:</B></Font></DT><DD>\n\t\t{message}\n\t</DD></DL>"
    ))
}

fn reference() -> Reference {
    Reference::new("7").unwrap()
}

#[test]
fn a_request_is_posted_as_the_form_does() {
    let world = world();
    let request = pages().submit(&world.csr).unwrap();
    assert_eq!(request.uri(), "https://ca.example.com/certsrv/certfnsh.asp");
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    assert!(request.headers()["user-agent"].to_str().unwrap().starts_with("Mozilla"));
    assert!(!format!("{request:?} {:?}", pages()).contains("secret"));
    let body = String::from_utf8(request.into_body()).unwrap();
    assert!(body.starts_with("Mode=newreq&CertRequest=-----BEGIN%20CERTIFICATE%20REQUEST-----%0A"), "{body}");
    assert!(body.contains("&CertAttrib=CertificateTemplate%3AMDMDevice%0D%0A&"), "{body}");
    assert!(body.ends_with("&TargetStoreFlags=0&SaveCert=yes"), "{body}");
    let standalone = WebEnrollment { template: String::new(), ..pages() };
    let body = String::from_utf8(standalone.submit(&world.csr).unwrap().into_body()).unwrap();
    assert!(body.contains("&CertAttrib=&"), "{body}");
    for (name, value) in [("san:dns", "x"), ("san", "a\r\nCertificateTemplate:DomainController"), ("a\n", "b")] {
        let injected = WebEnrollment { attributes: vec![(name.into(), value.into())], ..pages() };
        assert!(matches!(injected.submit(&world.csr), Err(Error::Misuse(_))), "{name}");
    }
    let injected = WebEnrollment { template: "MDMDevice\r\nsan:dns=dc".into(), ..pages() };
    assert!(matches!(injected.submit(&world.csr), Err(Error::Misuse(_))));
}

#[test]
fn the_three_outcomes_of_a_request_are_told_apart() {
    let submitted = |body: &str| pages().submitted(&page(body));
    let issued = r#"<A Href="certnew.cer?ReqID=7&amp;Enc=b64">Download</A> <A Href="certnew.p7b?ReqID=7&Enc=b64">"#;
    assert_eq!(submitted(issued), Ok(Answer::Accepted(reference())));
    let pending = "<B> Certificate Pending </B><P> Your Request Id is 7.";
    assert_eq!(submitted(pending), Ok(Answer::Pending { reference: Some(reference()) }));
    let denied = "<B> Certificate Request Denied </B> Your Request Id is 7. The disposition message is \"Denied by Policy Module\r\n 0x80094800\".";
    assert_eq!(submitted(denied), Ok(Answer::Denied { reason: "Denied by Policy Module 0x80094800".into() }));
    let broken = "The disposition message is \"Error Parsing Request";
    assert_eq!(submitted(broken), Ok(Answer::Denied { reason: "Error Parsing Request".into() }));
    for other in ["", "certnew.cer?ReqID=CACert", "Your Request Id is many", "certnew.cer?ReqID=99999999999"] {
        assert_eq!(submitted(other), Err(web::Error::Format("the page of certfnsh.asp").into()), "{other}");
    }
    let unauthorized = Response::builder().status(401).body(issued.as_bytes().to_vec()).unwrap();
    assert_eq!(pages().submitted(&unauthorized), Err(web::Error::Unauthorized(401).into()));
}

#[test]
fn a_request_is_polled_by_its_number() {
    let world = world();
    let request = pages().poll(&reference()).unwrap();
    assert_eq!(request.uri(), "https://ca.example.com/certsrv/certnew.cer?ReqID=7&Enc=b64");
    for odd in ["7&Renewal=0", "CACert", "99999999999", "-1"] {
        assert!(matches!(pages().poll(&Reference::new(odd).unwrap()), Err(Error::Misuse(_))), "{odd}");
    }
    let trust = world.trust().with_intermediates(vec![world.authority.clone()]);
    let polled = |response: &Response<Vec<u8>>| pages().polled(response, &trust.expecting(&world.csr, NOW, &world.provider));
    for octets in [world.device.to_pem().into_bytes(), world.device.as_der().to_vec()] {
        let response = Response::builder().header("content-type", "application/pkix-cert").body(octets).unwrap();
        assert_eq!(polled(&response), Ok(Answer::Issued(world.issued())));
    }
    let bare = Response::new(world.device.to_pem().into_bytes());
    assert_eq!(polled(&bare), Ok(Answer::Issued(world.issued())), "whatever the media type");
    let forged = Response::builder().header("content-type", "application/pkix-cert").body(world.forged.to_pem().into_bytes());
    assert!(matches!(polled(&forged.unwrap()), Err(Error::Untrusted(_))));
}

#[test]
fn a_page_in_place_of_a_certificate_tells_its_disposition_in_every_language() {
    let world = world();
    let polled =
        |response: &Response<Vec<u8>>| pages().polled(response, &world.trust().expecting(&world.csr, NOW, &world.provider));
    assert_eq!(polled(&status_page("5", "Taken Under Submission")), Ok(Answer::Pending { reference: None }));
    assert_eq!(polled(&status_page("5", "Zur Genehmigung vorgelegt")), Ok(Answer::Pending { reference: None }));
    assert_eq!(
        polled(&status_page("2", "Denied by EXAMPLE\\admin")),
        Ok(Answer::Denied { reason: "Denied by EXAMPLE\\admin".into() })
    );
    assert_eq!(polled(&status_page("6", "Revoked")), Ok(Answer::Revoked));
    assert_eq!(polled(&status_page("3", "Issued")), Ok(Answer::Pending { reference: None }));
    assert_eq!(polled(&status_page("1", "unavailable")), Err(Error::Status("1 unavailable".into())));
    assert_eq!(polled(&status_page("(none)", "Taken Under Submission")), Ok(Answer::Pending { reference: None }));
    assert!(matches!(polled(&status_page("(none)", "Denied by admin")), Ok(Answer::Denied { .. })));
    for other in ["", "Disposition:", "Disposition:<DD>", "Disposition message:<DD>something"] {
        assert_eq!(polled(&page(other)), Err(web::Error::Format("the page of certnew.cer").into()), "{other}");
    }
    let whole = status_page("5", "Taken Under Submission").into_body();
    for end in 0..whole.len() {
        let cut = polled(&Response::new(whole[..end].to_vec()));
        let fine = matches!(cut, Ok(Answer::Pending { .. }) | Err(Error::Web(web::Error::Format(_))));
        assert!(fine, "{end}: {cut:?}");
    }
    let huge = Response::new(vec![b'x'; 300 << 10]);
    assert!(matches!(polled(&huge), Err(Error::Web(web::Error::TooLong(_)))));
}
