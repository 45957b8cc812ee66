//! The harness that `cargo fuzz-all` builds: libFuzzer on the target that MILLSTREAM_FUZZ_TARGET names.
#![cfg_attr(not(test), no_main)]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("MILLSTREAM_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    found.unwrap_or_else(|| panic!("MILLSTREAM_FUZZ_TARGET is {name:?}; it must name a target")).1
});

fuzz_target!(|data: &[u8]| TARGET(data));
