//! The object identifiers of PKIX that hosts compare with.

use crate::asn1::Oid;

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $content:expr;)*) => {
        $($(#[$doc])* pub const $name: Oid<'static> = Oid::from_content(&$content);)*
    };
}

// Attributes of names: RFC 5280 appendix A.1, RFC 4519.
oids! {
    /// `CN`, 2.5.4.3.
    COMMON_NAME = [0x55, 0x04, 0x03];
    /// `SN`, 2.5.4.4.
    SURNAME = [0x55, 0x04, 0x04];
    /// `serialNumber`, 2.5.4.5: a device's, not the certificate's.
    SERIAL_NUMBER = [0x55, 0x04, 0x05];
    /// `C`, 2.5.4.6.
    COUNTRY = [0x55, 0x04, 0x06];
    /// `L`, 2.5.4.7.
    LOCALITY = [0x55, 0x04, 0x07];
    /// `ST`, 2.5.4.8.
    STATE = [0x55, 0x04, 0x08];
    /// `STREET`, 2.5.4.9.
    STREET = [0x55, 0x04, 0x09];
    /// `O`, 2.5.4.10.
    ORGANIZATION = [0x55, 0x04, 0x0A];
    /// `OU`, 2.5.4.11.
    ORGANIZATIONAL_UNIT = [0x55, 0x04, 0x0B];
    /// `title`, 2.5.4.12.
    TITLE = [0x55, 0x04, 0x0C];
    /// `givenName`, 2.5.4.42.
    GIVEN_NAME = [0x55, 0x04, 0x2A];
    /// `UID`, 0.9.2342.19200300.100.1.1: where a push certificate carries its topic.
    USER_ID = [0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 0x01];
    /// `DC`, 0.9.2342.19200300.100.1.25.
    DOMAIN_COMPONENT = [0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 0x19];
    /// `emailAddress`, 1.2.840.113549.1.9.1.
    EMAIL_ADDRESS = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x01];
}

// Purposes of keys: RFC 5280 section 4.2.1.12.
oids! {
    /// anyExtendedKeyUsage, 2.5.29.37.0.
    ANY_PURPOSE = [0x55, 0x1D, 0x25, 0x00];
    /// id-kp-serverAuth, 1.3.6.1.5.5.7.3.1.
    SERVER_AUTH = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
    /// id-kp-clientAuth, 1.3.6.1.5.5.7.3.2.
    CLIENT_AUTH = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
    /// id-kp-codeSigning, 1.3.6.1.5.5.7.3.3.
    CODE_SIGNING = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
    /// id-kp-emailProtection, 1.3.6.1.5.5.7.3.4.
    EMAIL_PROTECTION = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];
    /// id-kp-OCSPSigning, 1.3.6.1.5.5.7.3.9.
    OCSP_SIGNING = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];
}

// Extensions: RFC 5280 sections 4.2 and 5.2.
oids! {
    /// id-ce-subjectKeyIdentifier, 2.5.29.14.
    SUBJECT_KEY_IDENTIFIER = [0x55, 0x1D, 0x0E];
    /// id-ce-keyUsage, 2.5.29.15.
    KEY_USAGE = [0x55, 0x1D, 0x0F];
    /// id-ce-subjectAltName, 2.5.29.17.
    SUBJECT_ALT_NAME = [0x55, 0x1D, 0x11];
    /// id-ce-basicConstraints, 2.5.29.19.
    BASIC_CONSTRAINTS = [0x55, 0x1D, 0x13];
    /// id-ce-cRLNumber, 2.5.29.20.
    CRL_NUMBER = [0x55, 0x1D, 0x14];
    /// id-ce-cRLReasons, 2.5.29.21.
    CRL_REASON = [0x55, 0x1D, 0x15];
    /// id-ce-invalidityDate, 2.5.29.24.
    INVALIDITY_DATE = [0x55, 0x1D, 0x18];
    /// id-ce-deltaCRLIndicator, 2.5.29.27.
    DELTA_CRL_INDICATOR = [0x55, 0x1D, 0x1B];
    /// id-ce-issuingDistributionPoint, 2.5.29.28.
    ISSUING_DISTRIBUTION_POINT = [0x55, 0x1D, 0x1C];
    /// id-ce-nameConstraints, 2.5.29.30.
    NAME_CONSTRAINTS = [0x55, 0x1D, 0x1E];
    /// id-ce-cRLDistributionPoints, 2.5.29.31.
    CRL_DISTRIBUTION_POINTS = [0x55, 0x1D, 0x1F];
    /// id-ce-certificatePolicies, 2.5.29.32.
    CERTIFICATE_POLICIES = [0x55, 0x1D, 0x20];
    /// id-ce-freshestCRL, 2.5.29.46.
    FRESHEST_CRL = [0x55, 0x1D, 0x2E];
    /// id-ce-authorityKeyIdentifier, 2.5.29.35.
    AUTHORITY_KEY_IDENTIFIER = [0x55, 0x1D, 0x23];
    /// id-ce-extKeyUsage, 2.5.29.37.
    EXTENDED_KEY_USAGE = [0x55, 0x1D, 0x25];
    /// id-pe-authorityInfoAccess, 1.3.6.1.5.5.7.1.1.
    AUTHORITY_INFO_ACCESS = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
    /// id-pkix-ocsp-nocheck, 1.3.6.1.5.5.7.48.1.5.
    OCSP_NO_CHECK = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05];
}

// Attributes of requests: RFC 2985 section 5.4.
oids! {
    /// challengePassword, 1.2.840.113549.1.9.7.
    CHALLENGE_PASSWORD = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x07];
    /// extensionRequest, 1.2.840.113549.1.9.14.
    EXTENSION_REQUEST = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x0E];
    /// Microsoft's older identifier of the same, 1.3.6.1.4.1.311.2.1.14.
    MICROSOFT_EXTENSION_REQUEST = [0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x0E];
}
