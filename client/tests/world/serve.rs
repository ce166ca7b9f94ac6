//! A TLS server on loopback that answers as a test says.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use stoa_client::http::Endpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Method, target and body to status and body.
pub type Answer = Box<dyn Fn(&str, &str, &[u8]) -> (u16, Vec<u8>) + Send + Sync>;

#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Serves on loopback with this leaf and key, one request after the other, until the test ends.
pub async fn serve(leaf: Vec<u8>, pkcs8: Vec<u8>, answer: Answer) -> Endpoint {
    let provider = aws_lc_rs::default_provider();
    let key = provider
        .key_provider
        .load_private_key(rustls_pki_types::PrivatePkcs8KeyDer::from(pkcs8).into())
        .unwrap();
    // Unchecked, so that a test can present a leaf whose key it does not hold.
    let certified = CertifiedKey::new(vec![leaf.into()], key);
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Fixed(Arc::new(certified))));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else {
                    return;
                };
                while let Some((method, target, body)) = request(&mut tls).await {
                    let (status, body) = answer(&method, &target, &body);
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    if tls.write_all(head.as_bytes()).await.is_err()
                        || tls.write_all(&body).await.is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    Endpoint::parse(&format!("https://{address}")).unwrap()
}

async fn request(
    tls: &mut (impl tokio::io::AsyncRead + Unpin),
) -> Option<(String, String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tls.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut first = head.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    tls.read_exact(&mut body).await.ok()?;
    Some((method, target, body))
}
