//! What is asked, of which version of the API, and how answers are read.

use stoa_attestation::Collateral;
use stoa_collateral::{CollateralError, Fetched, Source};
use stoa_explain::Explain as _;
use stoa_synthetic::pccs::respond;

use crate::double::{Double, Reply, answer};
use crate::world::{NOW, at, bytes, keeper, platform, published, sources, vendor};

async fn fetch(double: &Double) -> Result<Fetched, CollateralError> {
    Source::parse(double.url(), None)
        .unwrap()
        .fetch(&platform())
        .await
}

/// That it is whole and signed: read as the coordinator reads it.
fn verified(fetched: &Fetched) {
    let keeper = keeper(Vec::new());
    let parsed = Collateral::parse(&fetched.json).unwrap();
    parsed.verify(&keeper.trust()).unwrap();
}

#[tokio::test]
async fn four_requests_make_one_platforms_collateral_and_the_version_of_the_api_is_said() {
    let double = Double::start(published(NOW));
    let fetched = fetch(&double).await.unwrap();
    verified(&fetched);
    assert_eq!(fetched.source, format!("{} (API v4)", double.url()));
    let mut asked = double.asked();
    asked.sort();
    assert_eq!(
        asked,
        [
            "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
            "/sgx/certification/v4/qe/identity",
            "/sgx/certification/v4/rootcacrl",
            "/sgx/certification/v4/tcb?fmspc=009067110000",
        ]
    );
}

#[tokio::test]
async fn collateral_of_tdx_is_asked_for_under_its_own_paths() {
    let double = Double::start(published(NOW));
    let platform = "tdx:009067110000:platform".parse().unwrap();
    let source = Source::parse(double.url(), None).unwrap();
    verified(&source.fetch(&platform).await.unwrap());
    let asked = double.asked();
    assert!(asked.contains(&"/tdx/certification/v4/tcb?fmspc=009067110000".to_owned()));
    assert!(asked.contains(&"/tdx/certification/v4/qe/identity".to_owned()));
}

#[tokio::test]
async fn a_service_with_the_paths_and_headers_of_version_3_only_is_understood() {
    let vendor = vendor();
    let double = Double::start(move |target| {
        let Some(rest) = target.strip_prefix("/sgx/certification/v3/") else {
            return Reply::Bytes(answer("404 Not Found", &[], b"no such API"));
        };
        let mut response = respond(&vendor, &format!("/sgx/certification/v4/{rest}"), at(NOW));
        for (name, _) in &mut response.headers {
            if *name == "TCB-Info-Issuer-Chain" {
                *name = "SGX-TCB-Info-Issuer-Chain";
            }
        }
        Reply::Bytes(bytes(&response))
    });
    let fetched = fetch(&double).await.unwrap();
    verified(&fetched);
    assert!(fetched.source.ends_with("(API v3)"), "{}", fetched.source);
}

#[tokio::test]
async fn tcb_info_of_version_2_is_named_and_never_kept() {
    let vendor = vendor();
    let double = Double::start(move |target| {
        let response = respond(&vendor, target, at(NOW));
        let mut response = response;
        if target.contains("/tcb?") {
            let text = String::from_utf8(response.body).unwrap();
            response.body = text.replace("\"version\":3", "\"version\":2").into_bytes();
        }
        Reply::Bytes(bytes(&response))
    });
    let keeper = keeper(sources(&[&double]));
    let unverified = unverified();
    let error = keeper
        .endorsement(&unverified, at(NOW))
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "collateral-not-verified");
    assert!(error.to_string().contains(double.url()), "{error}");
}

fn unverified() -> stoa_attestation::UnverifiedPlatform {
    crate::kept::unverified()
}

#[tokio::test]
async fn the_roots_crl_of_a_pcs_is_read_where_it_publishes_it() {
    let vendor = vendor();
    let double = Double::start(move |target| {
        if target.contains("rootcacrl") {
            return Reply::Bytes(answer("404 Not Found", &[], b""));
        }
        Reply::Bytes(bytes(&respond(&vendor, target, at(NOW))))
    });
    verified(&fetch(&double).await.unwrap());
    assert!(double.asked().contains(&"/IntelSGXRootCA.der".to_owned()));
}

#[tokio::test]
async fn crls_are_read_in_hex_and_in_der_wherever_they_stand() {
    for to_hex in [true, false] {
        let vendor = vendor();
        let double = Double::start(move |target| {
            let mut response = respond(&vendor, target, at(NOW));
            if target.contains("crl") {
                let der = match response.body.first() {
                    Some(0x30) if response.body[1] >= 0x80 => response.body.clone(),
                    _ => hex_decode(&response.body),
                };
                response.body = if to_hex { hex_encode(&der) } else { der };
            }
            Reply::Bytes(bytes(&response))
        });
        verified(&fetch(&double).await.unwrap());
    }
}

fn hex_decode(text: &[u8]) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// In capitals and with an end of line, as some services write it.
fn hex_encode(der: &[u8]) -> Vec<u8> {
    format!("{}\n", hex::encode_upper(der)).into_bytes()
}

#[tokio::test]
async fn answers_of_http_1_0_without_a_length_are_read_to_their_end() {
    let vendor = vendor();
    let double = Double::start(move |target| {
        let response = respond(&vendor, target, at(NOW));
        let mut out = b"HTTP/1.0 200 OK\r\n".to_vec();
        for (name, value) in &response.headers {
            out.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        out.extend(b"\r\n");
        out.extend(&response.body);
        Reply::Bytes(out)
    });
    verified(&fetch(&double).await.unwrap());
}

#[tokio::test]
async fn a_prefix_of_the_url_stands_before_every_path() {
    let vendor = vendor();
    let double = Double::start(move |target| {
        let target = target.strip_prefix("/cache/intel").unwrap_or("/");
        Reply::Bytes(bytes(&respond(&vendor, target, at(NOW))))
    });
    let source = Source::parse(&format!("{}/cache/intel/", double.url()), None).unwrap();
    verified(&source.fetch(&platform()).await.unwrap());
}
