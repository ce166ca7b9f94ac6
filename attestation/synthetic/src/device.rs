//! The TEE's device: a UNIX socket on which the program inside asks for evidence, sealing keys and who it is.
//!
//! Frame, both ways: u32 big-endian length of what follows (1 to 64 KiB), op u8, body. One request at a time a
//! connection. Ops:
//! - 1 evidence: body is the report data (64); answer kind u16 big-endian, then the evidence as it travels.
//! - 2 sealing key: policy u8 (1 measurement, 2 signer), id (32); answer 32 bytes.
//! - 3 info: empty; answer LP("stoa/tee-info/1") LP(kind u16) LP(measurement) LP(signer id) LP(product id u16)
//!   LP(security version u16) LP(debug u8).
//!
//! The answer has the request's op, or op 0 and LP(code) LP(cause) for a refusal. A process that is not of this TEE is
//! hung up on without a byte.
//! Does not live here: the other end (`stoa-source`).

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stoa_attestation::lp::Writer;
use stoa_explain::Explain as _;
use zeroize::Zeroizing;

use crate::knobs::ProgramTee;
use crate::peer;
use crate::platform::Platform;
use crate::program::{Identity, Program, chain};
use crate::quote::{SgxIdentity, TdIdentity};
use crate::snp::GuestIdentity;

/// Bytes of a frame after its length, at most.
const FRAME_LEN_MAX: usize = 64 * 1024;
/// Connections at the same time, at most; more are hung up on.
const CONNECTIONS_MAX: usize = 256;
/// From a frame's first byte to its last, and for writing an answer. Between frames a peer may be silent.
const FRAME_TIME_MAX: Duration = Duration::from_secs(10);

const OP_REFUSED: u8 = 0;
const OP_EVIDENCE: u8 = 1;
const OP_SEALING_KEY: u8 = 2;
const OP_INFO: u8 = 3;
const POLICY_MEASUREMENT: u8 = 1;
const POLICY_SIGNER: u8 = 2;

/// One program's view of its platform.
pub struct Device {
    platform: Platform,
    program: Program,
}

/// Why a request gets no answer: a stable code and the cause.
#[derive(Debug, PartialEq, Eq)]
struct Refused(&'static str, String);

impl Device {
    /// The device of `program` on `platform`.
    #[must_use]
    pub fn new(platform: Platform, program: Program) -> Self {
        Self { platform, program }
    }

    /// The program inside.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Answers on `listener` to descendants of `root`, from threads of this process until it ends.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn serve(self: Arc<Self>, listener: UnixListener, root: u32) -> std::io::Result<()> {
        std::thread::Builder::new()
            .name("tee".to_owned())
            .spawn(move || self.accept(&listener, root))?;
        Ok(())
    }

    fn accept(self: Arc<Self>, listener: &UnixListener, root: u32) {
        let open = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Out of file descriptors, say: let others end first.
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            if peer::admitted(&stream, root).is_err() {
                continue;
            }
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let (device, open_there) = (Arc::clone(&self), Arc::clone(&open));
            let started = std::thread::Builder::new().spawn(move || {
                // A peer that hangs up ends its connection and nothing else.
                let _ = device.converse(stream);
                open_there.fetch_sub(1, Ordering::Relaxed);
            });
            if started.is_err() {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn converse(&self, mut stream: UnixStream) -> std::io::Result<()> {
        stream.set_write_timeout(Some(FRAME_TIME_MAX))?;
        while let Some(read) = read_frame(&mut stream)? {
            let (op, answer, go_on) = match read {
                Ok((op, body)) => match self.answer(op, &body) {
                    Ok(answer) => (op, answer, true),
                    Err(refused) => (OP_REFUSED, refused.body(), true),
                },
                // What follows a bad length is not a frame.
                Err(refused) => (OP_REFUSED, refused.body(), false),
            };
            let len = u32::try_from(answer.len() + 1)
                .expect("answers have some 5 KiB")
                .to_be_bytes();
            let mut frame = Zeroizing::new(Vec::with_capacity(5 + answer.len()));
            frame.extend(len);
            frame.push(op);
            frame.extend_from_slice(&answer);
            stream.write_all(&frame)?;
            if !go_on {
                break;
            }
        }
        Ok(())
    }

    /// The body of the answer.
    fn answer(&self, op: u8, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        if let Err(error) = self.program.check_trusted_files() {
            return Err(Refused(error.code(), chain(&error)));
        }
        match op {
            OP_EVIDENCE => self.evidence(body),
            OP_SEALING_KEY => self.sealing_key(body),
            OP_INFO => self.info(body),
            _ => Err(malformed(format!("op {op} is unknown"))),
        }
    }

    fn evidence(&self, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let report_data: [u8; 64] = body
            .try_into()
            .map_err(|_| malformed(format!("the report data has {} bytes, not 64", body.len())))?;
        let identity = self.program.identity();
        let evidence = evidence(&self.platform, identity, report_data);
        let mut answer = identity.tee.kind_number().to_be_bytes().to_vec();
        answer.extend(evidence);
        Ok(Zeroizing::new(answer))
    }

    fn sealing_key(&self, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let (policy, id) = match body {
            [policy, id @ ..] if id.len() == 32 => (*policy, id),
            _ => {
                return Err(malformed(format!(
                    "a request for a sealing key has policy (1) and id (32), this one {} bytes",
                    body.len()
                )));
            }
        };
        let mut id_bytes = [0; 32];
        id_bytes.copy_from_slice(id);
        let bound_to = bound_to(self.program.identity(), policy)?;
        let key = self.platform.sealing_key(&bound_to, &id_bytes);
        Ok(Zeroizing::new(key.to_vec()))
    }

    fn info(&self, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        if !body.is_empty() {
            return Err(malformed(format!(
                "a request for info is empty, this one has {} bytes",
                body.len()
            )));
        }
        let identity = self.program.identity();
        let info = Writer::new()
            .field(b"stoa/tee-info/1")
            .u16(identity.tee.kind_number())
            .field(&identity.measurement)
            .field(&identity.signer_id)
            .u16(identity.product_id)
            .u16(identity.security_version)
            .u8(u8::from(identity.debug))
            .finish();
        Ok(Zeroizing::new(info))
    }
}

impl Refused {
    fn body(&self) -> Zeroizing<Vec<u8>> {
        let body = Writer::new()
            .field(self.0.as_bytes())
            .field(self.1.as_bytes())
            .finish();
        Zeroizing::new(body)
    }
}

fn malformed(cause: String) -> Refused {
    Refused("synthetic-request-malformed", cause)
}

/// The evidence of a program with this identity.
fn evidence(platform: &Platform, identity: &Identity, report_data: [u8; 64]) -> Vec<u8> {
    match identity.tee {
        ProgramTee::Sgx => platform.quote_sgx(
            &SgxIdentity {
                mrenclave: exact(&identity.measurement),
                mrsigner: identity.signer_id,
                isv_prod_id: identity.product_id,
                isv_svn: identity.security_version,
                debug: identity.debug,
            },
            report_data,
        ),
        ProgramTee::Tdx => platform.quote_tdx(
            &TdIdentity {
                mrtd: exact(&identity.measurement),
                // Nothing extends the runtime registers of a synthetic TD.
                rtmr: [[0; 48]; 4],
                debug: identity.debug,
            },
            report_data,
        ),
        ProgramTee::Snp => platform.evidence_snp(
            &GuestIdentity {
                measurement: exact(&identity.measurement),
                id_key_digest: identity.id_key_digest(),
                product_id: identity.product_id,
                guest_svn: identity.security_version.into(),
                debug: identity.debug,
            },
            report_data,
        ),
    }
}

/// A measurement as the array that its TEE has.
fn exact<const N: usize>(measurement: &[u8]) -> [u8; N] {
    measurement
        .try_into()
        .expect("`program` makes 32 bytes for SGX and 48 for TDX and SNP")
}

/// What a sealing key is bound to, beside platform and CPUSVN: as EGETKEY, product, version and debug always, and the
/// measurement or the signer by policy. (A TD of real hardware has no sealing key; a synthetic one has, by the same rule.)
fn bound_to(identity: &Identity, policy: u8) -> Result<Vec<u8>, Refused> {
    let named: (&[u8], &[u8]) = match policy {
        POLICY_MEASUREMENT => (b"measurement", &identity.measurement),
        POLICY_SIGNER => (b"signer", &identity.signer_id),
        _ => {
            return Err(malformed(format!(
                "sealing policy {policy} is unknown; 1 is measurement, 2 is signer"
            )));
        }
    };
    Ok(Writer::new()
        .field(identity.tee.name().as_bytes())
        .field(named.0)
        .field(named.1)
        .u16(identity.product_id)
        .u16(identity.security_version)
        .u8(u8::from(identity.debug))
        .finish())
}

type Frame = (u8, Zeroizing<Vec<u8>>);

/// The next frame; `None` at the end of the connection; the inner error if it cannot be one.
fn read_frame(stream: &mut UnixStream) -> std::io::Result<Option<Result<Frame, Refused>>> {
    let mut len = [0; 4];
    stream.set_read_timeout(None)?;
    let first = loop {
        match stream.read(&mut len[..1]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if first == 0 {
        return Ok(None);
    }
    let deadline = Instant::now() + FRAME_TIME_MAX;
    read_until(stream, &mut len[1..], deadline)?;
    let len = u32::from_be_bytes(len) as usize;
    if !(1..=FRAME_LEN_MAX).contains(&len) {
        return Ok(Some(Err(malformed(format!(
            "the frame says it has {len} bytes; 1 to {FRAME_LEN_MAX} are allowed"
        )))));
    }
    let mut frame = Zeroizing::new(vec![0; len]);
    read_until(stream, &mut frame, deadline)?;
    let op = frame.remove(0);
    Ok(Some(Ok((op, frame))))
}

/// Fills `out` before the deadline.
fn read_until(
    stream: &mut UnixStream,
    mut out: &mut [u8],
    deadline: Instant,
) -> std::io::Result<()> {
    while !out.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(out) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(len) => out = &mut out[len..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
