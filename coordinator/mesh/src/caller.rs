//! Who asks for something, before anybody looked up who that is.
//!
//! Does not live here: who may do what (`approve`).

/// Who asks, as far as the transport knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caller {
    /// SHA-256 of the DER of the TLS client certificate, if there was one.
    pub certificate: Option<[u8; 32]>,
}
