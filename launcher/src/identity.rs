//! The marble's identity for programs that read PEM: files below `--files`, and MarbleRun's variables.
//!
//! The coordinator never had the private key, so what needs it is made here. PEM: RFC 7468.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marble_sdk::Marble;
use zeroize::Zeroizing;

use crate::error::LaunchError;
use crate::files::{FILE_MODE_DEFAULT, Folder, IDENTITY, Planned};

/// Characters of a line of PEM.
const PEM_LINE_CHARS: usize = 64;

/// `tls/cert.pem` (leaf, issuing CA), `tls/key.pem` (PKCS #8) and `tls/ca.pem` (the roots of the mesh).
pub(crate) fn files(marble: &Marble, folder: &Folder) -> Result<Vec<Planned>, LaunchError> {
    let file = |name: &str, data| Planned {
        path: folder.join(&format!("{IDENTITY}/{name}")),
        mode: FILE_MODE_DEFAULT,
        data,
    };
    Ok(vec![
        file(
            "cert.pem",
            pem("CERTIFICATE", marble.chain().iter().map(AsRef::as_ref))?,
        ),
        file("key.pem", private_key(marble)?),
        file(
            "ca.pem",
            pem("CERTIFICATE", marble.trust().iter().map(AsRef::as_ref))?,
        ),
    ])
}

/// PEM of the private key, PKCS #8.
pub(crate) fn private_key(marble: &Marble) -> Result<Zeroizing<Vec<u8>>, LaunchError> {
    pem("PRIVATE KEY", std::iter::once(marble.private_key_pkcs8()))
}

/// PEM blocks of one label, in a buffer that is large enough from the start: a buffer that grows leaves copies behind.
fn pem<'a>(
    label: &str,
    ders: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<Zeroizing<Vec<u8>>, LaunchError> {
    let length = |der: &[u8]| {
        let chars = der.len().div_ceil(3) * 4;
        chars + chars.div_ceil(PEM_LINE_CHARS) + 2 * (label.len() + "-----BEGIN -----\n".len())
    };
    let capacity = ders.clone().map(length).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(capacity));
    let mut line = Zeroizing::new([0; PEM_LINE_CHARS]);
    for der in ders {
        out.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
        for chunk in der.chunks(PEM_LINE_CHARS / 4 * 3) {
            let chars = STANDARD
                .encode_slice(chunk, &mut line[..])
                .map_err(|error| LaunchError::Bug(format!("a line of PEM: {error}")))?;
            out.extend_from_slice(&line[..chars]);
            out.push(b'\n');
        }
        out.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    }
    if out.len() > capacity {
        return Err(LaunchError::Bug(format!(
            "{} bytes of PEM, {capacity} were expected",
            out.len()
        )));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn pem_is_as_openssl_writes_it() {
        for length in [0, 1, 2, 3, 47, 48, 49, 96, 1000] {
            let der: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let pem = pem("CERTIFICATE", [&der[..], &der[..]].into_iter()).unwrap();
            let text = String::from_utf8(pem.to_vec()).unwrap();
            assert!(text.lines().all(|line| line.len() <= 64), "{text}");
            let parsed: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
                .map(Result::unwrap)
                .collect();
            assert_eq!(
                parsed,
                [CertificateDer::from(der.clone()), CertificateDer::from(der)],
                "{length} bytes"
            );
        }
    }
}
