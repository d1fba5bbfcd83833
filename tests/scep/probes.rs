//! Envelopes of every kind of wrongness, as an attacker would send them to learn which step of the opening failed (Bleichenbacher's attack on
//! PKCS#1 v1.5, Vaudenay's on the padding of CBC). `benches/scep_oracle.rs` measures the time that each takes.

use mdm_core::crypto::ContentCipher;

use crate::world::World;

/// Ciphertexts of every kind of wrongness, as an attacker would send them to learn which step failed.
pub fn probes(world: &World) -> Vec<(&'static str, Vec<u8>)> {
    let right = world.seal(world.csr.as_der());
    // The wrapped key is the last 256 octets before the content; the content is the last of all.
    let content_len = world.csr.as_der().len() / 16 * 16 + 16;
    let at_content = right.len() - content_len;
    let find = |needle: &[u8]| right.windows(needle.len()).position(|window| window == needle).unwrap();
    let at_wrapped = find(&[0x04, 0x82, 0x01, 0x00]) + 4;
    let damage = |at: usize| {
        let mut sealed = right.clone();
        sealed[at] ^= 1;
        sealed
    };
    let mut broken_csr = world.csr.as_der().to_vec();
    *broken_csr.last_mut().unwrap() ^= 1;
    let mut zero_key = right.clone();
    zero_key[at_wrapped..at_wrapped + 256].fill(0);
    let mut full_key = right.clone();
    full_key[at_wrapped..at_wrapped + 256].fill(0xFF);
    vec![
        ("a bit of the wrapped key", damage(at_wrapped + 100)),
        ("a wrapped key of zeros", zero_key),
        ("a wrapped key above the modulus", full_key),
        ("a content key of another length", seal_with_key_of_another_length(world)),
        ("the last octet of the content, so the padding", damage(right.len() - 1)),
        ("the last block but one, so the padding", damage(right.len() - 17)),
        ("the first block of the content", damage(at_content)),
        ("nothing inside", world.seal(b"")),
        ("no request inside", world.seal(b"hello")),
        ("a request that is cut short", world.seal(&world.csr.as_der()[..100])),
        ("a request without proof of possession", world.seal(&broken_csr)),
        (
            "a request whose signature lost a bit on the way",
            world.seal(&{
                let mut damaged = world.csr.as_der().to_vec();
                let at = damaged.len() - 100;
                damaged[at] ^= 1;
                damaged
            }),
        ),
        ("a content that is no whole number of blocks", shorten(&right)),
    ]
}

/// An envelope whose content key is right for another cipher than the one named.
fn seal_with_key_of_another_length(world: &World) -> Vec<u8> {
    let mut sealed = world.seal_with(world.csr.as_der(), ContentCipher::Aes192Cbc);
    let aes192 = ContentCipher::Aes192Cbc.oid();
    let at = sealed.windows(9).position(|window| window == aes192.content()).unwrap();
    sealed[at..at + 9].copy_from_slice(ContentCipher::Aes128Cbc.oid().content());
    sealed
}

/// The same envelope with a content that lost its last octet.
fn shorten(sealed: &[u8]) -> Vec<u8> {
    use mdm_core::asn1::{Reader, Tag, Writer};
    fn rebuild(reader: &mut Reader<'_>, w: &mut Writer) {
        while !reader.is_empty() {
            let element = reader.element().unwrap();
            if element.tag().is_constructed() {
                w.nested(element.tag(), |w| rebuild(&mut element.reader(), w));
            } else if element.tag() == Tag::context(0) {
                w.element(element.tag(), &element.value()[..element.value().len() - 1]);
            } else {
                w.raw(element.raw());
            }
        }
    }
    Writer::build(|w| rebuild(&mut Reader::new(sealed), w))
}
