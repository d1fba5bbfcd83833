//! How much memory hostile SCEP messages take at their peak, counted by the allocator. One test, since the count is the whole program's.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

use mdm_core::asn1::Oid;
use mdm_core::cms::{self, Attribute, SignedContent, SignedDataTemplate};
use mdm_core::crypto::{ContentCipher, KeyTransport, Provider, SigningKey};
use mdm_core::limits::Limits;
use mdm_core::scep::{CaCertificates, Capabilities, Operation, Peer, Received, Recipient};
use mdm_core::x509::Certificate;
use peak_alloc::PeakAlloc;

mod support;
use support::{data, key};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn certificate() -> Certificate {
    Certificate::from_pem(data("cms/rsa.pem")).unwrap()
}

/// A PKCSReq under the test key, with this transaction, content and bag.
fn message(provider: &Provider, transaction: &str, content: &[u8], bag: &[&[u8]]) -> Vec<u8> {
    let verisign = |number: u8| [0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x45, 0x01, 0x09, number];
    let text = |number, text: &str| Attribute::new(Oid::from_content(&verisign(number)), |w| w.printable_string(text));
    let mut template = SignedDataTemplate::new(SignedContent::Attached(content));
    let nonce = Attribute::new(Oid::from_content(&verisign(5)), |w| w.octet_string(&[7; 16]));
    template.attributes = vec![text(2, "19"), text(7, transaction), nonce];
    template.certificates = bag.to_vec();
    template.to_be_signed(&certificate(), provider).unwrap().sign_with(&key(provider, "cms/rsa.key")).unwrap()
}

#[test]
fn no_message_takes_more_than_a_few_times_what_the_limits_allow() {
    let (_, provider) = support::providers().remove(0);
    let certificate = certificate();
    let private = key(&provider, "cms/rsa.key");
    let (der, cipher, transport) = (certificate.as_der(), ContentCipher::Aes128Cbc, KeyTransport::RsaPkcs1);
    let seal = |plain: &[u8], recipients: &[&Certificate]| cms::seal(plain, recipients, cipher, transport, &provider).unwrap();
    let small = seal(b"no request", &[&certificate]);
    let most = Limits::PKI.max_bytes;
    // What fits the limit by a hair, so that it is read to its end.
    let full_bag = vec![der; (most - 8192) / der.len()];
    let crowd = vec![&certificate; (most - 8192) / 380];
    let inputs = [
        ("nesting without end", [0x30, 0x80].repeat(8 << 20)),
        ("nesting within the limit of bytes", [0x30, 0x80].repeat(most / 2)),
        ("an empty element, over and over", [vec![0x30, 0x80], [0x05, 0x00].repeat(most / 2 - 2), vec![0, 0]].concat()),
        ("a string in pieces of one octet", [vec![0x24, 0x80], [0x04, 0x01, 0x00].repeat(most / 3 - 2), vec![0, 0]].concat()),
        ("a string in empty pieces", [vec![0x24, 0x80], [0x04, 0x00].repeat(most / 2 - 2), vec![0, 0]].concat()),
        ("10,000 certificates", message(&provider, "t", &small, &vec![der; 10_000])),
        ("as many certificates as fit", message(&provider, "t", &small, &full_bag)),
        ("1,000 recipients", message(&provider, "t", &seal(b"no request", &vec![&certificate; 1_000]), &[der])),
        ("as many recipients as fit", message(&provider, "t", &seal(b"no request", &crowd), &[der])),
        ("a request of a megabyte", message(&provider, "t", &seal(&vec![0x30; 1 << 20], &[&certificate]), &[der])),
        ("a transaction of 100,000 characters", message(&provider, &"7".repeat(100_000), &small, &[der])),
    ];
    assert_eq!(SigningKey::public_key(&private), certificate.public_key());
    for (name, input) in &inputs {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let refused = Received::parse(input, &Peer::default(), &provider)
            .and_then(|received| received.open(&Recipient { certificate: &certificate, key: &private }))
            .map(|_| ())
            .unwrap_err();
        let _ = CaCertificates::parse(input, &Limits::PKI);
        let _ = Capabilities::parse(input);
        let peak = MEMORY.peak_usage() - before;
        drop(refused);
        assert!(peak < 12 * most, "{name}: {peak} octets at the peak");
        assert!(MEMORY.current_usage() <= before + 64, "{name}: something stays behind");
    }
    for (name, query) in [
        ("a flood of escapes", format!("operation=PKIOperation&message={}", "%41".repeat(4 << 20))),
        ("a flood of pairs", "operation=PKIOperation&message=A&".repeat(1 << 18)),
        ("a long message", format!("operation=PKIOperation&message={}", "A".repeat(most))),
    ] {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let _ = Operation::from_query(&query, &Limits::PKI);
        let peak = MEMORY.peak_usage() - before;
        assert!(peak < 12 * most, "{name}: {peak} octets at the peak");
    }
}
