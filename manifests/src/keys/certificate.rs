//! Keys of `Secrets.<name>.Cert`: Go's `x509.Certificate` as encoding/json writes it.

use super::{Key, Kind, Object};

/// Numbers of key usages and of everything else that Go has as an int.
const INT: u64 = i64::MAX as u64;

macro_rules! later {
    ($name:literal, $kind:expr, $rule:literal) => {
        Key::marblerun($name, $kind, "none", $rule).later()
    };
}

pub(crate) static CERTIFICATE: Object = Object {
    name: "Certificate",
    about: "`Secrets.<name>.Cert` is Go's `x509.Certificate` in JSON, with all its keys or some.",
    keys: &[
        Key::marblerun("Subject", Kind::Object(&NAME), "see Name", "whom it names"),
        Key::marblerun(
            "DNSNames",
            Kind::Texts,
            "`localhost`, 127.0.0.1, ::1 if there are no addresses either",
            "DNS names in lower case without wildcards",
        ),
        Key::marblerun("IPAddresses", Kind::Texts, "none", "addresses"),
        Key::marblerun(
            "KeyUsage",
            Kind::Number(INT),
            "1 (digital signature)",
            "Go's bits: 1 digital signature, 2 content commitment, 4 key encipherment, 8 data encipherment, 16 key agreement; no CA's",
        ),
        Key::marblerun(
            "ExtKeyUsage",
            Kind::Numbers,
            "1, 2",
            "Go's numbers: 0 any, 1 server, 2 client, 3 code signing, 4 e-mail, 8 time stamping, 9 OCSP signing",
        ),
        Key::marblerun(
            "NotAfter",
            Kind::Time,
            "`ValidFor`",
            "its last second; `ValidFor` must not stand beside it",
        ),
        later!("Raw", Kind::Bytes, "read by Go, not used"),
        later!("RawTBSCertificate", Kind::Bytes, "read by Go, not used"),
        later!(
            "RawSubjectPublicKeyInfo",
            Kind::Bytes,
            "read by Go, not used"
        ),
        later!("RawSubject", Kind::Bytes, "the subject in DER"),
        later!("RawIssuer", Kind::Bytes, "read by Go, not used"),
        later!("Signature", Kind::Bytes, "read by Go, not used"),
        later!("SignatureAlgorithm", Kind::Number(INT), "Go's number"),
        later!("PublicKeyAlgorithm", Kind::Number(INT), "Go's number"),
        later!("PublicKey", Kind::Any, "read by Go, not used"),
        later!("Version", Kind::Number(INT), "read by Go, not used"),
        later!(
            "SerialNumber",
            Kind::BigNumber,
            "a serial number; ours are random"
        ),
        later!("Issuer", Kind::Object(&NAME), "read by Go, not used"),
        later!(
            "NotBefore",
            Kind::Time,
            "its first second; ours begin when they are made"
        ),
        later!("Extensions", Kind::Any, "read by Go, not used"),
        later!("ExtraExtensions", Kind::Any, "extensions in DER"),
        later!(
            "UnhandledCriticalExtensions",
            Kind::Any,
            "read by Go, not used"
        ),
        later!(
            "UnknownExtKeyUsage",
            Kind::Any,
            "object identifiers of usages"
        ),
        later!("BasicConstraintsValid", Kind::Flag, "belongs to IsCA"),
        later!(
            "IsCA",
            Kind::Flag,
            "a CA; no secret can be one, for it could sign a marble's identity"
        ),
        later!("MaxPathLen", Kind::BigNumber, "belongs to IsCA"),
        later!("MaxPathLenZero", Kind::Flag, "belongs to IsCA"),
        later!(
            "SubjectKeyId",
            Kind::Bytes,
            "a key identifier; ours are made from the key"
        ),
        later!("AuthorityKeyId", Kind::Bytes, "read by Go, not used"),
        later!("OCSPServer", Kind::Texts, "addresses of OCSP servers"),
        later!(
            "IssuingCertificateURL",
            Kind::Texts,
            "addresses of the issuer's certificate"
        ),
        later!("EmailAddresses", Kind::Texts, "e-mail addresses"),
        later!("URIs", Kind::Any, "URIs as Go's url.URL"),
        later!("PermittedDNSDomainsCritical", Kind::Flag, "belongs to IsCA"),
        later!("PermittedDNSDomains", Kind::Texts, "belongs to IsCA"),
        later!("ExcludedDNSDomains", Kind::Texts, "belongs to IsCA"),
        later!("PermittedIPRanges", Kind::Any, "belongs to IsCA"),
        later!("ExcludedIPRanges", Kind::Any, "belongs to IsCA"),
        later!("PermittedEmailAddresses", Kind::Texts, "belongs to IsCA"),
        later!("ExcludedEmailAddresses", Kind::Texts, "belongs to IsCA"),
        later!("PermittedURIDomains", Kind::Texts, "belongs to IsCA"),
        later!("ExcludedURIDomains", Kind::Texts, "belongs to IsCA"),
        later!("CRLDistributionPoints", Kind::Texts, "addresses of CRLs"),
        later!(
            "PolicyIdentifiers",
            Kind::Any,
            "object identifiers of policies"
        ),
        later!("Policies", Kind::Any, "object identifiers of policies"),
        later!("InhibitAnyPolicy", Kind::Number(INT), "belongs to IsCA"),
        later!("InhibitAnyPolicyZero", Kind::Flag, "belongs to IsCA"),
        later!("InhibitPolicyMapping", Kind::Number(INT), "belongs to IsCA"),
        later!("InhibitPolicyMappingZero", Kind::Flag, "belongs to IsCA"),
        later!(
            "RequireExplicitPolicy",
            Kind::Number(INT),
            "belongs to IsCA"
        ),
        later!("RequireExplicitPolicyZero", Kind::Flag, "belongs to IsCA"),
        later!("PolicyMappings", Kind::Any, "belongs to IsCA"),
    ],
};

pub(crate) static NAME: Object = Object {
    name: "Name",
    about: "`Secrets.<name>.Cert.Subject` is Go's `pkix.Name`. Of each list one entry is served.",
    keys: &[
        Key::marblerun(
            "CommonName",
            Kind::Text,
            "the only DNS name, else `Stoa generated certificate`",
            "CN, 1 to 64 bytes",
        ),
        Key::marblerun("Organization", Kind::Texts, "none", "O"),
        Key::marblerun("OrganizationalUnit", Kind::Texts, "none", "OU"),
        Key::marblerun("Country", Kind::Texts, "none", "C, two letters"),
        Key::marblerun("Province", Kind::Texts, "none", "ST"),
        Key::marblerun("Locality", Kind::Texts, "none", "L"),
        Key::marblerun("StreetAddress", Kind::Texts, "none", "street"),
        Key::marblerun("PostalCode", Kind::Texts, "none", "postal code"),
        Key::marblerun(
            "SerialNumber",
            Kind::Text,
            "none",
            "serial number of the subject",
        ),
        later!("Names", Kind::Any, "read by Go, not used"),
        later!(
            "ExtraNames",
            Kind::Any,
            "further attributes by object identifier"
        ),
    ],
};
