//! Rule: within a package, too, imports go one way: its top-level modules form no loop beyond those listed here.
//!
//! Read from `crate::x` everywhere and `super::x` in files right below the root. A parent module and what lies in its
//! folder count as one. The list may only shrink: a loop that is not on it is red, and so is an entry that is no loop
//! any more.

use std::collections::{BTreeMap, BTreeSet};

use crate::source;
use crate::tree::{FILES, Kind, PACKAGES, Package};

/// Modules that import each other today, by package.
const KNOWN: &[(&str, &[&str])] = &[];

/// Which top-level module names which others.
type Graph = BTreeMap<String, BTreeSet<String>>;

fn add_imports(graph: &mut Graph, inside: &str, text: &str) {
    let parts: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
    let own = parts[0];
    if own == "lib" || own == "main" {
        return;
    }
    let left = source::strip(&source::tokens(text), source::is_test_only).tokens;
    let named = graph.entry(own.to_owned()).or_default();
    for (_, path) in source::paths(&left) {
        let target = match path
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .as_slice()
        {
            ["crate", target, ..] => (*target).to_owned(),
            ["super", target, ..] if parts.len() == 1 => (*target).to_owned(),
            _ => continue,
        };
        if target != own {
            named.insert(target);
        }
    }
}

fn graph(package: &Package) -> Graph {
    let mut graph = Graph::new();
    let folder = format!("{}/src/", package.folder);
    for file in FILES.iter().filter(|file| file.is_product()) {
        if let Some(inside) = file.path.strip_prefix(&folder) {
            add_imports(&mut graph, inside, &file.text);
        }
    }
    graph
}

/// The sets of modules that reach each other.
fn loops(graph: &Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = graph
        .keys()
        .map(|from| (from.as_str(), reached(graph, from)))
        .collect();
    let reaches =
        |from: &str, to: &str| reach.get(from).is_some_and(|reached| reached.contains(to));
    let mut found: Vec<Vec<String>> = Vec::new();
    for module in graph.keys() {
        let is_new = found.iter().all(|set| !set.contains(module));
        if is_new && reaches(module, module) {
            let with = graph
                .keys()
                .filter(|other| reaches(module, other) && reaches(other, module));
            found.push(with.cloned().collect());
        }
    }
    found
}

fn reached<'g>(graph: &'g Graph, from: &str) -> BTreeSet<&'g str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = graph
        .get(from)
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    while let Some(module) = open.pop() {
        if seen.insert(module) {
            open.extend(graph.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    seen
}

/// Loops that are not known, and known ones that are gone.
fn against(known: &[(&str, &[&str])], package: &str, found: &[Vec<String>]) -> Vec<String> {
    let known: Vec<&[&str]> = known
        .iter()
        .filter(|(name, _)| *name == package)
        .map(|(_, set)| *set)
        .collect();
    let is_known = |set: &Vec<String>| known.iter().any(|known| set == known);
    let new = found
        .iter()
        .filter(|set| !is_known(set))
        .map(|set| format!("{package}: {} import each other", set.join(", ")));
    let gone = known
        .iter()
        .filter(|known| !found.iter().any(|set| set == *known));
    new.chain(gone.map(|set| {
        format!(
            "{package}: {} is on the list and no loop any more",
            set.join(", ")
        )
    }))
    .collect()
}

#[test]
fn modules_of_a_package_form_no_loop_that_is_not_known() {
    let packages = PACKAGES
        .iter()
        .filter(|package| package.kind != Kind::Workshop);
    let faults: Vec<String> = packages
        .flat_map(|package| against(KNOWN, package.name, &loops(&graph(package))))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_planted_loop_is_found_and_so_is_a_stale_entry() {
    let mut graph = Graph::new();
    add_imports(&mut graph, "a.rs", "use crate::b::X;");
    add_imports(&mut graph, "b/deep.rs", "fn f() { crate::c::g() }");
    add_imports(&mut graph, "c.rs", "#[cfg(test)] use crate::a::Y;");
    assert!(loops(&graph).is_empty());
    add_imports(&mut graph, "c.rs", "use super::a::Y;");
    assert_eq!(loops(&graph), [["a", "b", "c"].map(str::to_owned).to_vec()]);
    assert_eq!(against(&[], "p", &loops(&graph)).len(), 1);
    assert!(against(&[("p", &["a", "b", "c"])], "p", &loops(&graph)).is_empty());
    assert_eq!(against(&[("p", &["a", "b"])], "p", &loops(&graph)).len(), 2);
}
