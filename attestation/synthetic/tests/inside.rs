//! Real processes: a platform's folder, programs inside its TEEs, strangers beside them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod program;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use program::{Inside, World, alive, signal};
use serde_json::json;

const ID: &str = "0101010101010101010101010101010101010101010101010101010101010101";

/// Configuration of a program that answers lines, with more lines of TOML.
fn asking(world: &World, more: &str) -> String {
    format!(
        "tee = \"sgx\"\nexecutable = \"{}\"\nargv = [\"ask\"]\nproduct_id = 3\nsecurity_version = 2\n{more}",
        world.synthetic().display()
    )
}

#[test]
fn a_program_inside_is_what_was_measured_and_says_so_in_its_evidence() {
    let world = World::new();
    for tee in ["sgx", "tdx"] {
        let config = asking(&world, "").replace("sgx", tee);
        let measured = world.measure(&config);
        let mut inside = world.run(&config, &[], &[]);
        let info = inside.ask("info");
        let name = if tee == "sgx" { "unique_id" } else { "mrtd" };
        assert_eq!(info["measurement"], measured[name], "{info} {measured}");
        assert_eq!(info["kind"], format!("{tee}-dcap"));
        assert_eq!(info["product_id"], 3);
        assert_eq!(info["security_version"], 2);

        let data = "5a".repeat(64);
        let answer = inside.ask(&format!("evidence {data}"));
        let quote = answer["evidence"].as_str().unwrap().to_owned();
        // Report data ends the body: 384 bytes of SGX, 584 of TDX, behind 48 of header.
        let end = 2 * (48 + if tee == "sgx" { 384 } else { 584 });
        assert_eq!(quote[end - 128..end], data);
        let start = 2 * (48 + if tee == "sgx" { 64 } else { 136 });
        let measurement = measured[name].as_str().unwrap();
        assert_eq!(&quote[start..start + measurement.len()], measurement);
        assert!(inside.end().success());
    }
}

#[test]
fn one_byte_of_executable_trusted_file_or_configuration_is_another_measurement() {
    let world = World::new();
    let program = world.path("program");
    let mut code = fs::read(world.synthetic()).unwrap();
    fs::write(&program, &code).unwrap();
    fs::write(world.path("a.json"), b"{\"a\": 1}").unwrap();
    fs::write(world.path("b.json"), b"{\"b\": 1}").unwrap();
    let config = "tee = \"sgx\"\nexecutable = \"program\"\nargv = [\"ask\"]\ntrusted_files = [\"a.json\", \"b.json\"]\n";
    let unique = |config: &str| world.measure(config)["unique_id"].clone();
    let first = unique(config);
    assert_eq!(first, unique(config), "the same is measured the same");
    let reordered = config.replace("\"a.json\", \"b.json\"", "\"b.json\", \"a.json\"");
    assert_eq!(
        first,
        unique(&reordered),
        "trusted files are measured in order of path"
    );

    let mut seen = vec![first.clone()];
    let mut differs = |what: &str, now: serde_json::Value| {
        assert!(
            !seen.contains(&now),
            "{what} did not change the measurement"
        );
        seen.push(now);
    };
    fs::write(world.path("b.json"), b"{\"b\": 2}").unwrap();
    differs("one byte of a trusted file", unique(config));
    fs::write(world.path("b.json"), b"{\"b\": 1}").unwrap();
    let last = code.len() - 1;
    code[last] ^= 1;
    fs::write(&program, &code).unwrap();
    differs("one byte of the executable", unique(config));
    code[last] ^= 1;
    fs::write(&program, &code).unwrap();
    fs::copy(world.path("b.json"), world.path("c.json")).unwrap();
    differs(
        "another path of a trusted file",
        unique(&config.replace("b.json", "c.json")),
    );
    differs(
        "an argument",
        unique(&config.replace("\"ask\"", "\"ask\", \"x\"")),
    );
    differs(
        "a measured variable",
        unique(&format!("{config}env = {{ A = \"1\" }}\n")),
    );
    differs("the product", unique(&format!("{config}product_id = 1\n")));
    assert_eq!(first, unique(config));
    for beside in [
        "debug = true\n",
        "tcb = \"out-of-date\"\n",
        "flip = { byte = 1, mask = 1 }\n",
    ] {
        let same = unique(&format!("{config}{beside}"));
        assert_eq!(first, same, "{beside} stands beside the measurement");
    }
}

#[test]
fn the_hosts_arguments_and_environment_do_not_change_the_measurement() {
    let world = World::new();
    let config = asking(&world, "env = { MEASURED = \"1\" }\n");
    let measurement = |args: &[&str], env: &[(&str, &str)]| {
        let mut inside = world.run(&config, args, env);
        inside.ask("info")["measurement"].clone()
    };
    let plain = measurement(&[], &[]);
    assert_eq!(plain, measurement(&["--mesh-addr", "127.0.0.1:1"], &[]));
    assert_eq!(
        plain,
        measurement(&[], &[("STOA_MESH_ADDR", "127.0.0.1:1")])
    );
}

#[test]
fn the_host_reaches_neither_measured_variables_nor_the_dynamic_linker() {
    let world = World::new();
    let config = "tee = \"sgx\"\nexecutable = \"/bin/sh\"\nargv = [\"-c\", \"echo $A $B ${LD_X-none}; pwd\"]\n\
                  env = { A = \"measured\" }\n";
    let output = world.run_to_end(
        config,
        &[],
        &[("A", "host"), ("B", "host"), ("LD_X", "host")],
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let folder = fs::canonicalize(world.folder()).unwrap();
    assert_eq!(text, format!("measured host none\n{}\n", folder.display()));
}

#[test]
fn a_stranger_on_the_socket_gets_nothing() {
    let world = World::new();
    let mut inside = world.run(&asking(&world, ""), &[], &[]);
    let spec = inside.ask("info")["tee"].as_str().unwrap().to_owned();
    let path = spec.strip_prefix("socket:").unwrap();
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path), 0o600);
    assert_eq!(mode(path.strip_suffix("/tee.sock").unwrap()), 0o700);

    // This very process: it has started the daemon, so it is not below it.
    let mut stream = UnixStream::connect(path).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let _ = stream.write_all(&[0, 0, 0, 1, 3]);
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got);
    assert!(got.is_empty(), "a stranger got {got:?}");

    // Another program beside, and one in another TEE of the same platform.
    let mut beside = Inside::start(Command::new(world.synthetic()).args(["ask", "--tee", &spec]));
    assert_eq!(beside.ask("info")["error"], "tee-unreachable");
    let other_config = asking(&world, "").replace(
        "[\"ask\"]",
        &format!("[\"ask\", \"--tee\", \"{spec}\", \"--\"]"),
    );
    let mut other = world.run(&other_config, &[], &[]);
    assert_eq!(
        other.ask(&format!("seal measurement {ID}"))["error"],
        "tee-unreachable"
    );

    // And the one inside goes on.
    assert!(inside.ask(&format!("seal measurement {ID}"))["key_sha256"].is_string());
}

#[test]
fn children_and_orphans_of_the_program_are_served() {
    let world = World::new();
    // The shell's child asks; in the second case the shell in between ends first, so that the asking one is an orphan.
    for script in ["$0 ask $@ <&3; true", "( ( $0 ask $@ <&3 ) & ); sleep 60"] {
        let config = format!(
            "tee = \"sgx\"\nexecutable = \"/bin/sh\"\nargv = [\"-c\", 'exec 3<&0; {script}', \"{}\"]\n",
            world.synthetic().display()
        );
        let mut inside = world.run(&config, &[], &[]);
        let info = inside.ask("info");
        assert!(info["measurement"].is_string(), "{script}: {info}");
        signal(inside.pid(), "TERM");
    }
}

#[test]
fn a_sealing_key_belongs_to_one_program_on_one_platform() {
    let world = World::new();
    let config = asking(&world, "");
    let keys = |world: &World, config: &str| {
        let mut inside = world.run(config, &[], &[]);
        ["measurement", "signer"].map(|policy| {
            let answer = inside.ask(&format!("seal {policy} {ID}"));
            answer["key_sha256"]
                .as_str()
                .unwrap_or_else(|| panic!("{answer}"))
                .to_owned()
        })
    };
    let first = keys(&world, &config);
    assert_eq!(first, keys(&world, &config), "restarted");
    let mut seen = first.to_vec();
    let mut strangers = |what: &str, keys: [String; 2]| {
        for key in keys {
            assert!(!seen.contains(&key), "{what} got a key of another");
            seen.push(key);
        }
    };
    strangers(
        "another program",
        keys(&world, &asking(&world, "env = { A = \"1\" }\n")),
    );
    strangers(
        "the same in debug mode",
        keys(&world, &asking(&world, "debug = true\n")),
    );
    strangers(
        "the same at another TCB",
        keys(&world, &asking(&world, "tcb = \"out-of-date\"\n")),
    );
    strangers("the same on another platform", keys(&World::new(), &config));
    let mut inside = world.run(&config, &[], &[]);
    let other_id = inside.ask(&format!("seal measurement {}", ID.replace('1', "2")));
    assert!(!seen.contains(&other_id["key_sha256"].as_str().unwrap().to_owned()));
}

#[test]
fn two_versions_of_one_signer_share_the_signers_key_and_not_the_measurements() {
    let world = World::new();
    let made = Command::new(world.synthetic())
        .arg("signer")
        .arg(world.path("signer.pem"))
        .status()
        .unwrap();
    assert!(made.success());
    let ask =
        |config: &str, line: &str| world.run(config, &[], &[]).ask(line)["key_sha256"].clone();
    let old = asking(&world, "signer = \"signer.pem\"\nenv = { BUILD = \"1\" }\n");
    let new = asking(&world, "signer = \"signer.pem\"\nenv = { BUILD = \"2\" }\n");
    let unsigned = asking(&world, "env = { BUILD = \"1\" }\n");
    let signer = format!("seal signer {ID}");
    let measurement = format!("seal measurement {ID}");
    assert!(ask(&old, &signer).is_string());
    assert_eq!(ask(&old, &signer), ask(&new, &signer));
    assert_ne!(ask(&old, &measurement), ask(&new, &measurement));
    assert_ne!(ask(&old, &signer), ask(&unsigned, &signer));
    assert_eq!(
        world.measure(&old)["signer_id"],
        world.measure(&new)["signer_id"]
    );
    assert_ne!(
        world.measure(&old)["signer_id"],
        world.measure(&unsigned)["signer_id"]
    );
}

#[test]
fn a_trusted_file_that_changes_ends_evidence_and_keys_until_it_is_back() {
    let world = World::new();
    let file = world.path("marble.json");
    fs::write(&file, b"one").unwrap();
    let config = asking(&world, "trusted_files = [\"marble.json\"]\n");
    let mut inside = world.run(&config, &[], &[]);
    let evidence = format!("evidence {}", "00".repeat(64));
    assert!(inside.ask(&evidence)["evidence"].is_string());
    fs::write(&file, b"two").unwrap();
    for line in [&evidence, &format!("seal signer {ID}"), &"info".to_owned()] {
        let answer = inside.ask(line);
        assert_eq!(answer["error"], "tee-refused", "{line}: {answer}");
        let cause = answer["cause"].as_str().unwrap();
        assert!(cause.contains("synthetic-trusted-file-changed"), "{cause}");
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(inside.ask(&evidence)["error"], "tee-refused");
    fs::write(&file, b"one").unwrap();
    assert!(inside.ask(&evidence)["evidence"].is_string());
}

#[test]
fn what_runs_is_the_sealed_copy_of_what_was_measured() {
    let world = World::new();
    let program = world.path("program");
    fs::copy(world.synthetic(), &program).unwrap();
    let config = "tee = \"sgx\"\nexecutable = \"program\"\nargv = [\"ask\"]\n";
    let mut inside = world.run(config, &[], &[]);
    let info = inside.ask("info");
    let pid = info["pid"].as_u64().unwrap();
    // Not even busy: the path is not what is executed.
    fs::write(&program, b"something else").unwrap();
    let running = fs::read(format!("/proc/{pid}/exe")).unwrap();
    assert!(
        running == fs::read(world.synthetic()).unwrap(),
        "the running code is another"
    );
    let written = fs::OpenOptions::new()
        .write(true)
        .open(format!("/proc/{pid}/exe"));
    assert!(
        written.and_then(|mut file| file.write_all(b"x")).is_err(),
        "the copy can be written"
    );
    assert_eq!(inside.ask("info"), info);
}

#[test]
fn a_script_and_a_missing_file_are_refused_by_name() {
    let world = World::new();
    fs::write(world.path("script"), "#!/bin/sh\nexit 0\n").unwrap();
    for (config, code) in [
        (
            "tee = \"sgx\"\nexecutable = \"script\"\n",
            "[synthetic-executable-is-script]",
        ),
        (
            "tee = \"sgx\"\nexecutable = \"nothing\"\n",
            "[synthetic-file-unreadable]",
        ),
        (
            "tee = \"sgx\"\nexecutable = \"/bin/sh\"\nsigner = \"script\"\n",
            "[synthetic-signer-unusable]",
        ),
        (
            "tee = \"sgx\"\nexecutable = \"/bin/sh\"\nflop = 1\n",
            "[synthetic-config-malformed]",
        ),
    ] {
        let output = world.run_to_end(config, &[], &[]);
        assert_eq!(output.status.code(), Some(2), "{config}");
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains(code), "{config}: {words}");
    }
}

#[test]
fn the_exit_code_is_the_programs_and_the_socket_is_gone() {
    let world = World::new();
    let shell = |script: &str| {
        format!("tee = \"sgx\"\nexecutable = \"/bin/sh\"\nargv = [\"-c\", '{script}']\n")
    };
    for (script, code) in [
        ("exit 7", 7),
        ("true", 0),
        ("kill -9 $$", 128 + 9),
        ("kill -15 $$", 128 + 15),
    ] {
        let output = world.run_to_end(&shell(script), &[], &[]);
        assert_eq!(output.status.code(), Some(code), "{script}");
    }
    assert_eq!(
        fs::read_dir(world.sockets()).unwrap().count(),
        0,
        "a socket's folder is left"
    );
}

#[test]
fn sigterm_and_sigint_reach_the_program() {
    let world = World::new();
    for (name, code) in [("TERM", 41), ("INT", 42)] {
        let config = format!(
            "tee = \"sgx\"\nexecutable = \"/bin/sh\"\nargv = [\"-c\", 'trap \"exit {code}\" {name}; echo {{}}; while :; do sleep 0.05; done']\n"
        );
        let mut inside = world.run(&config, &[], &[]);
        assert_eq!(inside.line(), json!({}));
        signal(inside.pid(), name);
        assert_eq!(inside.end().code(), Some(code), "{name}");
    }
}

#[test]
fn daemon_and_program_end_together_and_nothing_stays() {
    let world = World::new();
    // A child in a session of its own, which no signal to the group would reach.
    let config = "tee = \"sgx\"\nexecutable = \"/bin/sh\"\n\
                  argv = [\"-c\", 'setsid sleep 60 & echo \"{\\\"own\\\": $$, \\\"child\\\": $!}\"; read line']\n";
    for end in ["the program", "the daemon"] {
        let mut inside = world.run(config, &[], &[]);
        let pids = inside.line();
        let (own, child) = (
            pids["own"].as_u64().unwrap(),
            pids["child"].as_u64().unwrap(),
        );
        assert!(alive(own) && alive(child), "{pids}");
        if end == "the program" {
            assert!(inside.end().code().is_some());
            assert!(!alive(child), "a process that the program left is running");
        } else {
            signal(inside.pid(), "KILL");
            // Its input stays open: the program has no reason of its own to end.
            inside.wait();
            let deadline = Instant::now() + Duration::from_secs(5);
            while alive(own) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(!alive(own), "the program outlives the daemon");
            // Nobody was left to end this one.
            signal(u32::try_from(child).unwrap(), "KILL");
        }
    }
}

#[test]
fn a_platform_opened_again_is_the_same_and_serves_its_collateral() {
    let world = World::new();
    let root = fs::read(world.platform().join("root.pem")).unwrap();
    for _ in 0..2 {
        let mut daemon = Inside::start(
            Command::new(world.synthetic())
                .arg("platform")
                .arg(world.platform())
                .stdin(Stdio::null()),
        );
        let ready = daemon.line();
        assert_eq!(
            (&ready["event"], &ready["listener"]),
            (&json!("listening"), &json!("pccs"))
        );
        let addr = ready["addr"].as_str().unwrap();
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        stream
            .write_all(b"GET /sgx/certification/v4/qe/identity HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(fs::read(world.platform().join("root.pem")).unwrap(), root);
        signal(daemon.pid(), "TERM");
        assert_eq!(daemon.end().code(), Some(0));
    }
}
