//! What is written from the table of keys is what stands in the repository: the schema and the reference.
//! `STOA_BLESS=1` writes them anew, and so does `cargo xtask docs`.
#![allow(clippy::unwrap_used)]

use std::path::Path;

fn is_current(path: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("STOA_BLESS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is not what the table of keys says: run `cargo xtask docs`",
        path.display()
    );
}

#[test]
fn the_schema_is_what_the_table_of_keys_says() {
    is_current("schema/manifest.schema.json", &stoa_manifest::json_schema());
}

#[test]
fn the_reference_is_what_the_table_of_keys_says() {
    is_current(
        "../docs/reference/manifest.md",
        &stoa_manifest::reference_page(),
    );
}
