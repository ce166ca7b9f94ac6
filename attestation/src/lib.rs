//! Evidence formats and their verification: is this evidence genuine, and what does it say?
//!
//! [`Evidence::parse`] reads, [`Evidence::verify`] judges and gives [`Verified`]`<`[`Claims`]`>`, [`policy::appraise`]
//! decides whether that is acceptable. Trust, time and memory are arguments; docs/protocol/dcap.md and snp.md have the checks.
//! Must not live here: I/O, clocks, random numbers, threads, a choice of crypto backend.

pub mod channel;
pub mod lp;
pub mod policy;

mod claims;
mod collateral;
mod crl;
mod dates;
mod der;
mod evidence;
mod expected;
mod floor;
mod invalid;
mod kind;
mod members;
mod pck;
mod pem;
mod product;
mod qe_identity;
mod quote;
mod reader;
mod sgx;
mod signatures;
mod snp;
mod snp_collateral;
mod snp_verify;
mod status;
mod tcb;
mod tcb_info;
mod tdx;
mod trust;
mod vek;
mod verdict;
mod verified;
mod verify;
mod x509;

pub use claims::{Claims, Dates, IntelOrigin, Origin, SnpOrigin};
pub use collateral::{COLLATERAL_LEN_MAX, Collateral, UnverifiedCollateral};
pub use dates::{Utc, Window};
pub use evidence::{EVIDENCE_LEN_MAX, Evidence, UnverifiedChip, UnverifiedPlatform};
pub use expected::Expected;
pub use floor::{
    CollateralOlder, FLOOR_NAME_BYTES_MAX, FLOOR_NUMBER_BYTES_MAX, FLOOR_OBJECTS_MAX, Floors, Mark,
};
pub use invalid::{Chain, CrlName, Dated, Invalid, Role, TcbPart};
pub use kind::Kind;
pub use pck::Platform;
pub use policy::{Reference, ReferenceValue, SgxReference, SnpReference, TcbPolicy, TdxReference};
pub use product::{Product, SnpTcb, VekKind};
pub use quote::Body;
pub use sgx::{SgxAttributes, SgxBody};
pub use signatures::{NoMemo, SignatureMemo};
pub use snp::{GuestPolicy, PlatformInfo, SnpBody};
pub use status::{ComponentStatus, TcbStatus, UnknownTcbStatus};
pub use tcb::Tcb;
pub use tdx::{Td15, Td15Ex, TdAttributes, TdxBody};
pub use trust::{Anchor, Trust, Vendor};
pub use verdict::{Verdict, snp_of_vectors, verdict};
pub use verified::Verified;
