pub(crate) use millstream_tests::cluster::{clusters, unique};

use millstream::worker::{Guarantee, Options};

pub(crate) fn options(application_id: &str, instance: usize, workers: usize, guarantee: Guarantee) -> Options {
    Options { workers, guarantee, ..Options::new(application_id, format!("instance-{instance}")) }
}
