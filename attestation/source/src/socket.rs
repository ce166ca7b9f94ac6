//! The synthetic TEE's socket, from the program's side.
//!
//! Frames as in `stoa-synthetic`'s `device`: u32 big-endian length, op u8, body; 64 KiB at most. One connection a
//! request: a program asks seldom, threads need no turn, and a restarted device is found again.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use stoa_attestation::lp::Reader;
use stoa_attestation::{EVIDENCE_LEN_MAX, Kind};
use zeroize::Zeroizing;

use crate::{SealPolicy, Source, SourceError};

/// From connecting to the last byte of the answer.
pub const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a frame after its length, at most.
const FRAME_LEN_MAX: usize = 64 * 1024;
/// Bytes of a refusal's code and of its cause, at most, each.
const REFUSAL_TEXT_LEN_MAX: usize = 4 * 1024;
/// Bytes of a measurement, at most: SHA-384.
const MEASUREMENT_LEN_MAX: usize = 48;

const OP_REFUSED: u8 = 0;
const OP_EVIDENCE: u8 = 1;
const OP_SEALING_KEY: u8 = 2;
const OP_INFO: u8 = 3;

/// The synthetic TEE behind a socket.
#[derive(Debug)]
pub struct SocketTee {
    path: PathBuf,
    info: TeeInfo,
}

/// What the TEE measured of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeeInfo {
    /// The kind of its evidence.
    pub kind: Kind,
    /// MRENCLAVE (32 bytes) or MRTD (48 bytes).
    pub measurement: Vec<u8>,
    /// MRSIGNER.
    pub signer_id: [u8; 32],
    /// ISVPRODID.
    pub product_id: u16,
    /// ISVSVN.
    pub security_version: u16,
    /// Whether it is a debug TEE.
    pub debug: bool,
}

impl SocketTee {
    /// Asks the TEE at `path` who we are.
    ///
    /// # Errors
    /// [`SourceError`] with the failing step.
    pub fn open(path: PathBuf) -> Result<Self, SourceError> {
        let exchange = Exchange { path: &path };
        let answer = exchange.ask(OP_INFO, &[])?;
        let info = info(&answer).map_err(|cause| exchange.malformed(cause))?;
        Ok(Self { info, path })
    }

    /// What the TEE measured of this program, when it was opened.
    #[must_use]
    pub fn info(&self) -> &TeeInfo {
        &self.info
    }

    fn exchange(&self) -> Exchange<'_> {
        Exchange { path: &self.path }
    }
}

impl Source for SocketTee {
    fn kind(&self) -> Kind {
        self.info.kind
    }

    fn evidence(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, SourceError> {
        let exchange = self.exchange();
        let answer = exchange.ask(OP_EVIDENCE, report_data)?;
        let Some((kind, evidence)) = answer.split_first_chunk::<2>() else {
            return Err(exchange.malformed(format!("evidence of {} bytes", answer.len())));
        };
        let (got, wanted) = (u16::from_be_bytes(*kind), self.info.kind.number());
        if got != wanted {
            return Err(exchange.malformed(format!(
                "evidence of kind {got} from a TEE of kind {wanted}"
            )));
        }
        if evidence.is_empty() || evidence.len() > EVIDENCE_LEN_MAX {
            return Err(exchange.malformed(format!(
                "evidence of {} bytes; 1 to {EVIDENCE_LEN_MAX} are allowed",
                evidence.len()
            )));
        }
        Ok(evidence.to_vec())
    }

    fn sealing_key(
        &self,
        policy: SealPolicy,
        id: &[u8; 32],
    ) -> Result<Zeroizing<[u8; 32]>, SourceError> {
        let mut request = vec![match policy {
            SealPolicy::Measurement => 1,
            SealPolicy::Signer => 2,
        }];
        request.extend(id);
        let exchange = self.exchange();
        let answer = exchange.ask(OP_SEALING_KEY, &request)?;
        let mut key = Zeroizing::new([0; 32]);
        if answer.len() != key.len() {
            return Err(exchange.malformed(format!(
                "a sealing key of {} bytes, not {}",
                answer.len(),
                key.len()
            )));
        }
        key.copy_from_slice(&answer);
        Ok(key)
    }

    fn is_hardware(&self) -> bool {
        false
    }
}

/// The body of an answer to op 3.
fn info(answer: &[u8]) -> Result<TeeInfo, String> {
    let mut reader = Reader::new(answer);
    let read = |reader: &mut Reader<'_>| {
        reader.label("stoa/tee-info/1")?;
        Ok((
            reader.u16("kind")?,
            reader.filled("measurement", MEASUREMENT_LEN_MAX)?.to_vec(),
            reader.exact::<32>("signer id")?,
            reader.u16("product id")?,
            reader.u16("security version")?,
            reader.u8("debug")?,
        ))
    };
    let (kind, measurement, signer_id, product_id, security_version, debug) =
        read(&mut reader).map_err(|fault: stoa_attestation::lp::LpFault| fault.to_string())?;
    reader.finish().map_err(|fault| fault.to_string())?;
    let Some(kind) = Kind::from_number(kind) else {
        return Err(format!("evidence kind {kind} is unknown"));
    };
    Ok(TeeInfo {
        kind,
        measurement,
        signer_id,
        product_id,
        security_version,
        debug: debug != 0,
    })
}

/// One request and its answer.
struct Exchange<'a> {
    path: &'a PathBuf,
}

impl Exchange<'_> {
    /// The body of the answer.
    fn ask(&self, op: u8, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, SourceError> {
        let deadline = Instant::now() + EXCHANGE_TIME_MAX;
        let mut stream =
            UnixStream::connect(self.path).map_err(|error| self.failed("connecting", error))?;
        let len = u32::try_from(body.len() + 1).expect("requests have at most 65 bytes");
        let mut frame = len.to_be_bytes().to_vec();
        frame.push(op);
        frame.extend_from_slice(body);
        stream
            .set_write_timeout(Some(EXCHANGE_TIME_MAX))
            .and_then(|()| stream.write_all(&frame))
            .map_err(|error| self.failed("sending", error))?;

        let mut len = [0; 4];
        self.receive(&mut stream, &mut len, deadline)?;
        let len = u32::from_be_bytes(len) as usize;
        if !(1..=FRAME_LEN_MAX).contains(&len) {
            return Err(self.malformed(format!(
                "a frame of {len} bytes; 1 to {FRAME_LEN_MAX} are allowed"
            )));
        }
        let mut answer = Zeroizing::new(vec![0; len]);
        self.receive(&mut stream, &mut answer, deadline)?;
        match answer.remove(0) {
            got if got == op => Ok(answer),
            OP_REFUSED => Err(self.refused(&answer)),
            got => Err(self.malformed(format!("op {got} to a request of op {op}"))),
        }
    }

    /// Fills `out` before the deadline.
    fn receive(
        &self,
        stream: &mut UnixStream,
        mut out: &mut [u8],
        deadline: Instant,
    ) -> Result<(), SourceError> {
        while !out.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.too_slow());
            }
            let read = stream
                .set_read_timeout(Some(left))
                .and_then(|()| stream.read(out));
            match read {
                Ok(0) => {
                    let hung_up =
                        std::io::Error::new(ErrorKind::UnexpectedEof, "the device hung up");
                    return Err(self.failed("receiving", hung_up));
                }
                Ok(len) => out = &mut out[len..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("receiving", error)),
            }
        }
        Ok(())
    }

    fn refused(&self, body: &[u8]) -> SourceError {
        let mut reader = Reader::new(body);
        let mut text = |name| {
            let bytes = reader.filled(name, REFUSAL_TEXT_LEN_MAX);
            bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        match (text("code"), text("cause")) {
            (Ok(code), Ok(cause)) => SourceError::Refused { code, cause },
            (Err(fault), _) | (_, Err(fault)) => {
                self.malformed(format!("a refusal that is none: {fault}"))
            }
        }
    }

    fn failed(&self, step: &'static str, source: std::io::Error) -> SourceError {
        // A socket's time-out is WouldBlock on Linux.
        if matches!(source.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            return self.too_slow();
        }
        SourceError::Unreachable {
            path: self.path.clone(),
            step,
            source,
        }
    }

    fn too_slow(&self) -> SourceError {
        SourceError::TooSlow {
            path: self.path.clone(),
            limit: EXCHANGE_TIME_MAX,
        }
    }

    fn malformed(&self, cause: String) -> SourceError {
        SourceError::Malformed {
            path: self.path.clone(),
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::os::unix::net::UnixListener;

    use stoa_attestation::lp::Writer;
    use stoa_explain::Explain as _;

    use super::*;

    /// Answers each connection with the next of `answers`, whatever was asked.
    fn device(answers: Vec<Vec<u8>>) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tee.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut len = [0; 4];
                stream.read_exact(&mut len).unwrap();
                let mut request = vec![0; u32::from_be_bytes(len) as usize];
                stream.read_exact(&mut request).unwrap();
                let _ = stream.write_all(&answer);
            }
        });
        (folder, path)
    }

    fn frame(op: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(body.len() + 1)
            .unwrap()
            .to_be_bytes()
            .to_vec();
        frame.push(op);
        frame.extend(body);
        frame
    }

    fn info_body(kind: u16) -> Vec<u8> {
        Writer::new()
            .field(b"stoa/tee-info/1")
            .u16(kind)
            .field(&[1; 32])
            .field(&[2; 32])
            .u16(3)
            .u16(4)
            .u8(0)
            .finish()
    }

    /// The error of the exchange that follows a good info.
    fn outcome<T>(
        answer: Vec<u8>,
        ask: impl FnOnce(&SocketTee) -> Result<T, SourceError>,
    ) -> SourceError {
        let (_folder, path) = device(vec![frame(3, &info_body(1)), answer]);
        let tee = SocketTee::open(path).unwrap();
        ask(&tee).err().unwrap()
    }

    #[test]
    fn info_is_read_whole_or_refused() {
        let (_folder, path) = device(vec![frame(3, &info_body(2))]);
        let tee = SocketTee::open(path).unwrap();
        assert_eq!(tee.kind(), Kind::TdxDcap);
        assert_eq!(tee.info().product_id, 3);
        assert!(!tee.is_hardware());

        let good = info_body(1);
        let mut cases: Vec<Vec<u8>> = (0..good.len()).map(|len| good[..len].to_vec()).collect();
        cases.push([good.clone(), vec![0]].concat());
        cases.push(info_body(9));
        for case in cases {
            let (_folder, path) = device(vec![frame(3, &case)]);
            let error = SocketTee::open(path).unwrap_err();
            assert_eq!(error.code(), "tee-answer-malformed", "{case:?}");
        }
    }

    #[test]
    fn answers_that_are_none_are_refused_by_cause() {
        let cases = [
            (frame(1, &[]), "evidence of 0 bytes"),
            (frame(1, &[0, 1]), "evidence of 0 bytes; 1 to"),
            (
                frame(1, &[0, 2, 7]),
                "evidence of kind 2 from a TEE of kind 1",
            ),
            (frame(2, &[0; 32]), "op 2 to a request of op 1"),
            (vec![0, 0, 0, 0], "a frame of 0 bytes"),
            (vec![0, 1, 0, 1, 1], "a frame of 65537 bytes"),
            (frame(0, b"x"), "a refusal that is none"),
        ];
        for (answer, cause) in cases {
            let error = outcome(answer, |tee| tee.evidence(&[1; 64]));
            assert_eq!(error.code(), "tee-answer-malformed", "{error}");
            assert!(error.to_string().contains(cause), "{error} lacks `{cause}`");
        }
        let error = outcome(frame(2, &[0; 31]), |tee| {
            tee.sealing_key(SealPolicy::Signer, &[0; 32])
        });
        assert!(
            error
                .to_string()
                .contains("a sealing key of 31 bytes, not 32"),
            "{error}"
        );
    }

    #[test]
    fn a_short_answer_and_a_refusal_say_so() {
        let mut short = frame(1, &[0, 1, 7]);
        short.pop();
        let error = outcome(short, |tee| tee.evidence(&[1; 64]));
        assert_eq!(error.code(), "tee-unreachable");

        let body = Writer::new()
            .field(b"some-code")
            .field(b"some cause")
            .finish();
        let error = outcome(frame(0, &body), |tee| tee.evidence(&[1; 64]));
        assert_eq!(
            error.to_string(),
            "the TEE refused: some cause  [some-code]"
        );
        assert_eq!(error.code(), "tee-refused");
    }
}
