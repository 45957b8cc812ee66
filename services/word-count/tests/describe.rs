//! What `--describe` prints, compared with files; `MILLSTREAM_TEST_GOLDEN=write` writes them anew.

#[path = "../../../tests/golden/compare.rs"]
mod compare;

use std::path::Path;
use std::process::Command;

use compare::compare;

fn described(argument: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_word-count")).arg(argument).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_service_is_described_in_every_format() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    compare(&golden.join("word-count.txt"), &described("--describe"));
    compare(&golden.join("word-count.mmd"), &described("--describe=mermaid"));
    compare(&golden.join("word-count.dot"), &described("--describe=graphviz"));
}
