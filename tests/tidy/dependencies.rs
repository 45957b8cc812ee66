//! What `.cargo/deny.toml` says of dependencies, held without cargo-deny: licenses, bans, versions, sources. Licenses are
//! those of what is built on this platform; the rest is held for all of `Cargo.lock`. Not looked for here are advisories and
//! yanked versions, which only the network knows.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::{files, root};

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a list in `.cargo/deny.toml`, of each the texts in quotes.
fn lines(name: &str) -> Vec<Vec<String>> {
    let text = read(".cargo/deny.toml");
    let list = text.split(&format!("\n{name} = [")).nth(1).unwrap_or_else(|| panic!("no {name} in .cargo/deny.toml"));
    let list = list.split("\n]").next().unwrap();
    let lines = list.lines().map(|line| line.split('#').next().unwrap());
    lines
        .map(|line| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .filter(|texts| !texts.is_empty())
        .collect()
}

/// The first text in quotes of each.
fn list(name: &str) -> Vec<String> {
    lines(name).into_iter().map(|texts| texts[0].clone()).collect()
}

/// Name, version, source and checksum of each package in `Cargo.lock`.
fn locked() -> Vec<(String, String, Option<String>, bool)> {
    let text = read("Cargo.lock");
    let packages = text.split("[[package]]").skip(1).map(|package| {
        let field = |name: &str| {
            let value = package.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")))?;
            Some(value.trim_end_matches('"').to_owned())
        };
        (field("name").unwrap(), field("version").unwrap(), field("source"), field("checksum").is_some())
    });
    let packages: Vec<_> = packages.collect();
    assert!(packages.len() > 100, "Cargo.lock was not read");
    packages
}

/// Whether it is none of the workspace's.
fn is_foreign(name: &str) -> bool {
    !["millstream", "flights", "word-count"].iter().any(|own| name.starts_with(own))
}

#[test]
fn packages_come_from_the_default_registry_with_a_checksum() {
    let sources: BTreeSet<String> = locked().into_iter().filter_map(|(.., source, _)| source).collect();
    assert_eq!(sources.len(), 1, "there is one registry: {sources:?}");
    let registry = sources.first().unwrap();
    assert!(registry.starts_with("registry+https://"), "{registry} is no registry");
    // Cargo takes its default one where nothing says otherwise, and refuses a Cargo.lock that does.
    let settings = files().into_iter().filter(|(path, _)| path.ends_with("Cargo.toml") || path == ".cargo/config.toml");
    let settings: Vec<_> = settings.collect();
    assert!(settings.iter().any(|(path, _)| path == ".cargo/config.toml"), "the settings of cargo were not found");
    for (path, text) in settings {
        for elsewhere in ["registry = \"", "registry-index", "git = \"", "[source", "[registr"] {
            assert!(!text.contains(elsewhere), "{path}: {elsewhere} names another place for packages");
        }
    }
    for (name, version, source, has_checksum) in locked() {
        match source {
            Some(source) => assert!(has_checksum, "{name} {version} comes from {source}"),
            None => assert!(!is_foreign(&name), "{name} {version} comes from a folder"),
        }
    }
}

/// The packages of `Cargo.lock` that depend on that one.
fn dependents(name: &str) -> Vec<String> {
    let text = read("Cargo.lock");
    let depends = |package: &&str| {
        let list = package.split("dependencies = [").nth(1).unwrap_or_default();
        list.split('"').skip(1).step_by(2).any(|dependency| dependency.split(' ').next() == Some(name))
    };
    let name_of = |package: &str| package.split('"').nth(1).unwrap().to_owned();
    text.split("[[package]]").skip(1).filter(depends).map(name_of).collect()
}

#[test]
fn banned_packages_are_not_there() {
    let banned = lines("deny");
    assert!(banned.contains(&vec!["native-tls".to_owned()]), "{banned:?}");
    // Behind a package those that may depend on it nevertheless.
    for (package, wrappers) in banned.iter().map(|texts| texts.split_first().unwrap()) {
        for (name, version, ..) in locked() {
            assert!(name != *package || !wrappers.is_empty(), "{name} {version} is banned by .cargo/deny.toml");
        }
        for dependent in dependents(package) {
            assert!(wrappers.contains(&dependent), "{dependent} depends on {package}, which is for {wrappers:?}");
        }
    }
}

#[test]
fn what_is_distributed_depends_on_no_package_with_an_exception() {
    for package in list("exceptions") {
        let (mut reached, mut next) = (BTreeSet::new(), vec![package.clone()]);
        while let Some(name) = next.pop() {
            next.extend(dependents(&name).into_iter().filter(|dependent| reached.insert(dependent.clone())));
        }
        let own: Vec<&String> = reached.iter().filter(|name| !is_foreign(name)).collect();
        assert_eq!(own, ["millstream-bench"], "{package} is for what is not distributed");
    }
}

#[test]
fn a_package_has_one_version_or_a_reason() {
    let numbers = |version: &str| version.split(['.', '+', '-']).map(|n| n.parse().unwrap_or(0)).collect::<Vec<u64>>();
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, version, ..) in locked() {
        versions.entry(name).or_default().push(version);
    }
    let skipped = list("skip");
    let mut older = Vec::new();
    for (name, mut found) in versions {
        found.sort_by_key(|version| numbers(version));
        found.pop();
        older.extend(found.iter().map(|version| format!("{name}@{version}")));
    }
    assert_eq!(
        older, skipped,
        "on the left what there is beside the newest versions, on the right .cargo/deny.toml: skip"
    );
}

#[test]
fn licenses_are_among_those_allowed() {
    let host = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let host = String::from_utf8(host).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{} packages", packages.len());
    let (allowed, exceptions) = (list("allow"), lines("exceptions"));
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let license = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no license"));
        let excepted = exceptions.iter().filter(|texts| texts[0] == name).flat_map(|texts| &texts[1..]);
        let allowed: Vec<String> = allowed.iter().chain(excepted).cloned().collect();
        assert!(is_allowed(license, &allowed), "{name} is under {license}, which .cargo/deny.toml does not allow");
    }
}

/// An SPDX expression: AND binds stronger than OR; `/` is an old form of OR.
fn is_allowed(license: &str, allowed: &[String]) -> bool {
    let license = license.replace('/', " OR ");
    let license = license.trim();
    let parts = |word: &str| -> Option<Vec<String>> {
        let (mut depth, mut parts, mut rest) = (0, vec![String::new()], license);
        while let Some(c) = rest.chars().next() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            if depth == 0
                && let Some(after) = rest.strip_prefix(word)
            {
                parts.push(String::new());
                rest = after;
                continue;
            }
            parts.last_mut().unwrap().push(c);
            rest = &rest[c.len_utf8()..];
        }
        (parts.len() > 1).then_some(parts)
    };
    if let Some(parts) = parts(" OR ") {
        return parts.iter().any(|part| is_allowed(part, allowed));
    }
    if let Some(parts) = parts(" AND ") {
        return parts.iter().all(|part| is_allowed(part, allowed));
    }
    match license.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => is_allowed(inner, allowed),
        None => allowed.iter().any(|one| one == license),
    }
}

#[test]
fn expressions_of_licenses_are_read() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for (license, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("GPL-3.0 OR MIT AND GPL-3.0", false),
        ("(MIT AND ISC) OR GPL-3.0", true),
    ] {
        assert_eq!(is_allowed(license, &allowed), expected, "{license}");
    }
}
