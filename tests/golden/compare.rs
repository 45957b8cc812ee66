use std::path::Path;

/// Fails where the text is not the file's; writes it there first if `MILLSTREAM_TEST_GOLDEN=write`.
pub(crate) fn compare(path: &Path, text: &str) {
    if std::env::var("MILLSTREAM_TEST_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(path, text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, golden, "{} differs", path.display());
}
