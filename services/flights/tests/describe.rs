//! What `--describe` prints, compared with files; `MILLSTREAM_TEST_GOLDEN=write` writes them anew.

#[path = "../../../tests/golden/compare.rs"]
mod compare;

use std::path::Path;
use std::process::Command;

use compare::compare;

fn described(argument: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_flights")).arg(argument).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_service_is_described_in_every_format() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    compare(&golden.join("flights.txt"), &described("--describe"));
    compare(&golden.join("flights.mmd"), &described("--describe=mermaid"));
    compare(&golden.join("flights.dot"), &described("--describe=graphviz"));
}

#[test]
fn the_picture_of_the_readme_is_what_the_command_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, block) = readme.split_once("```mermaid\n").expect("README.md has a picture");
    let (_, after) = block.split_once("```\n").expect("the picture has an end");
    compare(&path, &format!("{before}```mermaid\n{}```\n{after}", described("--describe=mermaid")));
}
