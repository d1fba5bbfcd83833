//! BER from elsewhere, damaged BER, and BER made at random, through `asn1::to_der`.

use std::borrow::Cow;

use mdm_core::asn1::{Error, ErrorKind, Reader, Tag, Writer, to_der};
use mdm_core::limits::Limits;
use proptest::prelude::*;

// The files were made by OpenSSL 3.0 from 5000 octets `x`, which it cuts into pieces of 4096:
//
//   head -c 5000 /dev/zero | tr '\0' x > content.txt
//   openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 3650 -subj "/CN=BER test"
//   sign="openssl cms -sign -nodetach -noattr -nocerts -binary -in content.txt -signer cert.pem -inkey key.pem -outform DER"
//   $sign -out signed.der
//   $sign -stream -out signed-stream.ber
//   openssl cms -encrypt -binary -stream -aes-128-cbc -in content.txt -outform DER -out enveloped-stream.ber cert.pem
//   openssl cms -cmsout -inform DER -in enveloped-stream.ber -outform DER -out enveloped.der
const TWINS: [(&[u8], &[u8]); 2] = [
    (include_bytes!("data/asn1/signed-stream.ber"), include_bytes!("data/asn1/signed.der")),
    (include_bytes!("data/asn1/enveloped-stream.ber"), include_bytes!("data/asn1/enveloped.der")),
];

#[test]
fn what_openssl_streams_becomes_what_it_writes_at_once() {
    for (ber, der) in TWINS {
        assert!(to_der(ber, &Limits::PKI).unwrap() == der);
        assert!(matches!(to_der(der, &Limits::PKI), Ok(Cow::Borrowed(same)) if same == der));
    }
}

#[test]
fn a_cut_at_any_byte_is_told() {
    for (ber, der) in TWINS {
        for input in [ber, der] {
            for length in 0..input.len() {
                let error = to_der(&input[..length], &Limits::PKI).unwrap_err();
                assert_eq!(error.kind, ErrorKind::Truncated);
                assert!(error.at <= length);
            }
        }
    }
}

#[test]
fn a_flipped_bit_gives_der_or_an_error() {
    for (ber, _) in TWINS {
        let mut input = ber.to_vec();
        for at in 0..input.len() {
            let bit = 1 << (at % 8);
            input[at] ^= bit;
            if let Ok(output) = to_der(&input, &Limits::PKI) {
                assert_is_der(&output);
            }
            input[at] ^= bit;
        }
    }
}

#[test]
fn ten_megabytes_of_nesting_end_at_the_depth_limit() {
    let limits = Limits::MESSAGE.bytes(16 << 20);
    for (header, depth) in [([0x30, 0x80], 64), ([0x24, 0x80], 64), ([0xA0, 0x80], 64)] {
        let input = header.repeat(5 << 20);
        assert_eq!(to_der(&input, &limits), Err(Error { kind: ErrorKind::TooDeep(64), at: 2 * depth }));
    }
}

#[test]
fn ten_megabytes_of_nesting_cost_linear_time_where_the_host_allows_them() {
    let levels = 2_500_000;
    let limits = Limits::MESSAGE.bytes(16 << 20).depth(levels).items(levels);
    let mut input = [0x24, 0x80].repeat(levels);
    input.extend([0x00, 0x00].repeat(levels));
    assert_eq!(*to_der(&input, &limits).unwrap(), [0x04, 0x00]);
}

#[test]
fn lengths_that_lie_are_told() {
    for input in
        [&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF][..], &[0x30, 0x03, 0x04, 0x7F, 0x00], &[0x24, 0x84, 0x7F, 0xFF, 0xFF, 0xFF]]
    {
        assert_eq!(to_der(input, &Limits::PKI).unwrap_err().kind, ErrorKind::Truncated, "{input:02X?}");
    }
}

/// Every element that can be entered has the header that DER wants, and no string is in pieces.
fn assert_is_der(bytes: &[u8]) {
    let mut open = vec![Reader::new(bytes)];
    while let Some(mut reader) = open.pop() {
        while !reader.is_empty() {
            let element = reader.element().unwrap();
            if element.tag().is_constructed() {
                assert!(!matches!(element.tag().octet(), 0x23 | 0x24 | 0x2C | 0x33), "{:?}", element.tag());
                open.push(element.reader());
            }
        }
    }
}

/// A value, and both of its encodings.
#[derive(Clone, Debug)]
enum Tree {
    Integer(u32),
    Octets(Vec<u8>),
    Bits(Vec<u8>),
    Text(String),
    Constructed(Tag, Vec<Tree>),
    EncryptedContent(Vec<u8>),
}

const CONTENT_TYPE: [u8; 5] = [0x06, 0x03, 0x2A, 0x03, 0x04];
const ALGORITHM: [u8; 6] = [0x30, 0x04, 0x06, 0x02, 0x2A, 0x03];

impl Tree {
    fn der(&self, w: &mut Writer) {
        match self {
            Tree::Integer(value) => w.small_integer(*value),
            Tree::Octets(octets) => w.octet_string(octets),
            Tree::Bits(octets) => w.bit_string(octets),
            Tree::Text(text) => w.utf8_string(text),
            Tree::Constructed(tag, children) => w.nested(*tag, |w| children.iter().for_each(|child| child.der(w))),
            Tree::EncryptedContent(octets) => w.sequence(|w| {
                w.raw(&CONTENT_TYPE);
                w.raw(&ALGORITHM);
                w.element(Tag::context(0), octets);
            }),
        }
    }

    fn ber(&self, dice: &mut Dice) -> Vec<u8> {
        match self {
            Tree::Integer(value) => {
                let der = Writer::build(|w| w.small_integer(*value));
                dice.element(0x02, &der[2..])
            }
            Tree::Octets(octets) => dice.string(0x04, 0x04, octets),
            Tree::Bits(octets) => dice.string(0x03, 0x03, octets),
            Tree::Text(text) => dice.string(0x0C, 0x04, text.as_bytes()),
            Tree::Constructed(tag, children) => {
                let content: Vec<u8> = children.iter().flat_map(|child| child.ber(dice)).collect();
                dice.element(tag.octet(), &content)
            }
            Tree::EncryptedContent(octets) => {
                let third = dice.string(0x80, 0x04, octets);
                dice.element(0x30, &[&CONTENT_TYPE[..], &ALGORITHM, &third].concat())
            }
        }
    }
}

/// Choices of an encoder, from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    /// An element with a length that is indefinite, too long or as in DER.
    fn element(&mut self, tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        match self.roll(3) {
            0 if tag & 0x20 != 0 => [&[tag, 0x80], content, &[0, 0]].concat(),
            1 => [&[tag, 0x86, 0, 0], &length[..], content].concat(),
            _ => Writer::build(|w| w.element(Tag::from_octet(tag).unwrap(), content)),
        }
    }

    /// A string in one piece or several, which may be in pieces themselves.
    fn string(&mut self, tag: u8, piece: u8, octets: &[u8]) -> Vec<u8> {
        if self.roll(3) > 0 {
            let unused_bits: &[u8] = if piece == 0x03 { &[0] } else { &[] };
            return self.element(tag, &[unused_bits, octets].concat());
        }
        let (left, right) = octets.split_at(self.roll(octets.len() + 1));
        let content = [self.string(piece, piece, left), self.string(piece, piece, right)].concat();
        self.element(tag | 0x20, &content)
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let octets = || proptest::collection::vec(any::<u8>(), 0..300);
    let leaf = prop_oneof![
        any::<u32>().prop_map(Tree::Integer),
        octets().prop_map(Tree::Octets),
        octets().prop_map(Tree::Bits),
        ".{0,20}".prop_map(Tree::Text),
        octets().prop_map(Tree::EncryptedContent),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let tags = prop_oneof![Just(Tag::SEQUENCE), Just(Tag::SET), Just(Tag::context_constructed(0))];
        (tags, proptest::collection::vec(inner, 0..6)).prop_map(|(tag, children)| Tree::Constructed(tag, children))
    })
}

proptest! {
    #[test]
    fn every_encoding_of_a_value_becomes_its_der(tree in trees(), seed in any::<u64>()) {
        let der = Writer::build(|w| tree.der(w));
        let ber = tree.ber(&mut Dice(seed));
        prop_assert_eq!(&*to_der(&ber, &Limits::MESSAGE).unwrap(), &der[..]);
        prop_assert!(matches!(to_der(&der, &Limits::MESSAGE), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn any_bytes_give_der_or_an_error(bytes in proptest::collection::vec(prop_oneof![Just(0x24), Just(0x80), Just(0x00), Just(0x04), Just(0x30), Just(0xA0), Just(0x06), any::<u8>()], 0..64)) {
        if let Ok(output) = to_der(&bytes, &Limits::PKI) {
            assert_is_der(&output);
            let again = to_der(&output, &Limits::PKI).unwrap();
            prop_assert_eq!(&*again, &*output);
        }
    }
}
