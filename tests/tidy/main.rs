//! What holds for the sources themselves.

mod dependencies;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The project's text files, without what git ignores.
fn files() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // In a git worktree `.git` is a file.
            if name == "target" || name == ".git" {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    let read = found.into_iter().filter_map(|path| {
        let text = fs::read_to_string(&path).ok()?;
        Some((path.strip_prefix(root()).unwrap().to_string_lossy().into_owned(), text))
    });
    let files: Vec<_> = read.collect();
    assert!(files.len() > 100, "the project's files were not found");
    files
}

fn rust_files() -> impl Iterator<Item = (String, String)> {
    files().into_iter().filter(|(path, _)| path.ends_with(".rs"))
}

#[test]
fn no_file_is_too_long() {
    for (path, text) in rust_files() {
        let (lines, most) = (text.lines().count(), if is_main_of_service(&path) { 30 } else { 600 });
        assert!(lines <= most, "{path} has {lines} lines; {most} is the most");
    }
}

fn is_main_of_service(path: &str) -> bool {
    path.starts_with("services/") && path.ends_with("src/main.rs")
}

#[test]
fn unsafe_code_is_in_one_module_and_has_its_argument() {
    // Split, so that this file does not hold the word itself.
    let (word, argument) = (concat!("un", "safe"), concat!("// SAF", "ETY:"));
    for (path, text) in rust_files() {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let is_block = [" {", " impl", " extern", " fn"].iter().any(|next| code.contains(&format!("{word}{next}")));
            if !is_block {
                continue;
            }
            let place = format!("{path}:{}", index + 1);
            assert!(path.starts_with("crates/millstream-kafka/src/native/"), "{place}: {word} code outside of native/");
            let before = &lines[index.saturating_sub(12)..index];
            let argued = before.iter().any(|line| line.contains(argument) || line.contains("# Safety"));
            assert!(argued, "{place}: no {argument} in the lines before");
        }
    }
}

/// The order of the engine's modules: each uses those before it only.
const MODULES: [&str; 16] = [
    "record",
    "time",
    "window",
    "serde",
    "topic",
    "partitioner",
    "broker",
    "executor",
    "client",
    "state",
    "processor",
    "calls",
    "topology",
    "dsl",
    "task",
    "worker",
];

#[test]
fn modules_of_the_engine_use_each_other_one_way() {
    let place = |module: &str| MODULES.iter().position(|other| *other == module);
    for (path, text) in rust_files() {
        let Some(within) = path.strip_prefix("crates/millstream/src/") else { continue };
        let module = within.split('/').next().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let own = place(module).unwrap_or_else(|| panic!("{path}: module {module} has no place in the order"));
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for used in lines.flat_map(|line| line.split("crate::").skip(1)) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            let used_place = place(used).unwrap_or_else(|| panic!("{path}: crate::{used} has no place in the order"));
            assert!(used_place <= own, "{path} uses crate::{used}, which comes after {module}");
        }
    }
}

#[test]
fn the_top_level_is_what_it_was_agreed_to_be() {
    const TOP: [&str; 10] = [
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "config",
        "crates",
        "docker-compose.yml",
        "services",
        "tests",
    ];
    let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut found: Vec<_> = entries.filter(|name| !name.starts_with('.') && name != "target").collect();
    found.sort();
    assert_eq!(found, TOP);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for (path, text) in files() {
        if path.ends_with("Cargo.toml") && path != "Cargo.toml" {
            assert!(text.contains("[lints]\nworkspace = true"), "{path}");
        }
    }
}

/// What Kafka the tests run is what the services are run beside, and what is compared with.
#[test]
fn one_version_of_kafka() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let pom = read("crates/millstream-local-kafka/src/pom.xml");
    let version = pom.split("<artifactId>kafka_2.13</artifactId>").nth(1).unwrap();
    let version = version.split("<version>").nth(1).unwrap().split('<').next().unwrap();
    let compose = read("docker-compose.yml");
    assert!(compose.contains(&format!("image: apache/kafka:{version}\n")), "not apache/kafka:{version}");
    let streams = format!("<artifactId>kafka-streams-test-utils</artifactId>\n      <version>{version}</version>");
    assert!(read("tests/kafka_streams/java/pom.xml").contains(&streams), "not Kafka Streams {version}");
    let contestant = format!("<artifactId>kafka-streams</artifactId>\n      <version>{version}</version>");
    assert!(read("crates/millstream-bench/java/pom.xml").contains(&contestant), "not Kafka Streams {version}");
}

#[test]
fn every_metric_of_the_dashboard_is_one_that_a_service_has() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let metrics = read("crates/millstream-service/src/metrics.rs");
    let dashboard = read("config/grafana/dashboards/millstream.json");
    let names = dashboard
        .split("millstream_")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        assert!(metrics.contains(&format!("\"millstream_{name}\"")), "millstream_{name} is on the dashboard alone");
    }
}

/// The project stands alone: it names no folder of a machine that it was written on.
#[test]
fn no_path_of_a_machine() {
    let paths = [concat!("../sha", "red"), concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    for (path, text) in files() {
        for (number, line) in text.lines().enumerate() {
            let found = paths.iter().find(|found| line.contains(**found));
            assert_eq!(found, None, "{path}:{}", number + 1);
        }
    }
}

#[test]
fn the_windows_in_the_readme_are_those_of_the_doc_test() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let docs = read("crates/millstream/src/dsl/mod.rs");
    let docs: Vec<&str> = docs.lines().map(|line| line.strip_prefix("//!").unwrap_or(line)).collect();
    let docs: String = docs.iter().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
    let readme = read("README.md");
    let code =
        readme.split("## Windows, joins and time").nth(1).and_then(|section| section.split("```").nth(1)).unwrap();
    assert!(docs.contains(code.trim_start_matches("rust\n")), "the code in README.md is not that of dsl/mod.rs");
}
