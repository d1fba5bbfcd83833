//! Identifier octets.

use std::fmt;

/// One identifier octet: class, constructed bit and a tag number below 31, which is all that PKIX and CMS use.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(u8);

impl Tag {
    /// BOOLEAN.
    pub const BOOLEAN: Tag = Tag(0x01);
    /// INTEGER.
    pub const INTEGER: Tag = Tag(0x02);
    /// BIT STRING.
    pub const BIT_STRING: Tag = Tag(0x03);
    /// OCTET STRING.
    pub const OCTET_STRING: Tag = Tag(0x04);
    /// NULL.
    pub const NULL: Tag = Tag(0x05);
    /// OBJECT IDENTIFIER.
    pub const OID: Tag = Tag(0x06);
    /// ENUMERATED.
    pub const ENUMERATED: Tag = Tag(0x0A);
    /// UTF8String.
    pub const UTF8_STRING: Tag = Tag(0x0C);
    /// NumericString.
    pub const NUMERIC_STRING: Tag = Tag(0x12);
    /// PrintableString.
    pub const PRINTABLE_STRING: Tag = Tag(0x13);
    /// TeletexString, read as Latin-1 as everybody does.
    pub const TELETEX_STRING: Tag = Tag(0x14);
    /// IA5String.
    pub const IA5_STRING: Tag = Tag(0x16);
    /// UTCTime.
    pub const UTC_TIME: Tag = Tag(0x17);
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: Tag = Tag(0x18);
    /// VisibleString.
    pub const VISIBLE_STRING: Tag = Tag(0x1A);
    /// UniversalString, UCS-4.
    pub const UNIVERSAL_STRING: Tag = Tag(0x1C);
    /// BMPString, UCS-2.
    pub const BMP_STRING: Tag = Tag(0x1E);
    /// SEQUENCE and SEQUENCE OF.
    pub const SEQUENCE: Tag = Tag(0x30);
    /// SET and SET OF.
    pub const SET: Tag = Tag(0x31);

    /// The context-specific primitive tag `[number]`; `number` is taken modulo 32.
    pub const fn context(number: u8) -> Tag {
        Tag(0x80 | (number & 0x1F))
    }

    /// The context-specific constructed tag `[number]`; `number` is taken modulo 32.
    pub const fn context_constructed(number: u8) -> Tag {
        Tag(0xA0 | (number & 0x1F))
    }

    /// From an identifier octet; `None` when it starts a tag number of 31 or more.
    pub const fn from_octet(octet: u8) -> Option<Tag> {
        if octet & 0x1F == 0x1F { None } else { Some(Tag(octet)) }
    }

    /// The identifier octet.
    pub const fn octet(self) -> u8 {
        self.0
    }

    /// Whether the content is a series of elements.
    pub const fn is_constructed(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// Whether the tag is of the universal class.
    pub(super) const fn is_universal(self) -> bool {
        self.0 & 0xC0 == 0
    }

    /// The same tag without the constructed bit.
    pub(super) const fn primitive(self) -> Tag {
        Tag(self.0 & !0x20)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Tag::BOOLEAN => "BOOLEAN",
            Tag::INTEGER => "INTEGER",
            Tag::BIT_STRING => "BIT STRING",
            Tag::OCTET_STRING => "OCTET STRING",
            Tag::NULL => "NULL",
            Tag::OID => "OBJECT IDENTIFIER",
            Tag::ENUMERATED => "ENUMERATED",
            Tag::UTF8_STRING => "UTF8String",
            Tag::PRINTABLE_STRING => "PrintableString",
            Tag::IA5_STRING => "IA5String",
            Tag::UTC_TIME => "UTCTime",
            Tag::GENERALIZED_TIME => "GeneralizedTime",
            Tag::SEQUENCE => "SEQUENCE",
            Tag::SET => "SET",
            Tag(octet) if octet & 0xC0 == 0x80 => return write!(f, "[{}]", octet & 0x1F),
            Tag(octet) => return write!(f, "tag 0x{octet:02X}"),
        };
        f.write_str(name)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors name what was expected and what was found.
    #[test]
    fn a_tag_is_named_as_x680_names_it_and_by_its_number_where_it_has_no_name() {
        let names = [
            (Tag::BOOLEAN, "BOOLEAN"),
            (Tag::INTEGER, "INTEGER"),
            (Tag::BIT_STRING, "BIT STRING"),
            (Tag::OCTET_STRING, "OCTET STRING"),
            (Tag::NULL, "NULL"),
            (Tag::OID, "OBJECT IDENTIFIER"),
            (Tag::ENUMERATED, "ENUMERATED"),
            (Tag::UTF8_STRING, "UTF8String"),
            (Tag::PRINTABLE_STRING, "PrintableString"),
            (Tag::IA5_STRING, "IA5String"),
            (Tag::UTC_TIME, "UTCTime"),
            (Tag::GENERALIZED_TIME, "GeneralizedTime"),
            (Tag::SEQUENCE, "SEQUENCE"),
            (Tag::SET, "SET"),
            (Tag::context(3), "[3]"),
            (Tag::context_constructed(30), "[30]"),
            (Tag::BMP_STRING, "tag 0x1E"),
            (Tag::from_octet(0x61).unwrap(), "tag 0x61"),
        ];
        for (tag, name) in names {
            assert_eq!((tag.to_string().as_str(), format!("{tag:?}").as_str()), (name, name));
        }
    }

    /// Numbers of 31 and more stand in further octets, which nothing in PKIX or CMS has.
    #[test]
    fn an_octet_is_a_tag_unless_a_longer_number_begins_with_it() {
        for octet in 0..=u8::MAX {
            let tag = Tag::from_octet(octet);
            assert_eq!(tag.map(Tag::octet), (octet & 0x1F != 0x1F).then_some(octet));
            if let Some(tag) = tag {
                assert_eq!(tag.is_constructed(), octet & 0x20 != 0);
                assert_eq!(tag.is_universal(), octet < 0x40);
                assert!(!tag.primitive().is_constructed() && tag.primitive().octet() | 0x20 == octet | 0x20);
            }
        }
        assert_eq!((Tag::context(0x82).octet(), Tag::context_constructed(1).octet()), (0x82, 0xA1));
    }
}
