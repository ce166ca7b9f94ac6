//! Collateral over HTTP on loopback, in the form of Intel's PCS and PCCS, version 4, and of AMD's KDS.
//!
//! HTTP/1.1, one GET a connection; every limit is a constant. Source: Intel PCS API v4; PCCS adds `rootcacrl` (hex);
//! AMD 57230, 4 (`/vcek/v1/..`).
//! Does not live here: the client (`stoa-collateral`).

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::UnixTime;

use crate::knobs::Tee;
use crate::platform::Platform;
use crate::snp::PRODUCT;

/// Bytes of a request's head, at most.
const HEAD_LEN_MAX: usize = 8 * 1024;
/// Connections at the same time, at most; more are closed at once.
const CONNECTIONS_MAX: usize = 64;
/// Where the KDS has what it says of VCEKs: the product follows.
const KDS_VCEK: &str = "/vcek/v1/";
/// For the whole of one request, and for writing its answer.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// A running collateral service.
pub struct Service {
    addr: SocketAddr,
}

impl Service {
    /// Serves `platform`'s collateral from threads of this process until it ends.
    ///
    /// # Errors
    /// If the address cannot be listened on, or is not a loopback one.
    pub fn start(platform: Platform, addr: SocketAddr) -> std::io::Result<Self> {
        if !addr.ip().is_loopback() {
            return Err(std::io::Error::other(format!(
                "{addr} is not a loopback address: collateral of a synthetic vendor stays on this machine"
            )));
        }
        let listener = TcpListener::bind(addr)?;
        let addr = listener.local_addr()?;
        std::thread::Builder::new()
            .name("pccs".to_owned())
            .spawn(move || accept(&listener, &Arc::new(platform)))?;
        Ok(Self { addr })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://ADDR`, what `--pccs` takes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

fn accept(listener: &TcpListener, platform: &Arc<Platform>) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of file descriptors, say: let others end first.
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (platform, open_there) = (Arc::clone(platform), Arc::clone(&open));
        let started = std::thread::Builder::new().spawn(move || {
            // A peer that hangs up has its answer already or does not want it.
            let _ = answer(stream, &platform);
            open_there.fetch_sub(1, Ordering::Relaxed);
        });
        if started.is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn answer(mut stream: TcpStream, platform: &Platform) -> std::io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_TIME_MAX))?;
    stream.set_write_timeout(Some(REQUEST_TIME_MAX))?;
    let response = match read_target(&mut stream)? {
        Ok(target) => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            respond(platform, &target, UnixTime::since_unix_epoch(now))
        }
        Err(response) => response,
    };
    stream.write_all(&response.bytes())
}

/// The request's target, or what to answer instead.
fn read_target(stream: &mut TcpStream) -> std::io::Result<Result<String, Response>> {
    let started = std::time::Instant::now();
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        if head.len() > HEAD_LEN_MAX || started.elapsed() > REQUEST_TIME_MAX {
            return Ok(Err(Response::text(
                431,
                "the request's head is too long or too slow",
            )));
        }
        match stream.read(&mut piece)? {
            0 => return Ok(Err(Response::text(400, "the request ends in its head"))),
            len => head.extend_from_slice(&piece[..len]),
        }
    }
    let line = head.split(|&b| b == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    Ok(match (words.next(), words.next(), words.next()) {
        (Some("GET"), Some(target), Some("HTTP/1.1" | "HTTP/1.0")) => Ok(target.to_owned()),
        (Some("GET"), ..) => Err(Response::text(400, "the request line is malformed")),
        _ => Err(Response::text(405, "only GET is served")),
    })
}

/// One answer: status, headers beside the usual ones, body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "text/plain".to_owned())],
            body: text.as_bytes().to_vec(),
        }
    }

    fn with_chain(content_type: &str, header: &'static str, chain: &str, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            headers: vec![
                ("Content-Type", content_type.to_owned()),
                (header, percent_encoded(chain)),
            ],
            body,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            _ => "Refused",
        };
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(
            head,
            "Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.body.len()
        );
        let mut out = head.into_bytes();
        out.extend_from_slice(&self.body);
        out
    }
}

/// What the service answers to a target (path and query) at `now`.
#[must_use]
pub fn respond(platform: &Platform, target: &str, now: UnixTime) -> Response {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameter = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let collateral = |tee| platform.collateral(tee, now);
    match path {
        "/sgx/certification/v4/tcb" | "/tdx/certification/v4/tcb" => {
            let ours = hex::encode(platform.knobs().fmspc);
            match parameter("fmspc") {
                None => Response::text(400, "the parameter fmspc is missing"),
                Some(fmspc) if !fmspc.eq_ignore_ascii_case(&ours) => {
                    Response::text(404, "no TCB info for this FMSPC")
                }
                Some(_) => {
                    let c = collateral(tee_of(path));
                    let body = signed("tcbInfo", &c.tcb_info, &c.tcb_info_signature);
                    Response::with_chain(
                        "application/json",
                        "TCB-Info-Issuer-Chain",
                        &c.tcb_signer_chain,
                        body,
                    )
                }
            }
        }
        "/sgx/certification/v4/qe/identity" | "/tdx/certification/v4/qe/identity" => {
            let c = collateral(tee_of(path));
            let body = signed("enclaveIdentity", &c.qe_identity, &c.qe_identity_signature);
            Response::with_chain(
                "application/json",
                "SGX-Enclave-Identity-Issuer-Chain",
                &c.tcb_signer_chain,
                body,
            )
        }
        "/sgx/certification/v4/pckcrl" => match (parameter("ca"), parameter("encoding")) {
            (Some(ca), Some("der")) if ca == platform.knobs().pck_ca.name() => {
                let c = collateral(Tee::Sgx);
                Response::with_chain(
                    "application/pkix-crl",
                    "SGX-PCK-CRL-Issuer-Chain",
                    &c.pck_crl_issuer_chain,
                    c.pck_crl,
                )
            }
            (Some(_), Some("der")) => Response::text(404, "no CRL of this CA"),
            _ => Response::text(400, "the parameters ca and encoding=der are needed"),
        },
        "/sgx/certification/v4/rootcacrl" => Response {
            status: 200,
            headers: vec![("Content-Type", "text/plain".to_owned())],
            body: hex::encode(collateral(Tee::Sgx).root_ca_crl).into_bytes(),
        },
        "/IntelSGXRootCA.der" => Response {
            status: 200,
            headers: vec![("Content-Type", "application/pkix-crl".to_owned())],
            body: collateral(Tee::Sgx).root_ca_crl,
        },
        _ => match path
            .strip_prefix(KDS_VCEK)
            .and_then(|of| of.split_once('/'))
        {
            Some((PRODUCT, rest)) => kds(platform, rest, parameter, now),
            _ => Response::text(404, "no such resource"),
        },
    }
}

/// What the KDS has of the product: chain, list, and the VCEK of this chip at its TCB.
fn kds<'a>(
    platform: &Platform,
    rest: &str,
    parameter: impl Fn(&str) -> Option<&'a str>,
    now: UnixTime,
) -> Response {
    let binary = |body: Vec<u8>| Response {
        status: 200,
        headers: vec![("Content-Type", "application/octet-stream".to_owned())],
        body,
    };
    let no_vendor = || Response::text(404, "no vendor of SNP: start the platform with --snp");
    let Some(vendor) = platform.snp_vendor() else {
        return no_vendor();
    };
    match rest {
        "cert_chain" => Response {
            status: 200,
            headers: vec![("Content-Type", "application/x-pem-file".to_owned())],
            body: vendor.chain_pem().into_bytes(),
        },
        "crl" => platform.ark_crl(now).map_or_else(no_vendor, binary),
        chip if chip != hex::encode(platform.chip_id()) => Response::text(404, "no such chip"),
        _ => {
            let names = ["blSPL", "teeSPL", "snpSPL", "ucodeSPL"];
            let asked = names.map(|name| parameter(name).and_then(|text| text.parse::<u8>().ok()));
            if asked.contains(&None) {
                return Response::text(400, "blSPL, teeSPL, snpSPL and ucodeSPL are needed");
            }
            if asked == platform.snp_tcb().map(Some) {
                return platform.vcek().map_or_else(no_vendor, binary);
            }
            Response::text(404, "the chip is not at this TCB")
        }
    }
}

fn tee_of(path: &str) -> Tee {
    if path.starts_with("/tdx/") {
        Tee::Tdx
    } else {
        Tee::Sgx
    }
}

/// The signed text as it is, with its signature beside it.
fn signed(name: &str, text: &str, signature: &[u8; 64]) -> Vec<u8> {
    format!(
        r#"{{"{name}":{text},"signature":"{}"}}"#,
        hex::encode(signature)
    )
    .into_bytes()
}

/// Everything but unreserved characters as %XX (RFC 3986, 2.3), as the vendor sends chains in headers.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::knobs::Knobs;

    fn now() -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(1_795_000_000))
    }

    #[test]
    fn serves_what_the_platform_says_and_nothing_else() {
        let platform = Platform::seeded(
            [1; 32],
            Knobs {
                fmspc: [0x00, 0x90, 0x6E, 0xD5, 0x00, 0x00],
                ..Knobs::default()
            },
        );
        let cases = [
            ("/sgx/certification/v4/tcb?fmspc=00906ED50000", 200),
            ("/sgx/certification/v4/tcb?fmspc=00906ed50000", 200),
            (
                "/tdx/certification/v4/tcb?fmspc=00906ed50000&update=standard",
                200,
            ),
            ("/tdx/certification/v4/tcb?fmspc=00906ed50001", 404),
            ("/tdx/certification/v4/tcb", 400),
            ("/sgx/certification/v4/qe/identity", 200),
            ("/tdx/certification/v4/qe/identity?update=standard", 200),
            ("/sgx/certification/v4/pckcrl?ca=platform&encoding=der", 200),
            (
                "/sgx/certification/v4/pckcrl?ca=processor&encoding=der",
                404,
            ),
            ("/sgx/certification/v4/pckcrl?ca=platform", 400),
            ("/sgx/certification/v4/rootcacrl", 200),
            ("/sgx/certification/v3/rootcacrl", 404),
            ("/", 404),
        ];
        for (target, status) in cases {
            assert_eq!(respond(&platform, target, now()).status, status, "{target}");
        }
    }

    #[test]
    fn signed_text_travels_byte_by_byte_and_chains_in_headers() {
        let platform = Platform::seeded([1; 32], Knobs::default());
        let response = respond(
            &platform,
            "/tdx/certification/v4/tcb?fmspc=009067110000",
            now(),
        );
        let text = String::from_utf8(response.body).unwrap();
        assert!(text.contains(&platform.collateral(Tee::Tdx, now()).tcb_info));
        let (name, chain) = &response.headers[1];
        assert_eq!(*name, "TCB-Info-Issuer-Chain");
        assert!(
            chain.starts_with("-----BEGIN%20CERTIFICATE-----%0A"),
            "{chain}"
        );
    }

    #[test]
    fn refuses_to_serve_beyond_loopback() {
        let platform = Platform::seeded([1; 32], Knobs::default());
        let addr = SocketAddr::from(([0, 0, 0, 0], 0));
        assert!(Service::start(platform, addr).is_err());
    }

    #[test]
    fn survives_garbage_and_too_long_heads() {
        let platform = Platform::seeded([1; 32], Knobs::default());
        let service = Service::start(platform, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let ask = |request: &[u8]| {
            let mut stream = TcpStream::connect(service.addr()).unwrap();
            // The service may answer and close before it has read all.
            let _ = stream.write_all(request);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer).into_owned()
        };
        assert!(ask(b"POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(ask(b"GET /\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert!(ask(b"\0\xFF\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(ask(b"GET / HTTP/1.1\r\n").starts_with("HTTP/1.1 400 "));
        ask(&vec![b'A'; 1 << 20]);
        let good = ask(b"GET /sgx/certification/v4/rootcacrl HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(good.starts_with("HTTP/1.1 200 OK\r\n"), "{good}");
        assert!(good.contains("\r\n\r\n3082"), "{good}");
    }
}
