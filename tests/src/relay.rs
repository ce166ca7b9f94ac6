//! A man in the middle of a Join: TLS on both sides with keys of its own, gRPC frames handed on unchanged.
//!
//! It holds no marble's and no coordinator's key. What it relays is genuine on both sides, so whatever stops it is the
//! binding of evidence to the session.

use std::sync::{Arc, Mutex, PoisonError};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rcgen::{CertificateParams, KeyIdMethod};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};
use stoa_coordinator::keys::AwsLcKeys;
use stoa_mesh::{KeyKind, Keys as _};
use stoa_proto::mesh as pb;
use stoa_proto::mesh::mesh_client::MeshClient;
use stoa_proto::mesh::mesh_server::{Mesh, MeshServer};
use stoa_proto::path::ALPN_ATTEST;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status, Streaming};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A running relay.
pub struct Relay {
    /// Where marbles are lured to, `127.0.0.1:port`.
    pub addr: String,
    /// Types of the frames that it handed on, in either direction.
    pub frames: Arc<Mutex<Vec<u32>>>,
}

/// Relays Joins to the coordinator at `target`; runs as long as the runtime does.
///
/// # Errors
/// If it can't listen or make its keys.
pub async fn start(target: &str) -> Result<Relay, Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?.to_string();
    let frames = Arc::new(Mutex::new(Vec::new()));
    let acceptor = TlsAcceptor::from(Arc::new(server_config()?));
    let service = Forward {
        target: target.to_owned(),
        frames: Arc::clone(&frames),
    };
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, service) = (acceptor.clone(), service.clone());
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let server = TowerToHyperService::new(MeshServer::new(service));
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(tls), server)
                    .await;
            });
        }
    });
    Ok(Relay { addr, frames })
}

#[derive(Clone)]
struct Forward {
    target: String,
    frames: Arc<Mutex<Vec<u32>>>,
}

impl Forward {
    fn note(&self, frame: &pb::Frame) {
        self.frames
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(frame.r#type);
    }
}

#[tonic::async_trait]
impl Mesh for Forward {
    type JoinStream = ReceiverStream<Result<pb::Frame, Status>>;

    async fn join(
        &self,
        request: Request<Streaming<pb::Frame>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let failed = |fault: Fault| Status::unavailable(fault.to_string());
        let mut client = connect(&self.target).await.map_err(failed)?;
        let (to_coordinator, outgoing) = mpsc::channel(4);
        let mut from_marble = request.into_inner();
        let this = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(frame)) = from_marble.message().await {
                this.note(&frame);
                if to_coordinator.send(frame).await.is_err() {
                    return;
                }
            }
        });
        let mut from_coordinator = client
            .join(ReceiverStream::new(outgoing))
            .await?
            .into_inner();
        let (to_marble, answers) = mpsc::channel(4);
        let this = self.clone();
        tokio::spawn(async move {
            let _keeps_the_connection = client;
            loop {
                let next = from_coordinator.message().await.transpose();
                let Some(frame) = next else { return };
                if let Ok(frame) = &frame {
                    this.note(frame);
                }
                if to_marble.send(frame).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

async fn connect(target: &str) -> Result<MeshClient<tonic::transport::Channel>, Fault> {
    let (config, target) = (Arc::new(client_config(&[ALPN_ATTEST])?), target.to_owned());
    let connector = tower::service_fn(move |_: http::Uri| {
        let (config, target) = (Arc::clone(&config), target.clone());
        async move {
            let tcp = TcpStream::connect(&target).await?;
            let name = ServerName::try_from("coordinator.mesh").map_err(std::io::Error::other)?;
            TlsConnector::from(config)
                .connect(name, tcp)
                .await
                .map(TokioIo::new)
        }
    });
    let channel = Endpoint::from_static("http://coordinator.mesh")
        .connect_with_connector(connector)
        .await?;
    Ok(MeshClient::new(channel))
}

fn own_leaf() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Fault> {
    let key = AwsLcKeys.generate(KeyKind::EcdsaP256)?;
    let mut params = CertificateParams::new(vec!["coordinator.mesh".to_owned()])?;
    params.serial_number = Some(vec![1].into());
    params.key_identifier_method = KeyIdMethod::PreSpecified(Vec::new());
    let certificate = params.self_signed(&AwsLcKeys.load(&key)?)?;
    Ok((
        vec![certificate.der().clone()],
        PrivateKeyDer::Pkcs8(key.pkcs8.to_vec().into()),
    ))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn server_config() -> Result<ServerConfig, Fault> {
    let (chain, key) = own_leaf()?;
    let anybody = Arc::new(Anybody(provider().signature_verification_algorithms));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(anybody)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN_ATTEST.to_vec()];
    Ok(config)
}

/// A TLS client that takes whom it gets, with a key and leaf of its own, and offers these protocols.
///
/// # Errors
/// If it can't make its key.
pub fn client_config(protocols: &[&[u8]]) -> Result<ClientConfig, Fault> {
    let (chain, key) = own_leaf()?;
    client_config_as(chain, key, protocols)
}

/// The same with somebody's certificate and key.
///
/// # Errors
/// If they do not fit together.
pub fn client_config_as(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    protocols: &[&[u8]],
) -> Result<ClientConfig, Fault> {
    let anybody = Arc::new(Anybody(provider().signature_verification_algorithms));
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(anybody)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// An attacker takes whom it gets.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl Anybody {
    fn signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is off".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is off".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
