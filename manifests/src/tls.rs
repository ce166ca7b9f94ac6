//! `TLS`: connections that a runtime wraps in TLS, by tag. Read and checked; not served yet (`keys`).

use std::collections::BTreeMap;

use crate::access::missing;
use crate::fault::{Path, Sink, quoted};
use crate::fields::Fields;
use crate::json::Value;
use crate::keys::{INCOMING, OUTGOING, TLS_TAG};
use crate::limits::LIST_MAX;
use crate::marble::{known, named};
use crate::secret::{SecretDefinition, SecretKind};

/// The connections of one tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsTag {
    /// Those that the marble makes.
    pub outgoing: Vec<Outgoing>,
    /// Those that it takes.
    pub incoming: Vec<Incoming>,
}

/// A connection that the marble makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The host's name or address.
    pub addr: String,
    /// Its port.
    pub port: u16,
}

/// Connections that the marble takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// On this port.
    pub port: u16,
    /// The certificate secret to present, with which clients need no certificate; else the marble's own, and they do.
    pub cert: Option<String>,
}

/// Reads one tag.
pub(crate) fn read(
    value: &Value,
    path: &Path,
    secrets: &BTreeMap<&str, Option<SecretDefinition>>,
    sink: &mut Sink,
) -> TlsTag {
    let fields = Fields::open(value, path, &TLS_TAG, sink);
    let mut tag = TlsTag::default();
    for (value, path) in entries(&fields, "Outgoing", sink) {
        let fields = Fields::open(value, &path, &OUTGOING, sink);
        let addr = fields.text("Addr", sink);
        if addr.is_none() {
            missing(&fields, "Addr", "write a host's name or address", sink);
        }
        let port = port(&fields, sink);
        tag.outgoing
            .extend(addr.zip(port).map(|(addr, port)| Outgoing {
                addr: addr.to_owned(),
                port,
            }));
    }
    for (value, path) in entries(&fields, "Incoming", sink) {
        let fields = Fields::open(value, &path, &INCOMING, sink);
        let port = port(&fields, sink);
        let cert = fields.text("Cert", sink);
        let open = fields.flag("DisableClientAuth", sink);
        match (cert, open) {
            (Some(_), false) => sink.fault(
                &fields.path("Cert"),
                "stands without DisableClientAuth",
                "write DisableClientAuth, or take Cert out",
            ),
            (None, true) => sink.fault(
                &fields.path("DisableClientAuth"),
                "is true without Cert",
                "name a certificate secret in Cert, or take it out",
            ),
            _ => {}
        }
        if let Some(name) = cert {
            certificate(name, &fields.path("Cert"), secrets, sink);
        }
        tag.incoming.extend(port.map(|port| Incoming {
            port,
            cert: cert.map(str::to_owned),
        }));
    }
    tag
}

fn certificate(
    name: &str,
    path: &Path,
    secrets: &BTreeMap<&str, Option<SecretDefinition>>,
    sink: &mut Sink,
) {
    match secrets.get(name) {
        None => {
            let names: Vec<_> = secrets.keys().copied().collect();
            known(name, "Secrets", &names, path, sink);
        }
        Some(Some(definition))
            if matches!(
                definition.kind,
                SecretKind::Plain | SecretKind::SymmetricKey { .. }
            ) =>
        {
            let cause = format!("{}, which is no certificate", named(name));
            sink.fault(path, cause, "name a secret of a type cert-..");
        }
        Some(_) => {}
    }
}

fn entries<'a>(fields: &Fields<'a>, key: &str, sink: &mut Sink) -> Vec<(&'a Value, Path)> {
    let path = fields.path(key);
    match fields.value(key) {
        None => Vec::new(),
        Some(Value::List(list)) if list.len() <= LIST_MAX => {
            let each = list.iter().enumerate();
            each.map(|(at, value)| (value, path.index(at))).collect()
        }
        Some(Value::List(list)) => {
            let cause = format!("has {} entries", list.len());
            sink.fault(&path, cause, format!("at most {LIST_MAX} are allowed"));
            Vec::new()
        }
        Some(other) => {
            sink.fault(
                &path,
                format!("is {}", other.shown()),
                "write a list of objects",
            );
            Vec::new()
        }
    }
}

/// A port, which MarbleRun writes as a text.
fn port(fields: &Fields<'_>, sink: &mut Sink) -> Option<u16> {
    const REMEDY: &str = "write a port number in quotes, \"1\" to \"65535\"";
    let Some(text) = fields.text("Port", sink) else {
        missing(fields, "Port", REMEDY, sink);
        return None;
    };
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| plain && *port > 0);
    if port.is_none() {
        sink.fault(&fields.path("Port"), format!("is {}", quoted(text)), REMEDY);
    }
    port
}
