//! Manifests and everything that is wrong with each: tests/faults.txt. Adding a case is adding lines there.
#![allow(clippy::unwrap_used, clippy::panic)]

use stoa_manifest::Manifest;

/// What a case writes for short.
const SHORTHANDS: [(&str, &str); 11] = [
    (
        "@BASE",
        r#""Packages":{"p":@P},"Marbles":{"m":{"Package":"p"}}"#,
    ),
    ("@P", r#"{"UniqueID":"@32"}"#),
    // Certificates and public keys made for this test; nobody has their private keys.
    (
        "@USER2",
        "-----BEGIN CERTIFICATE-----\\nMIIBdTCCARugAwIBAgIUMkp3KpBi4bK7JotmsK9imhvz9A8wCgYIKoZIzj0EAwIw\\nEDEOMAwGA1UEAwwFb3RoZXIwHhcNMjYxMTI1MDk0MzE5WhcNMzYxMTIyMDk0MzE5\\nWjAQMQ4wDAYDVQQDDAVvdGhlcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFt9\\n1YFHS83cLOHPDYW3MWqrARBdAX7aqfxrPj8uAOgWbTL4LUbmzveiKTRLfzRHE4cA\\ngmdVylahCuT/6n1Hv4qjUzBRMB0GA1UdDgQWBBSigTZdxjHnZxYo6Yr9gWn5OGDX\\nOzAfBgNVHSMEGDAWgBSigTZdxjHnZxYo6Yr9gWn5OGDXOzAPBgNVHRMBAf8EBTAD\\nAQH/MAoGCCqGSM49BAMCA0gAMEUCIFLmV7J0eerlXeKj3H4hl1nqPrbAo1bWmDSK\\ndVW/6NZ1AiEArEJApT+IrGIqNuiAhw+LcB9aVOagslzIj7AGlpeZZ4Q=\\n-----END CERTIFICATE-----",
    ),
    (
        "@USER",
        "-----BEGIN CERTIFICATE-----\\nMIIBczCCARmgAwIBAgIUIGCnDLJ5u5TPOFjSjBVncxbggbgwCgYIKoZIzj0EAwIw\\nDzENMAsGA1UEAwwEdXNlcjAeFw0yNjExMjUwOTQzMThaFw0zNjExMjIwOTQzMTha\\nMA8xDTALBgNVBAMMBHVzZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ7vDGg\\n8ylYk7NZbbNzpoum+NZwOFF73kyZwyQZy08YoFqOA8apwAjZYs37I8ha9P7GxpIq\\nCaoeBx2QirU2ntwao1MwUTAdBgNVHQ4EFgQU5fm5WYaS+5QC6hRCrjCgSiiON8Ew\\nHwYDVR0jBBgwFoAU5fm5WYaS+5QC6hRCrjCgSiiON8EwDwYDVR0TAQH/BAUwAwEB\\n/zAKBggqhkjOPQQDAgNIADBFAiATA+8XyuH0XEw/otkPuyz3nMCVAPUMLOZKI4uf\\npszTfwIhAMvj3Kqp+4M3AJDny54tL+lI7xmw9OJyINqonhqxRsno\\n-----END CERTIFICATE-----",
    ),
    (
        "@RSA1024",
        "-----BEGIN PUBLIC KEY-----\\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDrwDMNgsVDZiWOnQfNIYSMwD/D\\nStOmG30UI260i2qFDcWJCdlm3vYsaM2zOYUOodXn6Xl/ENnw8hEDXgnbKkct06gn\\nWcfFIGAf6cgzxy+f/lkkqTuOajoysEXzZvVGshW1JqdO1OPmE8rByQFOfKbQ/vy1\\n8owz7vXVVOhkBHTTYwIDAQAB\\n-----END PUBLIC KEY-----",
    ),
    (
        "@RSA2048",
        "-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzhAqwRsezoxorgf1nn7O\\nTD6aCJorK5jdjPbNPQxOH4U7LBE1dz8tzBGkKwdCXSqPlAcIVrl3kzX+9ylPeaLt\\nR9lyEDiHnRlaaU/elqIKxzrzuQ0oh/7l4/vVUdlD/w7ri26wJMGg3JzL7jRSZTMD\\nJPPj7rXB8v7V7pS1RQBf6lKgmKee3c/FL2IFhQRkSxvl4+yAf5JVM+QFdVCTNgvS\\n2yugWwhcXubcSXsExKGFDDgMSWfV4YbZJNJeflCq7rVX9WcHCmXsM8O58Y5tz7pN\\nuuupi9gZE4gjuipSCufIWEMtFbcg1CqGlkw5yoqq31R1alzdjnyJ/0tUIuhdTGDr\\nYQIDAQAB\\n-----END PUBLIC KEY-----",
    ),
    (
        "@RSA",
        "-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwBnk5PvlYqgM5iCS/tiV\\nZfIZA+vag4JIc0K6nZmm00JDlurdzM2q7ZClm3G2ROFE/UJoUcp3NU/RE44mUVL5\\nagtprFTe/kSkYNXn98EiQ8z0kJVot560Ux8/svH/d7J0mWxZGSGeqQul4LsOxqYg\\nJB6pDAN+NQIlxjPdouM9Tiivsi3xScyi6ugOtwUJ+wrOY0TMPhgUfl1lZ7+qJ37/\\nqwZluUaLnEx9ir2JhkrfAUL1vJioX6x9ENEf5UTCZ08waptMZuekfIqyasq9rs0+\\nd9IhjqKTPby4kKR/mTy1L+F0GlrJmuV17LcAzf0KACFoRN9jux9+gLO6voXaX0tW\\nAQIDAQAB\\n-----END PUBLIC KEY-----",
    ),
    (
        "@EC",
        "-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEa8YUsX6YTNS3QucYVDwRVAymAqG2\\nNRzGE/nPdOkrUAwuOSI3nDxYuwTE7064yN2M8+UizcmkvY0IFapahCiKTQ==\\n-----END PUBLIC KEY-----",
    ),
    (
        "@DER",
        "MIIBczCCARmgAwIBAgIUIGCnDLJ5u5TPOFjSjBVncxbggbgwCgYIKoZIzj0EAwIwDzENMAsGA1UEAwwEdXNlcjAeFw0yNjExMjUwOTQzMThaFw0zNjExMjIwOTQzMThaMA8xDTALBgNVBAMMBHVzZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ7vDGg8ylYk7NZbbNzpoum+NZwOFF73kyZwyQZy08YoFqOA8apwAjZYs37I8ha9P7GxpIqCaoeBx2QirU2ntwao1MwUTAdBgNVHQ4EFgQU5fm5WYaS+5QC6hRCrjCgSiiON8EwHwYDVR0jBBgwFoAU5fm5WYaS+5QC6hRCrjCgSiiON8EwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiATA+8XyuH0XEw/otkPuyz3nMCVAPUMLOZKI4ufpszTfwIhAMvj3Kqp+4M3AJDny54tL+lI7xmw9OJyINqonhqxRsno",
    ),
    (
        "@32",
        "0011223344556677889900112233445566778899001122334455667788990011",
    ),
    (
        "@48",
        "001122334455667788990011223344556677889900112233445566778899001122334455667788990011223344556677",
    ),
];

fn expanded(text: &str) -> String {
    SHORTHANDS
        .iter()
        .fold(text.to_owned(), |text, (short, long)| {
            text.replace(short, long)
        })
}

/// Everything that is said about a manifest, one line each.
fn said(text: &str) -> Vec<String> {
    match Manifest::parse(text.as_bytes()) {
        Ok(manifest) if manifest.warnings().is_empty() => vec!["accepted".into()],
        Ok(manifest) => manifest
            .warnings()
            .iter()
            .map(|warning| format!("warning: {warning}"))
            .collect(),
        Err(faults) => faults.faults().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn every_manifest_ends_as_its_case_says() {
    let (mut wrong, mut cases) = (Vec::new(), 0);
    let mut blessed = include_str!("faults.txt").to_owned();
    for case in include_str!("faults.txt")
        .split("\n\n")
        .map(str::trim)
        .filter(|case| !case.is_empty())
    {
        let lines = || case.lines().filter(|line| !line.starts_with('#'));
        let text: Vec<_> = lines().filter(|line| !line.starts_with("=> ")).collect();
        if text.is_empty() {
            continue; // only comments
        }
        let want: Vec<_> = lines()
            .filter_map(|line| line.strip_prefix("=> "))
            .map(str::to_owned)
            .collect();
        let got = said(&expanded(&text.join("\n")));
        cases += 1;
        if got != want {
            let comments = case.lines().filter(|line| line.starts_with('#'));
            let lines: Vec<_> = comments.chain(text.iter().copied()).collect();
            let right = format!("{}\n=> {}", lines.join("\n"), got.join("\n=> "));
            blessed = blessed.replacen(case, &right, 1);
            wrong.push(format!("{}\n=> {}\n", text.join("\n"), got.join("\n=> ")));
        }
    }
    if std::env::var_os("STOA_BLESS").is_some() {
        // Read the difference before it is committed.
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults.txt");
        std::fs::write(path, blessed).unwrap();
    }
    assert!(
        wrong.is_empty(),
        "{}\n{} of {cases} differ",
        wrong.join("\n"),
        wrong.len()
    );
    assert!(cases >= 185, "only {cases} cases");
}
