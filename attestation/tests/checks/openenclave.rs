//! Check 1: OpenEnclave's header around an SGX quote, as MarbleRun's marbles send it.

use stoa_attestation::{Evidence, Kind};
use stoa_explain::Explain;

use crate::support::forge::World;

fn wrapped(version: u32, report_type: u32, len: u64, quote: &[u8]) -> Vec<u8> {
    [
        &version.to_le_bytes()[..],
        &report_type.to_le_bytes(),
        &len.to_le_bytes(),
        quote,
    ]
    .concat()
}

fn code(bytes: &[u8]) -> &'static str {
    match Evidence::parse_openenclave(bytes) {
        Ok(evidence) => {
            assert_eq!(evidence.kind(), Kind::SgxDcap);
            "read"
        }
        Err(invalid) => invalid.code(),
    }
}

#[test]
fn reads_a_quote_behind_the_header() {
    let quote = World::sgx().quote();
    let bytes = wrapped(1, 2, quote.len() as u64, &quote);
    assert_eq!(code(&bytes), "read");
    assert_eq!(Evidence::detect(&bytes).unwrap().kind(), Kind::SgxDcap);
}

#[test]
fn refuses_another_version_type_or_length() {
    let quote = World::sgx().quote();
    let len = quote.len() as u64;
    for (what, bytes) in [
        ("version 0", wrapped(0, 2, len, &quote)),
        ("version 2", wrapped(2, 2, len, &quote)),
        ("type 1, a local report", wrapped(1, 1, len, &quote)),
        ("type 3", wrapped(1, 3, len, &quote)),
        ("length one less", wrapped(1, 2, len - 1, &quote)),
        ("length one more", wrapped(1, 2, len + 1, &quote)),
        ("length 0", wrapped(1, 2, 0, &quote)),
        (
            "length with a bit above 32",
            wrapped(1, 2, len | 1 << 32, &quote),
        ),
        ("largest length", wrapped(1, 2, u64::MAX, &quote)),
        (
            "a byte behind",
            [wrapped(1, 2, len, &quote), vec![7]].concat(),
        ),
        (
            "a zero behind",
            [wrapped(1, 2, len, &quote), vec![0]].concat(),
        ),
        ("no quote", wrapped(1, 2, len, &[])),
        ("half a header", wrapped(1, 2, len, &[])[..15].to_vec()),
        ("nothing", Vec::new()),
        ("a raw quote", quote.clone()),
    ] {
        assert_eq!(code(&bytes), "openenclave-header-invalid", "{what}");
    }
}

#[test]
fn the_quote_inside_is_judged_like_any_other() {
    let quote = World::sgx().quote();
    let short = &quote[..quote.len() - 1];
    assert_eq!(
        code(&wrapped(1, 2, short.len() as u64, short)),
        "evidence-malformed"
    );
    assert_eq!(code(&wrapped(1, 2, 0, &[])), "evidence-malformed");
    let tdx = World::tdx().quote();
    assert_eq!(
        code(&wrapped(1, 2, tdx.len() as u64, &tdx)),
        "evidence-kind-differs"
    );
}
