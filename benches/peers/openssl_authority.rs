//! What an authority does, as one writes it with OpenSSL: the `openssl` crate where it has the call, the C interface where it has not.

use std::ffi::{c_int, c_long, c_uchar, c_void};
use std::ptr;

use foreign_types::ForeignType;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private, Public};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, CrlNumber, ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509CrlBuilder, X509Extension, X509Name, X509NameBuilder, X509RevokedBuilder};
use openssl_sys as ffi;

/// Calls that `openssl-sys` does not declare.
mod c {
    use super::*;

    pub enum Request {}
    pub enum One {}
    pub enum Id {}

    unsafe extern "C" {
        pub fn d2i_OCSP_REQUEST(out: *mut *mut Request, bytes: *mut *const c_uchar, len: c_long) -> *mut Request;
        pub fn OCSP_REQUEST_free(request: *mut Request);
        pub fn OCSP_request_onereq_get0(request: *mut Request, at: c_int) -> *mut One;
        pub fn OCSP_onereq_get0_id(one: *mut One) -> *mut Id;
        pub fn OCSP_BASICRESP_new() -> *mut ffi::OCSP_BASICRESP;
        pub fn OCSP_basic_add1_status(
            response: *mut ffi::OCSP_BASICRESP,
            id: *mut Id,
            status: c_int,
            reason: c_int,
            revoked: *mut ffi::ASN1_TIME,
            this_update: *mut ffi::ASN1_TIME,
            next_update: *mut ffi::ASN1_TIME,
        ) -> *mut c_void;
        pub fn OCSP_copy_nonce(response: *mut ffi::OCSP_BASICRESP, request: *mut Request) -> c_int;
        pub fn OCSP_basic_sign(
            response: *mut ffi::OCSP_BASICRESP,
            signer: *mut ffi::X509,
            key: *mut ffi::EVP_PKEY,
            digest: *const ffi::EVP_MD,
            certificates: *mut ffi::stack_st_X509,
            flags: u64,
        ) -> c_int;
        pub fn ASN1_ENUMERATED_new() -> *mut ffi::ASN1_ENUMERATED;
        pub fn ASN1_ENUMERATED_set(value: *mut ffi::ASN1_ENUMERATED, to: c_long) -> c_int;
    }

    pub const NO_CERTIFICATES: u64 = 1;
    pub const BY_KEY: u64 = 0x400;
    pub const NID_CRL_REASON: c_int = 141;
    pub const SUPERSEDED: c_long = 4;
}

pub struct Authority {
    key: PKey<Private>,
    certificate: X509,
    leaf: PKey<Public>,
    subject: X509Name,
    /// "superseded", made once.
    reason: *mut ffi::ASN1_ENUMERATED,
}

impl Authority {
    /// Of this certificate and key; it issues for this public key.
    pub fn new(certificate: &[u8], pkcs8: &[u8], leaf: &[u8]) -> Self {
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_text("O", "Example").unwrap();
        subject.append_entry_by_text("CN", "Device 7").unwrap();
        // SAFETY: the value lives as long as the program.
        let reason = unsafe { c::ASN1_ENUMERATED_new() };
        assert!(!reason.is_null());
        // SAFETY: as above.
        assert_eq!(unsafe { c::ASN1_ENUMERATED_set(reason, c::SUPERSEDED) }, 1);
        Authority {
            reason,
            key: PKey::private_key_from_der(pkcs8).unwrap(),
            certificate: X509::from_der(certificate).unwrap(),
            leaf: PKey::public_key_from_der(leaf).unwrap(),
            subject: subject.build(),
        }
    }

    /// A device's certificate in DER, with the extensions that this crate's has.
    #[allow(deprecated, reason = "the crate has no other call for these two extensions")]
    pub fn issue(&self) -> Vec<u8> {
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        let mut serial = BigNum::new().unwrap();
        serial.rand(126, MsbOption::ONE, false).unwrap();
        builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.set_subject_name(&self.subject).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(365).unwrap()).unwrap();
        builder.set_pubkey(&self.leaf).unwrap();
        builder.append_extension(BasicConstraints::new().critical().build().unwrap()).unwrap();
        let usage = KeyUsage::new().critical().digital_signature().key_encipherment().build().unwrap();
        builder.append_extension(usage).unwrap();
        builder.append_extension(ExtendedKeyUsage::new().client_auth().build().unwrap()).unwrap();
        let addresses = [
            ("crlDistributionPoints", "URI:http://ca.example.com/crl/1.crl"),
            ("authorityInfoAccess", "OCSP;URI:http://ca.example.com/ocsp"),
        ];
        let context = builder.x509v3_context(Some(&self.certificate), None);
        let made = addresses.map(|(name, value)| X509Extension::new(None, Some(&context), name, value).unwrap());
        let subject_key = SubjectKeyIdentifier::new().build(&context).unwrap();
        let authority_key = AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap();
        for extension in made.into_iter().chain([subject_key, authority_key]) {
            builder.append_extension(extension).unwrap();
        }
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        builder.build().to_der().unwrap()
    }

    /// The answer to a question about one certificate: good, with the nonce of the question.
    pub fn answer(&self, question: &[u8]) -> Vec<u8> {
        let (now, later) = (Asn1Time::days_from_now(0).unwrap(), Asn1Time::days_from_now(1).unwrap());
        // SAFETY: each pointer is either owned here and freed at the end, or borrowed from one that is; every result is checked.
        unsafe {
            let mut bytes = question.as_ptr();
            let request = c::d2i_OCSP_REQUEST(ptr::null_mut(), &raw mut bytes, c_long::try_from(question.len()).unwrap());
            assert!(!request.is_null());
            let id = c::OCSP_onereq_get0_id(c::OCSP_request_onereq_get0(request, 0));
            let basic = c::OCSP_BASICRESP_new();
            let single = c::OCSP_basic_add1_status(basic, id, 0, 0, ptr::null_mut(), now.as_ptr(), later.as_ptr());
            assert!(!single.is_null());
            assert_eq!(c::OCSP_copy_nonce(basic, request), 1);
            let flags = c::NO_CERTIFICATES | c::BY_KEY;
            let (signer, key) = (self.certificate.as_ptr(), self.key.as_ptr());
            assert_eq!(c::OCSP_basic_sign(basic, signer, key, ffi::EVP_sha256(), ptr::null_mut(), flags), 1);
            let response = ffi::OCSP_response_create(0, basic);
            let mut der = vec![0; usize::try_from(ffi::i2d_OCSP_RESPONSE(response, ptr::null_mut())).unwrap()];
            let mut out = der.as_mut_ptr();
            assert!(ffi::i2d_OCSP_RESPONSE(response, &raw mut out) > 0);
            ffi::OCSP_RESPONSE_free(response);
            ffi::OCSP_BASICRESP_free(basic);
            c::OCSP_REQUEST_free(request);
            der
        }
    }

    /// A revocation list of so many entries, each with a reason, in DER.
    pub fn list(&self, entries: u64) -> Vec<u8> {
        let (now, later) = (Asn1Time::days_from_now(0).unwrap(), Asn1Time::days_from_now(7).unwrap());
        let mut list = X509CrlBuilder::new().unwrap();
        list.set_issuer_name(self.certificate.subject_name()).unwrap();
        list.set_last_update(&now).unwrap();
        list.set_next_update(&later).unwrap();
        for number in 0..entries {
            let mut entry = X509RevokedBuilder::new().unwrap();
            let serial = BigNum::from_slice(&crate::serial(number)).unwrap().to_asn1_integer().unwrap();
            entry.set_serial_number(&serial).unwrap();
            entry.set_revocation_date(&now).unwrap();
            let entry = entry.build();
            // SAFETY: the entry is owned here; the value is copied.
            let status = unsafe { ffi::X509_REVOKED_add1_ext_i2d(entry.as_ptr(), c::NID_CRL_REASON, self.reason.cast(), 0, 0) };
            assert_eq!(status, 1);
            list.add_revoked(entry).unwrap();
        }
        list.append_extension(CrlNumber::new(BigNum::from_u32(7).unwrap()).unwrap().build().unwrap()).unwrap();
        let builder = X509Builder::new().unwrap();
        let context = builder.x509v3_context(Some(&self.certificate), None);
        list.append_extension(AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap()).unwrap();
        list.sort().unwrap();
        list.sign(&self.key, MessageDigest::sha256()).unwrap();
        list.build().unwrap().to_der().unwrap()
    }
}
