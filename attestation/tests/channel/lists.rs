//! Structures as lists of fields, so that a test can change each of them.

use stoa_attestation::lp::{Reader, Writer};

/// A name, the code that is wanted, and what is changed.
pub(crate) type Change<T> = (&'static str, &'static str, fn(&mut T));

/// The fields of a structure.
pub(crate) fn fields(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let mut fields = Vec::new();
    while let Ok(field) = reader.field("field", usize::MAX) {
        fields.push(field.to_vec());
    }
    reader.finish().unwrap();
    fields
}

/// A structure from its fields.
pub(crate) fn joined(fields: &[Vec<u8>]) -> Vec<u8> {
    fields
        .iter()
        .fold(Writer::new(), |writer, field| writer.field(field))
        .finish()
}

/// The structure with one field changed: one bit of it, or a byte added if it is empty.
pub(crate) fn with_field_changed(bytes: &[u8], index: usize) -> Vec<u8> {
    let mut fields = fields(bytes);
    match fields[index].last_mut() {
        Some(last) => *last ^= 1,
        None => fields[index].push(1),
    }
    joined(&fields)
}

/// The structure with one field emptied; `None` if it is empty already.
pub(crate) fn with_field_emptied(bytes: &[u8], index: usize) -> Option<Vec<u8>> {
    let mut fields = fields(bytes);
    let before = std::mem::take(&mut fields[index]);
    (!before.is_empty()).then(|| joined(&fields))
}

/// Every structure that differs from this one in one field, with a name for each.
pub(crate) fn one_field_changed(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let count = fields(bytes).len();
    let changed = (0..count).map(|index| {
        (
            format!("field {index} changed"),
            with_field_changed(bytes, index),
        )
    });
    let emptied = (0..count).filter_map(|index| {
        with_field_emptied(bytes, index).map(|bytes| (format!("field {index} emptied"), bytes))
    });
    changed.chain(emptied).collect()
}

/// The code of a refusal, or `accepted`.
pub(crate) fn code<T>(result: &Result<T, stoa_attestation::channel::ChannelError>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(error) => stoa_explain::Explain::code(error),
    }
}

/// Compares what came of each case with what should have, and reports all that differ.
pub(crate) fn check_all(cases: impl IntoIterator<Item = (String, &'static str, &'static str)>) {
    let mut count = 0;
    let wrong: Vec<String> = cases
        .into_iter()
        .inspect(|_| count += 1)
        .filter(|(_, wanted, got)| wanted != got)
        .map(|(name, wanted, got)| format!("{name}: wanted {wanted}, got {got}"))
        .collect();
    assert!(count > 0, "no case ran");
    assert!(
        wrong.is_empty(),
        "{} of {count}\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
