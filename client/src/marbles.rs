//! Are the live marbles that a coordinator states what its manifest allows?
//!
//! Only names and `MaxActivations` are read here, without judging the rest of the manifest: it may be of a later version
//! than this client, and it is in force already. The rules of manifests are stoa-manifest's.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use stoa_proto::wire::MarbleCount;

/// Holds counts against the manifest: each type is in it, once, within its budget, and the budget is the manifest's.
///
/// # Errors
/// The first difference, in words with both values.
pub(crate) fn check_counts(counts: &[MarbleCount], manifest: &[u8]) -> Result<(), String> {
    let allowed = budgets(manifest)?;
    let mut seen = BTreeMap::new();
    for count in counts {
        let name = count.marble_type.escape_debug();
        let Some(budget) = allowed.get(&count.marble_type) else {
            return Err(format!(
                "`{name}` is live, but the manifest has no such marble"
            ));
        };
        if count.budget != *budget {
            let (stated, wanted) = (spelled(count.budget), spelled(*budget));
            return Err(format!(
                "`{name}` is said to have a budget of {stated}, the manifest says {wanted}"
            ));
        }
        if budget.is_some_and(|budget| count.live > budget) {
            return Err(format!(
                "{} of `{name}` are live, the manifest allows {}",
                count.live,
                spelled(*budget)
            ));
        }
        if seen.insert(&count.marble_type, ()).is_some() {
            return Err(format!("`{name}` is counted twice"));
        }
    }
    Ok(())
}

/// How many instances of each marble type the manifest allows; `None` is no limit, as is 0 in the manifest.
fn budgets(manifest: &[u8]) -> Result<BTreeMap<String, Option<u64>>, String> {
    let manifest: Value = serde_json::from_slice(manifest)
        .map_err(|error| format!("the manifest in force is no JSON: {error}"))?;
    let Some(Value::Object(marbles)) = manifest.as_object().and_then(|top| member(top, "Marbles"))
    else {
        return Err("the manifest in force has no `Marbles`".to_owned());
    };
    let mut out = BTreeMap::new();
    for (name, marble) in marbles {
        let max = marble
            .as_object()
            .and_then(|marble| member(marble, "MaxActivations"));
        let budget = match max {
            None | Some(Value::Null) => None,
            Some(value) => Some(value.as_u64().ok_or_else(|| {
                format!(
                    "`Marbles.{}.MaxActivations` in the manifest is {value}, wanted a number",
                    name.escape_debug()
                )
            })?),
        };
        out.insert(name.clone(), budget.filter(|budget| *budget != 0));
    }
    Ok(out)
}

/// Keys of manifests are compared without case; a manifest with both spellings can't come into force.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn spelled(budget: Option<u64>) -> String {
    budget.map_or_else(|| "no limit".to_owned(), |budget| budget.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &[u8] =
        br#"{"Packages":{},"marbles":{"a":{"MaxActivations":2},"b":{"maxactivations":0},"c":{}}}"#;

    fn check(counts: &[(&str, u64, Option<u64>)]) -> Result<(), String> {
        let counts: Vec<_> = counts
            .iter()
            .map(|(name, live, budget)| MarbleCount {
                marble_type: (*name).to_owned(),
                live: *live,
                budget: *budget,
            })
            .collect();
        check_counts(&counts, MANIFEST)
    }

    #[test]
    fn counts_within_the_manifest_are_allowed() {
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(
            check(&[("a", 0, Some(2)), ("b", 9, None), ("c", 1, None)]),
            Ok(())
        );
        assert_eq!(check(&[("a", 2, Some(2))]), Ok(()));
    }

    #[test]
    fn each_difference_from_the_manifest_is_named() {
        for (counts, cause) in [
            (
                vec![("d", 0, None)],
                "`d` is live, but the manifest has no such marble",
            ),
            (
                vec![("a", 3, Some(2))],
                "3 of `a` are live, the manifest allows 2",
            ),
            (
                vec![("a", 1, None)],
                "`a` is said to have a budget of no limit, the manifest says 2",
            ),
            (
                vec![("b", 1, Some(5))],
                "`b` is said to have a budget of 5, the manifest says no limit",
            ),
            (vec![("c", 1, None), ("c", 1, None)], "`c` is counted twice"),
        ] {
            assert_eq!(check(&counts), Err(cause.to_owned()));
        }
    }
}
