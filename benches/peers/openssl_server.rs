//! A SCEP server's transaction as one writes it with OpenSSL's CMS: the `openssl` crate where it has the call, the C interface where it
//! has not.

use std::ffi::{CStr, c_char, c_int, c_uchar, c_uint, c_void};
use std::ptr;

use foreign_types::ForeignType;
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rand::rand_bytes;
use openssl::stack::Stack;
use openssl::symm::Cipher;
use openssl::x509::extension::KeyUsage;
use openssl::x509::{X509, X509Req};
use openssl_sys as ffi;

/// Calls that `openssl-sys` does not declare.
mod c {
    use super::*;

    pub enum SignerInfo {}
    pub enum Pkcs7 {}

    unsafe extern "C" {
        pub fn CMS_get0_SignerInfos(cms: *mut ffi::CMS_ContentInfo) -> *mut ffi::OPENSSL_STACK;
        pub fn CMS_get1_certs(cms: *mut ffi::CMS_ContentInfo) -> *mut ffi::stack_st_X509;
        pub fn CMS_signed_get0_data_by_OBJ(
            info: *const SignerInfo,
            object: *const ffi::ASN1_OBJECT,
            at: c_int,
            kind: c_int,
        ) -> *mut c_void;
        pub fn CMS_signed_add1_attr_by_txt(
            info: *mut SignerInfo,
            name: *const c_char,
            kind: c_int,
            bytes: *const c_void,
            len: c_int,
        ) -> c_int;
        pub fn CMS_add1_signer(
            cms: *mut ffi::CMS_ContentInfo,
            signer: *mut ffi::X509,
            key: *mut ffi::EVP_PKEY,
            digest: *const ffi::EVP_MD,
            flags: c_uint,
        ) -> *mut SignerInfo;
        pub fn CMS_final(cms: *mut ffi::CMS_ContentInfo, data: *mut ffi::BIO, detached: *mut ffi::BIO, flags: c_uint) -> c_int;
        pub fn PKCS7_new() -> *mut Pkcs7;
        pub fn PKCS7_free(message: *mut Pkcs7);
        pub fn PKCS7_set_type(message: *mut Pkcs7, kind: c_int) -> c_int;
        pub fn PKCS7_content_new(message: *mut Pkcs7, kind: c_int) -> c_int;
        pub fn PKCS7_add_certificate(message: *mut Pkcs7, certificate: *mut ffi::X509) -> c_int;
        pub fn i2d_PKCS7(message: *mut Pkcs7, out: *mut *mut c_uchar) -> c_int;
        pub fn OBJ_txt2obj(text: *const c_char, no_name: c_int) -> *mut ffi::ASN1_OBJECT;
        pub fn ASN1_STRING_get0_data(string: *const c_void) -> *const c_uchar;
        pub fn ASN1_STRING_length(string: *const c_void) -> c_int;
        pub fn X509_REQ_get_attr_by_NID(request: *const ffi::X509_REQ, nid: c_int, at: c_int) -> c_int;
    }

    pub const NID_PKCS7_DATA: c_int = 21;
    pub const NID_PKCS7_SIGNED: c_int = 22;
    pub const NID_CHALLENGE_PASSWORD: c_int = 54;
    pub const PRINTABLE_STRING: c_int = 19;
    pub const OCTET_STRING: c_int = 4;
    pub const BINARY: c_uint = 0x80;
    pub const PARTIAL: c_uint = 0x4000;
    pub const NO_SIGNER_CERT_VERIFY: u32 = 0x20;
    pub const NO_SMIME_CAPABILITIES: c_uint = 0x200;
}

const MESSAGE_TYPE: &CStr = c"2.16.840.1.113733.1.9.2";
const PKI_STATUS: &CStr = c"2.16.840.1.113733.1.9.3";
const SENDER_NONCE: &CStr = c"2.16.840.1.113733.1.9.5";
const RECIPIENT_NONCE: &CStr = c"2.16.840.1.113733.1.9.6";
const TRANSACTION_ID: &CStr = c"2.16.840.1.113733.1.9.7";

pub struct Server {
    pub ca: X509,
    pub ca_key: PKey<Private>,
    pub ra: X509,
    pub ra_key: PKey<Private>,
    /// The objects of the attributes, made once as a server would.
    message_type: *mut ffi::ASN1_OBJECT,
    transaction_id: *mut ffi::ASN1_OBJECT,
    sender_nonce: *mut ffi::ASN1_OBJECT,
}

impl Server {
    pub fn new(ca: &[u8], ca_key: &[u8], ra: &[u8], ra_key: &[u8]) -> Self {
        // SAFETY: the texts end in NUL; the objects live as long as the program.
        let object = |text: &CStr| unsafe { c::OBJ_txt2obj(text.as_ptr(), 1) };
        Server {
            ca: X509::from_der(ca).unwrap(),
            ca_key: PKey::private_key_from_der(ca_key).unwrap(),
            ra: X509::from_der(ra).unwrap(),
            ra_key: PKey::private_key_from_der(ra_key).unwrap(),
            message_type: object(MESSAGE_TYPE),
            transaction_id: object(TRANSACTION_ID),
            sender_nonce: object(SENDER_NONCE),
        }
    }

    /// From the body of a PKCSReq to the body of the CertRep.
    pub fn transaction(&self, body: &[u8]) -> Vec<u8> {
        let mut message = CmsContentInfo::from_der(body).unwrap();
        let mut envelope = Vec::new();
        // The signer's certificate is the message's own, as in SCEP: no chain is built.
        let flags = CMSOptions::from_bits_retain(c::NO_SIGNER_CERT_VERIFY | c::BINARY);
        message.verify(None, None, None, Some(&mut envelope), flags).unwrap();
        // SAFETY: the signers belong to the message, which lives until the end of this function.
        let signer = unsafe { ffi::OPENSSL_sk_value(c::CMS_get0_SignerInfos(message.as_ptr()), 0) }.cast::<c::SignerInfo>();
        let attribute = |object, kind| {
            // SAFETY: as above; the string belongs to the message.
            unsafe {
                let string = c::CMS_signed_get0_data_by_OBJ(signer, object, -3, kind);
                assert!(!string.is_null(), "an attribute is missing");
                let len = usize::try_from(c::ASN1_STRING_length(string)).unwrap();
                std::slice::from_raw_parts(c::ASN1_STRING_get0_data(string), len)
            }
        };
        assert_eq!(attribute(self.message_type, c::PRINTABLE_STRING), b"19");
        let transaction_id = attribute(self.transaction_id, c::PRINTABLE_STRING);
        let sender_nonce = attribute(self.sender_nonce, c::OCTET_STRING);
        // SAFETY: get1 gives certificates with references of their own, which the stack frees.
        let device = unsafe { Stack::<X509>::from_ptr(c::CMS_get1_certs(message.as_ptr())) }.pop().unwrap();

        let request = CmsContentInfo::from_der(&envelope).unwrap().decrypt(&self.ra_key, &self.ra).unwrap();
        let request = X509Req::from_der(&request).unwrap();
        let key = request.public_key().unwrap();
        assert!(request.verify(&key).unwrap(), "proof of possession");
        // SAFETY: the request lives.
        assert!(unsafe { c::X509_REQ_get_attr_by_NID(request.as_ptr(), c::NID_CHALLENGE_PASSWORD, -1) } >= 0);

        let certificate = self.issue(&request, &key);
        let mut recipients = Stack::new().unwrap();
        recipients.push(device).unwrap();
        let bag = degenerate(&certificate);
        let sealed =
            CmsContentInfo::encrypt(&recipients, &bag, Cipher::aes_128_cbc(), CMSOptions::BINARY).unwrap().to_der().unwrap();
        self.certrep(&sealed, transaction_id, sender_nonce)
    }

    fn issue(&self, request: &X509Req, key: &PKey<openssl::pkey::Public>) -> X509 {
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let mut serial = BigNum::new().unwrap();
        serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
        builder.set_serial_number(&Asn1Integer::from_bn(&serial).unwrap()).unwrap();
        builder.set_issuer_name(self.ca.subject_name()).unwrap();
        builder.set_subject_name(request.subject_name()).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(1_735_689_600).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(1_893_456_000).unwrap()).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.append_extension(KeyUsage::new().critical().digital_signature().key_encipherment().build().unwrap()).unwrap();
        builder.sign(&self.ca_key, MessageDigest::sha256()).unwrap();
        builder.build()
    }

    fn certrep(&self, sealed: &[u8], transaction_id: &[u8], recipient_nonce: &[u8]) -> Vec<u8> {
        let flags = c::BINARY | c::PARTIAL;
        let mut nonce = [0; 16];
        rand_bytes(&mut nonce).unwrap();
        // SAFETY: the buffers outlive the calls, the message is freed by its owner, and each call's outcome is checked.
        unsafe {
            let content = ffi::BIO_new_mem_buf(sealed.as_ptr().cast(), c_int::try_from(sealed.len()).unwrap());
            let message = ffi::CMS_sign(ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), flags);
            assert!(!content.is_null() && !message.is_null());
            let message = CmsContentInfo::from_ptr(message);
            let signer = c::CMS_add1_signer(
                message.as_ptr(),
                self.ra.as_ptr(),
                self.ra_key.as_ptr(),
                ffi::EVP_sha256(),
                c::BINARY | c::NO_SMIME_CAPABILITIES,
            );
            assert!(!signer.is_null());
            for (name, kind, bytes) in [
                (MESSAGE_TYPE, c::PRINTABLE_STRING, &b"3"[..]),
                (PKI_STATUS, c::PRINTABLE_STRING, b"0"),
                (TRANSACTION_ID, c::PRINTABLE_STRING, transaction_id),
                (SENDER_NONCE, c::OCTET_STRING, &nonce),
                (RECIPIENT_NONCE, c::OCTET_STRING, recipient_nonce),
            ] {
                let len = c_int::try_from(bytes.len()).unwrap();
                assert_eq!(c::CMS_signed_add1_attr_by_txt(signer, name.as_ptr(), kind, bytes.as_ptr().cast(), len), 1);
            }
            assert_eq!(c::CMS_final(message.as_ptr(), content, ptr::null_mut(), c::BINARY), 1);
            ffi::BIO_free_all(content);
            message.to_der().unwrap()
        }
    }
}

/// A certs-only message.
fn degenerate(certificate: &X509) -> Vec<u8> {
    // SAFETY: the message is freed here, and each call's outcome is checked; add_certificate takes a reference of its own.
    unsafe {
        let message = c::PKCS7_new();
        assert_eq!(c::PKCS7_set_type(message, c::NID_PKCS7_SIGNED), 1);
        assert_eq!(c::PKCS7_content_new(message, c::NID_PKCS7_DATA), 1);
        assert_eq!(c::PKCS7_add_certificate(message, certificate.as_ptr()), 1);
        let mut der = vec![0; usize::try_from(c::i2d_PKCS7(message, ptr::null_mut())).unwrap()];
        let mut at = der.as_mut_ptr();
        assert!(c::i2d_PKCS7(message, &mut at) > 0);
        c::PKCS7_free(message);
        der
    }
}
