//! What the crate `sev` says of SNP reports: cases on standard input, one line each on standard output.
//!
//! A case is report, VEK, ASK and ARK (DER), each behind its length (u32, big-endian). The line is `ok` or `no`, then why.

use std::io::{self, Read, Write};
use std::panic;

use sev::certs::snp::{Chain, Verifiable};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;

fn main() -> io::Result<()> {
    panic::set_hook(Box::new(|_| ()));
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    while let Some(report) = field(&mut input)? {
        let mut next = || Ok::<_, io::Error>(field(&mut input)?.unwrap_or_default());
        let (vek, ask, ark) = (next()?, next()?, next()?);
        let judged = panic::catch_unwind(|| judge(&report, &vek, &ask, &ark));
        let line = match judged {
            Ok(Ok(())) => "ok".to_owned(),
            Ok(Err(error)) => format!("no {}", error.to_string().replace('\n', " ")),
            Err(_) => "no it panicked".to_owned(),
        };
        writeln!(output, "{line}")?;
    }
    Ok(())
}

fn judge(report: &[u8], vek: &[u8], ask: &[u8], ark: &[u8]) -> io::Result<()> {
    let chain = Chain::from_der(ark, ask, vek)?;
    let report = AttestationReport::from_bytes(report)?;
    (&chain, &report).verify()
}

/// `None` at the end.
fn field(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut len = [0; 4];
    match input.read_exact(&mut len) {
        Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut bytes = vec![0; u32::from_be_bytes(len) as usize];
    input.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
