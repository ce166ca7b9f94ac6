//! Reading: what is a statement, what is a bundle, and which member is named when it is not.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stoa_attestation::channel::limits;
use stoa_client::{Bundle, Statement, Verdict};
use stoa_explain::Explain as _;
use world::{NOW, World, at};

fn body() -> Value {
    let wire = World::new().wire();
    serde_json::from_slice(&STANDARD.decode(wire.body).unwrap()).unwrap()
}

/// The statement around a body, as it travels.
fn around(body: &[u8]) -> Vec<u8> {
    json!({"body": STANDARD.encode(body), "signature": STANDARD.encode([1; 70])})
        .to_string()
        .into_bytes()
}

fn error(bytes: &[u8]) -> String {
    let error = Statement::parse(bytes).unwrap_err();
    assert!(
        stoa_explain::lookup(error.code()).is_some(),
        "{}",
        error.code()
    );
    assert!(error.remedy().is_some());
    format!("{error} [{}]", error.code())
}

#[test]
fn every_member_must_be_there_and_unknown_ones_are_ignored() {
    let whole = body();
    let mut more = whole.clone();
    more["later_version"] = json!({"x": [1]});
    assert!(Statement::parse(&around(more.to_string().as_bytes())).is_ok());
    for name in whole.as_object().unwrap().keys() {
        let mut less = whole.clone();
        less.as_object_mut().unwrap().remove(name);
        let error = error(&around(less.to_string().as_bytes()));
        assert!(
            error.contains(&format!("missing field `{name}`"))
                && error.ends_with("[statement-malformed]"),
            "{error}"
        );
    }
    for name in ["body", "signature"] {
        let mut less: Value = serde_json::from_slice(&around(b"{}")).unwrap();
        less.as_object_mut().unwrap().remove(name);
        assert!(error(less.to_string().as_bytes()).contains(&format!("missing field `{name}`")));
    }
}

#[test]
fn a_member_that_stands_twice_is_refused_known_or_not_inside_and_outside() {
    let text = body().to_string();
    for twice in [
        "\"time\":1,",
        "\"later\":1,\"later\":1,",
        "\"x\":{\"y\":1,\"y\":1},",
    ] {
        let doubled = text.replacen('{', &format!("{{{twice}"), 1);
        assert!(
            error(&around(doubled.as_bytes())).contains("stands twice"),
            "{twice}"
        );
    }
    let outside = String::from_utf8(around(text.as_bytes()))
        .unwrap()
        .replacen('{', "{\"body\":\"\",", 1);
    assert!(error(outside.as_bytes()).contains("`body` stands twice"));
}

#[test]
fn base64_is_canonical_everywhere() {
    // Each of these decodes to the same bytes for a lenient reader.
    let spoiled = |text: &str| {
        let last = text.trim_end_matches('=').len() - 1;
        let mut other_pad_bits = text.to_owned().into_bytes();
        other_pad_bits[last] += 1;
        let unpadded = text.trim_end_matches('=').to_owned();
        vec![
            String::from_utf8(other_pad_bits).unwrap(),
            unpadded,
            format!("{text}\n"),
            format!(" {text}"),
        ]
    };
    let padded = |text: &str| text.ends_with('=');
    let good = body();
    for name in ["nonce", "evidence", "session_key", "state", "manifest"] {
        let text = good[name].as_str().unwrap();
        let variants = if padded(text) {
            spoiled(text)
        } else {
            spoiled(text).split_off(2)
        };
        for variant in variants {
            let mut bad = good.clone();
            bad[name] = json!(variant);
            let error = error(&around(bad.to_string().as_bytes()));
            assert!(
                error.starts_with(&format!("`{name}` is not canonical base64")),
                "{name}: {error}"
            );
        }
    }
    let mut bad = good.clone();
    bad["nonce"] = json!(
        good["nonce"]
            .as_str()
            .unwrap()
            .replace('=', "")
            .replace('+', "-")
    );
    assert!(error(&around(bad.to_string().as_bytes())).starts_with("`nonce`"));
    let mut bad = good;
    bad["chain"] = json!(["*"]);
    assert!(error(&around(bad.to_string().as_bytes())).starts_with("`chain`"));
}

#[test]
fn values_that_can_not_be_are_named() {
    for (name, value, wanted) in [
        (
            "nonce",
            json!(STANDARD.encode([0; 31])),
            "`nonce` has 31 bytes, wanted 32 [statement-malformed]",
        ),
        (
            "kind",
            json!(0),
            "`kind` is 0, wanted 1 to 4 [statement-malformed]",
        ),
        (
            "kind",
            json!(5),
            "`kind` is 5, wanted 1 to 4 [statement-malformed]",
        ),
        ("kind", json!("1"), "invalid type: string"),
        ("time", json!(-1), "invalid value: integer `-1`"),
        ("time", json!(1.5), "invalid type: floating point"),
        (
            "state",
            json!(STANDARD.encode(b"state")),
            "`state` does not decode",
        ),
        ("legacy", json!("all"), "invalid type: string"),
        (
            "marbles",
            json!([{"type": "a", "live": 1}]),
            "missing field `budget`",
        ),
        (
            "history",
            json!([{"manifest_sha256": "AA".repeat(32), "epoch": 1, "time": 1}]),
            "wanted 64 lower-case hex digits",
        ),
        (
            "history",
            json!([{"manifest_sha256": "aa".repeat(31), "epoch": 1, "time": 1}]),
            "wanted 64 lower-case hex digits",
        ),
    ] {
        let mut bad = body();
        bad[name] = value;
        let error = error(&around(bad.to_string().as_bytes()));
        assert!(error.contains(wanted), "{name}: {error}");
    }
}

#[test]
fn limits_are_inclusive() {
    let entry = json!({"code": "c", "type": "t", "time": 1});
    let transition = json!({"manifest_sha256": "aa".repeat(32), "epoch": 1, "time": 1});
    let bytes = |count: usize| json!(STANDARD.encode(vec![b' '; count]));
    type Make<'a> = Box<dyn Fn(usize) -> Value + 'a>;
    let cases: Vec<(&str, usize, Make<'_>)> = vec![
        ("evidence", limits::EVIDENCE_BYTES_MAX, Box::new(bytes)),
        ("collateral", limits::COLLATERAL_BYTES_MAX, Box::new(bytes)),
        (
            "manifest",
            limits::STATEMENT_MANIFEST_BYTES_MAX,
            Box::new(bytes),
        ),
        ("session_key", limits::SPKI_BYTES_MAX, Box::new(bytes)),
        (
            "refused",
            limits::STATEMENT_REFUSALS_MAX,
            Box::new(|n| json!(vec![entry.clone(); n])),
        ),
        (
            "history",
            limits::STATEMENT_HISTORY_MAX,
            Box::new(|n| json!(vec![transition.clone(); n])),
        ),
        ("chain", 2, Box::new(|n| json!(vec!["AAAA"; n]))),
    ];
    for (name, max, make) in cases {
        for (count, fits) in [(max, true), (max + 1, false)] {
            let mut body = body();
            body[name] = make(count);
            let read = Statement::parse(&around(body.to_string().as_bytes()));
            assert_eq!(read.is_ok(), fits, "{name} of {count}: {:?}", read.err());
        }
    }
    let error = error(&vec![b' '; limits::STATEMENT_BYTES_MAX + 1]);
    assert!(error.ends_with("[too-large]"), "{error}");
}

#[test]
fn no_bytes_bring_the_reader_down() {
    let good = around(body().to_string().as_bytes());
    for end in (0..good.len()).step_by(997) {
        assert!(Statement::parse(&good[..end]).is_err());
    }
    for bytes in [
        &b""[..],
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"{\"body\":1}",
        &[b'['; 100_000],
    ] {
        assert!(Statement::parse(bytes).is_err());
    }
}

fn bundle(world: &World) -> Bundle {
    Bundle {
        nonce: world.nonce,
        fetched_at: at(world.now),
        tls_leaf: Some(world.tls_leaf.clone()),
        statement: world.statement(),
    }
}

#[test]
fn a_bundle_is_read_back_as_written_and_judged_offline() {
    let mut world = World::new();
    let written = bundle(&world).encode();
    let read = Bundle::parse(&written).unwrap();
    assert_eq!(read.encode(), written);
    assert_eq!(
        (read.nonce, read.fetched_at, read.tls_leaf.as_deref()),
        (world.nonce, at(NOW + 1), Some(&*world.tls_leaf))
    );
    world.online = false;
    assert_eq!(world.judged(&read.statement).verdict, Verdict::Verified);
    let without = Bundle {
        tls_leaf: None,
        ..read
    };
    assert_eq!(Bundle::parse(&without.encode()).unwrap().tls_leaf, None);
}

#[test]
fn faults_of_a_bundle_are_named() {
    let good: Value = serde_json::from_slice(&bundle(&World::new()).encode()).unwrap();
    for (name, value, wanted) in [
        (
            "format",
            json!(2),
            "`format` of the bundle is 2, wanted 1 [bundle-malformed]",
        ),
        (
            "nonce",
            json!("AAAA"),
            "`nonce` of the bundle has 3 bytes, wanted 32 [bundle-malformed]",
        ),
        ("nonce", json!("+".repeat(43)), "is not base64url"),
        ("fetched_at", json!("now"), "invalid type"),
        (
            "tls_leaf",
            json!("*"),
            "`tls_leaf` of the bundle is not canonical base64",
        ),
        (
            "statement",
            json!({"body": "", "signature": ""}),
            "the statement in the bundle can't be read [statement-malformed]",
        ),
        ("statement", json!(null), "[bundle-malformed]"),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        let error = Bundle::parse(bad.to_string().as_bytes()).unwrap_err();
        let text = format!("{error} [{}]", error.code());
        assert!(text.contains(wanted), "{name}: {text}");
    }
    for name in good.as_object().unwrap().keys() {
        let mut less = good.clone();
        less.as_object_mut().unwrap().remove(name);
        assert!(
            Bundle::parse(less.to_string().as_bytes())
                .unwrap_err()
                .to_string()
                .contains(name.as_str())
        );
    }
    let twice = good.to_string().replacen('{', "{\"format\":1,", 1);
    assert!(
        Bundle::parse(twice.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("stands twice")
    );
}
