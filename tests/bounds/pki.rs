//! Certificates, lists, OCSP and CMS of any size, that nobody signed.

use mdm_core::asn1::{Tag, Writer};
use mdm_core::time::Timestamp;

pub fn element(tag: Tag, content: &[u8]) -> Vec<u8> {
    Writer::build(|w| w.element(tag, content))
}

pub fn many(bytes: usize, item: &[u8]) -> Vec<u8> {
    element(Tag::SEQUENCE, &item.repeat(bytes / item.len()))
}

/// sha256WithRSAEncryption
const SHA256_RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
/// rsaEncryption
const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
/// id-sha256
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// id-data
const DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];
/// id-signedData
const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
/// id-envelopedData
const ENVELOPED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x03];
/// id-pkix-ocsp-basic
const OCSP_BASIC: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// aes128-CBC
const AES_128: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x02];

fn algorithm(w: &mut Writer, oid: &[u8]) {
    w.sequence(|w| {
        w.element(Tag::OID, oid);
        w.null();
    });
}

/// A name of so many parts.
fn name(w: &mut Writer, parts: usize) {
    w.sequence(|w| {
        for _ in 0..parts {
            w.nested(Tag::SET, |w| {
                w.sequence(|w| {
                    w.element(Tag::OID, &[0x55, 0x04, 0x03]);
                    w.utf8_string("ab");
                });
            });
        }
    });
}

fn public_key(w: &mut Writer) {
    let key = Writer::build(|w| {
        w.sequence(|w| {
            w.unsigned_integer(&[0xC1; 128]);
            w.unsigned_integer(&[1, 0, 1]);
        });
    });
    w.sequence(|w| {
        algorithm(w, RSA);
        w.bit_string(&key);
    });
}

/// An OID of its own for each number below 2,080,768.
fn numbered(number: usize) -> [u8; 4] {
    let digit = |shift: usize| (number >> shift & 0x7F) as u8;
    [0x2A, 0x80 | (digit(14) + 1), 0x80 | digit(7), digit(0)]
}

pub fn certificate(name_parts: usize, extensions: usize) -> Vec<u8> {
    let now = Timestamp::from_unix(1_800_000_000);
    Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.nested(Tag::context_constructed(0), |w| w.small_integer(2));
                w.unsigned_integer(&[1]);
                algorithm(w, SHA256_RSA);
                name(w, 1);
                w.sequence(|w| {
                    w.time(now);
                    w.time(now.plus_days(1));
                });
                name(w, name_parts);
                public_key(w);
                if extensions > 0 {
                    w.nested(Tag::context_constructed(3), |w| {
                        w.sequence(|w| {
                            for number in 0..extensions {
                                w.sequence(|w| {
                                    w.element(Tag::OID, &numbered(number));
                                    w.octet_string(&[5, 0]);
                                });
                            }
                        });
                    });
                }
            });
            algorithm(w, SHA256_RSA);
            w.bit_string(&[0x5A; 128]);
        });
    })
}

pub fn request(bytes: usize) -> Vec<u8> {
    Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.small_integer(0);
                name(w, 1);
                public_key(w);
                w.nested(Tag::context_constructed(0), |w| {
                    for number in 0..bytes / 14 {
                        w.sequence(|w| {
                            w.element(Tag::OID, &numbered(number));
                            w.nested(Tag::SET, |w| w.null());
                        });
                    }
                });
            });
            algorithm(w, SHA256_RSA);
            w.bit_string(&[0x5A; 128]);
        });
    })
}

pub fn revocation_list(bytes: usize) -> Vec<u8> {
    let now = Timestamp::from_unix(1_800_000_000);
    Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.small_integer(1);
                algorithm(w, SHA256_RSA);
                name(w, 1);
                w.time(now);
                w.time(now.plus_days(7));
                w.sequence(|w| {
                    for number in 0..bytes / 22 {
                        w.sequence(|w| {
                            w.unsigned_integer(&(number as u32 + 1).to_be_bytes());
                            w.time(now);
                        });
                    }
                });
            });
            algorithm(w, SHA256_RSA);
            w.bit_string(&[0x5A; 128]);
        });
    })
}

fn certificate_id(w: &mut Writer) {
    w.sequence(|w| {
        algorithm(w, SHA256);
        w.octet_string(&[0x5A; 20]);
        w.octet_string(&[0x5A; 20]);
        w.unsigned_integer(&[1]);
    });
}

pub fn ocsp_request(ids: usize) -> Vec<u8> {
    Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| w.sequence(|w| (0..ids.max(1)).for_each(|_| w.sequence(certificate_id))));
        });
    })
}

pub fn ocsp_response(bytes: usize) -> Vec<u8> {
    let now = Timestamp::from_unix(1_800_000_000);
    let basic = Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.nested(Tag::context_constructed(2), |w| w.octet_string(&[0x5A; 20]));
                w.generalized_time(now);
                w.sequence(|w| {
                    for _ in 0..bytes / 84 {
                        w.sequence(|w| {
                            certificate_id(w);
                            w.element(Tag::context(0), &[]);
                            w.generalized_time(now);
                        });
                    }
                });
            });
            algorithm(w, SHA256_RSA);
            w.bit_string(&[0x5A; 128]);
        });
    });
    Writer::build(|w| {
        w.sequence(|w| {
            w.element(Tag::ENUMERATED, &[0]);
            w.nested(Tag::context_constructed(0), |w| {
                w.sequence(|w| {
                    w.element(Tag::OID, OCSP_BASIC);
                    w.octet_string(&basic);
                });
            });
        });
    })
}

/// SignedData over this content, without signers.
pub fn signed_content(content: &[u8]) -> Vec<u8> {
    signed_data_over(Some(content), &[], &[])
}

/// SignedData with these certificates and these signers.
pub fn signed_data(certificates: &[u8], signers: &[u8]) -> Vec<u8> {
    signed_data_over(None, certificates, signers)
}

fn signed_data_over(content: Option<&[u8]>, certificates: &[u8], signers: &[u8]) -> Vec<u8> {
    Writer::build(|w| {
        w.sequence(|w| {
            w.element(Tag::OID, SIGNED_DATA);
            w.nested(Tag::context_constructed(0), |w| {
                w.sequence(|w| {
                    w.small_integer(1);
                    w.nested(Tag::SET, |w| algorithm(w, SHA256));
                    w.sequence(|w| {
                        w.element(Tag::OID, DATA);
                        if let Some(content) = content {
                            w.nested(Tag::context_constructed(0), |w| w.octet_string(content));
                        }
                    });
                    if !certificates.is_empty() {
                        w.element(Tag::context_constructed(0), certificates);
                    }
                    w.element(Tag::SET, signers);
                });
            });
        });
    })
}

fn signer_with(attributes: impl FnOnce(&mut Writer)) -> Vec<u8> {
    Writer::build(|w| {
        w.sequence(|w| {
            w.small_integer(1);
            w.sequence(|w| {
                name(w, 1);
                w.unsigned_integer(&[1]);
            });
            algorithm(w, SHA256);
            attributes(w);
            algorithm(w, RSA);
            w.octet_string(&[0x5A; 8]);
        });
    })
}

pub fn signer() -> Vec<u8> {
    signer_with(|_| {})
}

/// A signer with so many bytes of attributes that nobody knows, and those that SCEP wants.
pub fn scep_signer(bytes: usize) -> Vec<u8> {
    let attribute = |w: &mut Writer, oid: &[u8], write: &dyn Fn(&mut Writer)| {
        w.sequence(|w| {
            w.element(Tag::OID, oid);
            w.nested(Tag::SET, |w| write(w));
        });
    };
    let scep = |last: u8| [0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x45, 0x01, 0x09, last];
    signer_with(|w| {
        w.nested(Tag::context_constructed(0), |w| {
            attribute(w, &scep(2), &|w| w.printable_string("19"));
            attribute(w, &scep(7), &|w| w.printable_string("transaction"));
            attribute(w, &scep(5), &|w| w.octet_string(&[7; 16]));
            for number in 0..bytes / 12 {
                attribute(w, &numbered(number), &|w| w.null());
            }
        });
    })
}

pub fn enveloped_data(bytes: usize) -> Vec<u8> {
    let recipient = Writer::build(|w| {
        w.sequence(|w| {
            w.small_integer(0);
            w.sequence(|w| {
                name(w, 1);
                w.unsigned_integer(&[1]);
            });
            algorithm(w, RSA);
            w.octet_string(&[0x5A; 8]);
        });
    });
    Writer::build(|w| {
        w.sequence(|w| {
            w.element(Tag::OID, ENVELOPED_DATA);
            w.nested(Tag::context_constructed(0), |w| {
                w.sequence(|w| {
                    w.small_integer(0);
                    w.element(Tag::SET, &recipient.repeat(bytes / recipient.len()));
                    w.sequence(|w| {
                        w.element(Tag::OID, DATA);
                        w.sequence(|w| {
                            w.element(Tag::OID, AES_128);
                            w.octet_string(&[0; 16]);
                        });
                        w.element(Tag::context(0), &[0; 16]);
                    });
                });
            });
        });
    })
}
