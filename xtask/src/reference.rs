//! The generated pages of docs/reference/.
//!
//! Does not live here: the content; it is generated from the code that it describes.

use std::fmt::Write;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// The page of error codes, from the root of the repository.
pub const ERRORS_PAGE: &str = "docs/reference/errors.md";

/// The reference of manifests, from the root of the repository.
pub const MANIFEST_PAGE: &str = "docs/reference/manifest.md";

/// The schema of manifests, from the root of the repository.
pub const MANIFEST_SCHEMA: &str = "manifests/schema/manifest.schema.json";

/// Writes every generated page.
///
/// # Errors
/// [`Failure::File`] if a page can't be written.
pub fn write(workspace: &Workspace) -> Result<(), Failure> {
    let pages = [
        (ERRORS_PAGE, errors_page()),
        (MANIFEST_PAGE, stoa_manifest::reference_page()),
        (MANIFEST_SCHEMA, stoa_manifest::json_schema()),
    ];
    for (page, text) in pages {
        let path = workspace.path(page);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Failure::file("make", folder))?;
        }
        std::fs::write(&path, text).map_err(Failure::file("write", &path))?;
    }
    Ok(())
}

/// docs/reference/errors.md: every code with its meaning and its remedy, in alphabetical order.
#[must_use]
pub fn errors_page() -> String {
    let mut codes: Vec<_> = stoa_explain::codes().collect();
    codes.sort_by_key(|entry| entry.code);
    let mut page = String::from(
        "# Error codes\n\n\
         Generated from `explain/src/codes/` by `cargo xtask docs`; `stoa explain CODE` prints the same. A code is stable \
         and never reused. It stands in brackets behind the message on a terminal, in the field `code` of an API error \
         and in the log.\n\n\
         | code | what it means | what to do |\n|---|---|---|\n",
    );
    for entry in codes {
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        // Writing to a String can't fail.
        _ = writeln!(
            page,
            "| `{}` | {} | {} |",
            entry.code,
            cell(entry.meaning),
            cell(entry.remedy)
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_row_for_each_code() {
        let page = errors_page();
        assert!(page.starts_with("# Error codes\n"));
        assert_eq!(
            page.lines().filter(|line| line.starts_with("| `")).count(),
            stoa_explain::codes().count()
        );
    }
}
