//! Rule: within a crate, too, imports go one way: its top-level modules form no loop.
//!
//! Read from `crate::x` everywhere and `super::x` in files right below the root. A parent module and what lies in its
//! folder count as one.

use std::collections::{BTreeMap, BTreeSet};

use crate::source;
use crate::tree::{FILES, Kind, PACKAGES};

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

/// A module on a loop, with the way round, if there is one.
fn a_loop(graph: &Graph) -> Option<Vec<String>> {
    graph
        .keys()
        .find_map(|start| way(graph, start, start, &mut BTreeSet::new()))
}

fn way(graph: &Graph, from: &str, to: &str, seen: &mut BTreeSet<String>) -> Option<Vec<String>> {
    for next in graph.get(from)? {
        if next == to {
            return Some(vec![from.to_owned(), to.to_owned()]);
        }
        if seen.insert(next.clone())
            && let Some(mut rest) = way(graph, next, to, seen)
        {
            rest.insert(0, from.to_owned());
            return Some(rest);
        }
    }
    None
}

#[test]
fn modules_of_a_crate_form_no_loop() {
    let mut faults = Vec::new();
    for package in PACKAGES
        .iter()
        .filter(|package| package.kind != Kind::Workshop)
    {
        let mut graph = Graph::new();
        let folder = format!("{}/src/", package.folder);
        for file in FILES.iter().filter(|file| file.is_product()) {
            if let Some(inside) = file.path.strip_prefix(&folder) {
                add_imports(&mut graph, inside, &file.text);
            }
        }
        // A path may name an item of the root; only modules have files.
        let modules: BTreeSet<String> = graph.keys().cloned().collect();
        graph
            .values_mut()
            .for_each(|named| named.retain(|name| modules.contains(name)));
        faults.extend(a_loop(&graph).map(|way| format!("{}: {}", package.name, way.join(" -> "))));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_planted_loop_is_found() {
    let mut graph = Graph::new();
    add_imports(&mut graph, "a.rs", "use crate::b::X;");
    add_imports(&mut graph, "b/deep.rs", "fn f() { crate::c::g() }");
    add_imports(&mut graph, "c.rs", "#[cfg(test)] use crate::a::Y;");
    assert_eq!(a_loop(&graph), None);
    add_imports(&mut graph, "c.rs", "use super::a::Y;");
    assert_eq!(
        a_loop(&graph),
        Some(["a", "b", "c", "a"].map(str::to_owned).to_vec())
    );
}
