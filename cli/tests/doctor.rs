//! `stoa doctor` on broken hosts and before broken services: each is named by the first step that fails, its code and its
//! cause. What the set-ups lack is what users of such systems report.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use stoa_synthetic::{Flip, Knobs, Platform, PlatformTcb, Revoked, Service, SgxIdentity};
use tempfile::TempDir;

const REPORT_DATA: &[u8; 64] = b"stoa doctor: this quote is bound to nothing and proves no key.  ";
/// The user `nobody`.
const NOBODY: u32 = 65534;
const DAY: i64 = 24 * 3600;

/// A machine with Gramine on it, and a collateral service of its vendor.
struct Host {
    folder: TempDir,
    url: String,
    _service: Service,
}

impl Host {
    fn new(knobs: Knobs) -> Self {
        let platform = Platform::seeded([7; 32], knobs);
        let identity = SgxIdentity {
            mrenclave: [1; 32],
            mrsigner: [2; 32],
            isv_prod_id: 3,
            isv_svn: 4,
            debug: false,
        };
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        fs::write(at("root.pem"), platform.root_pem()).unwrap();
        fs::write(at("tree/dev/attestation/attestation_type"), "dcap\n").unwrap();
        fs::write(at("tree/dev/attestation/user_report_data"), "").unwrap();
        let quote = platform.quote_sgx(&identity, *REPORT_DATA);
        fs::write(at("tree/dev/attestation/quote"), quote).unwrap();
        let service = Service::start(platform, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self {
            folder,
            url: service.url(),
            _service: service,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn device(&self, name: &str) -> PathBuf {
        self.path("tree/dev/attestation").join(name)
    }

    /// Runs the doctor before the service at `url`.
    fn doctor(&self, url: &str) -> Diagnosis {
        self.run(&[
            "--from",
            url,
            "--insecure-trust-root",
            "root.pem",
            "--system-root",
            "tree",
        ])
    }

    fn run(&self, args: &[&str]) -> Diagnosis {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stoa"));
        command.args(["doctor", "--json"]).args(args);
        Diagnosis::of(command.current_dir(self.folder.path()).env_clear())
    }
}

/// What the doctor said and ended with.
#[derive(Debug)]
struct Diagnosis {
    exit: i32,
    step: String,
    code: String,
    text: String,
    all: Value,
}

impl Diagnosis {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let all: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let steps = all["steps"].as_array().unwrap();
        let failed: Vec<&Value> = steps
            .iter()
            .filter(|step| step["state"] == "failed")
            .collect();
        assert!(failed.len() <= 1, "{all}");
        let of = |name: &str| {
            failed.first().map_or(String::new(), |step| {
                step[name].as_str().unwrap().to_owned()
            })
        };
        if let [failed] = failed.as_slice() {
            assert!(
                failed["remedy"]
                    .as_str()
                    .is_some_and(|remedy| remedy.len() > 10),
                "{failed}"
            );
        }
        assert_eq!(all["failed"].as_str().unwrap_or_default(), of("step"));
        Self {
            exit: output.status.code().unwrap(),
            step: of("step"),
            code: of("code"),
            text: of("text"),
            all,
        }
    }

    #[track_caller]
    fn is(&self, step: &str, code: &str, text: &str) {
        assert_eq!(
            (self.step.as_str(), self.code.as_str()),
            (step, code),
            "{self:?}"
        );
        assert!(self.text.contains(text), "{text}: {self:?}");
    }
}

/// Stands before a service and changes its answers: `change(target, answer)`.
fn front(behind: &str, change: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + 'static) -> String {
    let behind: SocketAddr = behind.strip_prefix("http://").unwrap().parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut from = stream.unwrap();
            let head = head_of(&mut from);
            let target = String::from_utf8_lossy(&head)
                .split(' ')
                .nth(1)
                .unwrap_or_default()
                .to_owned();
            let mut to = TcpStream::connect(behind).unwrap();
            let mut answer = Vec::new();
            to.write_all(&head).unwrap();
            to.read_to_end(&mut answer).unwrap();
            let _ = from.write_all(&change(&target, answer));
        }
    });
    url
}

fn head_of(from: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match from.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(len) => head.extend_from_slice(&piece[..len]),
        }
    }
    head
}

fn answer(status: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

#[test]
fn a_good_host_before_a_good_service_passes_every_step() {
    let host = Host::new(Knobs::default());
    let good = host.doctor(&host.url);
    assert_eq!((good.exit, good.step.as_str()), (0, ""), "{good:?}");
    let steps = good.all["steps"].as_array().unwrap();
    let states: Vec<&str> = steps
        .iter()
        .map(|step| step["state"].as_str().unwrap())
        .collect();
    // Gramine's keys are not asked for, and this service does not say its time.
    assert_eq!(states.len(), 9);
    assert_eq!(
        states.iter().filter(|state| **state == "ok").count() + 2,
        9,
        "{good:?}"
    );
    let asked = fs::read(host.device("user_report_data")).unwrap();
    assert_eq!(asked, REPORT_DATA);
}

#[test]
fn each_broken_host_is_named_by_its_first_failing_step() {
    let broken = |spoil: &dyn Fn(&Host)| {
        let host = Host::new(Knobs::default());
        spoil(&host);
        host.doctor(&host.url)
    };
    let none = broken(&|host| fs::remove_dir_all(host.path("tree/dev")).unwrap());
    none.is(
        "tee",
        "tee-missing",
        "tree/dev/attestation/attestation_type, tree/sys/kernel/config/tsm/report",
    );
    assert_eq!(none.exit, 3);

    let off = broken(&|host| fs::write(host.device("attestation_type"), "none").unwrap());
    off.is("tee", "tee-attestation-off", "says `none`, wanted `dcap`");

    let guest = broken(&|host| {
        fs::remove_dir_all(host.device("")).unwrap();
        fs::write(host.path("tree/dev/tdx_guest"), "").unwrap();
    });
    guest.is(
        "tee",
        "tee-interface-missing",
        "tree/dev/tdx_guest is there, but tree/sys/kernel/config/tsm/report is not",
    );

    let no_service = broken(&|host| fs::write(host.device("quote"), "").unwrap());
    no_service.is(
        "evidence",
        "tee-no-quote",
        "quote gives no quote: it is empty",
    );

    let garbage = broken(&|host| fs::write(host.device("quote"), "no quote").unwrap());
    garbage.is("evidence", "quote-version-unsupported", "");

    // Left over from another process: a quote over other bytes than were asked for.
    let stale = broken(&|host| {
        let platform = Platform::seeded([7; 32], Knobs::default());
        let identity = SgxIdentity {
            mrenclave: [1; 32],
            mrsigner: [2; 32],
            isv_prod_id: 3,
            isv_svn: 4,
            debug: false,
        };
        fs::write(host.device("quote"), platform.quote_sgx(&identity, [9; 64])).unwrap();
    });
    stale.is("genuine", "binding-differs", "");

    let host = Host::new(Knobs::default());
    host.run(&["--tee", "socket:nobody-listens-here"]).is(
        "tee",
        "tee-unreachable",
        "nobody-listens-here",
    );
    host.run(&["--tee", "tdx"])
        .is("tee", "tee-not-supported", "`tdx`");
}

/// As another user than the one that the device belongs to; root may open everything.
#[test]
fn a_device_of_somebody_else_is_named_with_what_it_was_opened_for() {
    let host = Host::new(Knobs::default());
    let public = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap()
    };
    let program = host.path("stoa");
    fs::copy(env!("CARGO_BIN_EXE_stoa"), &program).unwrap();
    public(&program, 0o755);
    public(host.folder.path(), 0o755);
    public(&host.device("user_report_data"), 0o000);
    let mut command = Command::new(&program);
    command.args(["doctor", "--json", "--system-root", "tree"]);
    command.current_dir(host.folder.path()).env_clear();
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let said = Diagnosis::of(&mut command);
    said.is(
        "permissions",
        "tee-not-permitted",
        "writing tree/dev/attestation/user_report_data is not possible",
    );
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn each_broken_service_is_named_by_its_first_failing_step() {
    let host = Host::new(Knobs::default());
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    host.doctor(&format!("http://{closed}")).is(
        "service",
        "collateral-unavailable",
        "Connection refused",
    );

    let unknown = front(&host.url, |target, good| {
        if target.contains("/tcb?") {
            answer("404 Not Found", "", "no such FMSPC")
        } else {
            good
        }
    });
    host.doctor(&unknown).is(
        "service",
        "collateral-unavailable",
        "answered 404 \"no such FMSPC\"",
    );

    let portal = front(&host.url, |_, _| {
        answer("302 Found", "Location: https://portal.example/\r\n", "")
    });
    host.doctor(&portal).is(
        "service",
        "collateral-unavailable",
        "to https://portal.example/",
    );

    let page = front(&host.url, |_, _| {
        answer("200 OK", "", "<html>welcome</html>")
    });
    host.doctor(&page)
        .is("service", "collateral-unavailable", "");

    // A service that writes answers anew, here one that pretends an older format.
    let old = front(&host.url, |target, good| {
        if target.contains("/tcb?") {
            let good = String::from_utf8_lossy(&good);
            good.replace("\"version\":3", "\"version\":2").into_bytes()
        } else {
            good
        }
    });
    host.doctor(&old)
        .is("collateral", "tcb-info-signature-invalid", "");

    // Dates stand in the head, which is text; a body may be DER.
    let yesterday = front(&host.url, |_, good| {
        let line_end = good.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
        let date = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        [&good[..line_end], date, &good[line_end..]].concat()
    });
    host.doctor(&yesterday)
        .is("clock", "clock-differs", "1994-11-06T08:49:37Z");

    // Two services, the first of which is dead: told, and no failure.
    let both = format!("http://{closed},{}", host.url);
    let second = host.doctor(&both);
    assert_eq!(second.exit, 0, "{second:?}");
    assert!(
        second.all["steps"][4]["text"]
            .as_str()
            .unwrap()
            .contains("Connection refused"),
        "{second:?}"
    );

    let nobody = host.run(&["--from", &host.url, "--system-root", "tree"]);
    nobody.is("collateral", "root-untrusted", "");
    assert_eq!(nobody.exit, 1);
}

#[test]
fn what_the_vendor_says_of_the_platform_is_named() {
    let judged = |knobs: Knobs| {
        let host = Host::new(knobs);
        host.doctor(&host.url)
    };
    judged(Knobs {
        revoked: vec![Revoked::Pck],
        ..Knobs::default()
    })
    .is("genuine", "pck-revoked", "");
    judged(Knobs {
        flip: Some(Flip { byte: 60, mask: 1 }),
        ..Knobs::default()
    })
    .is("genuine", "quote-signature-invalid", "");
    judged(Knobs {
        tcb: PlatformTcb::OutOfDate,
        ..Knobs::default()
    })
    .is("platform", "tcb-not-accepted", "OutOfDate");
    judged(Knobs {
        collateral_shift_secs: -60 * DAY,
        ..Knobs::default()
    })
    .is("platform", "collateral-expired", "");
    judged(Knobs {
        collateral_shift_secs: 5 * DAY,
        ..Knobs::default()
    })
    .is("genuine", "collateral-not-yet-valid", "");
}
