use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use millstream::broker::{Broker, TopicPartition};
use millstream::client::patient;
use millstream_tests::check::{Findings, check};
use millstream_tests::workload::{PARTITIONS, Workload};

use crate::instances::Instances;
use crate::report::say;

/// When the outputs have not changed for so long, no more are waited for.
pub(crate) const QUIET: Duration = Duration::from_secs(40);

/// Waits until more outputs come than there are.
pub(crate) fn wait_for_outputs(broker: &dyn Broker, workload: &Workload) -> Result<()> {
    let counts = workload.counts();
    let partitions: Vec<TopicPartition> =
        (0..PARTITIONS).map(|partition| TopicPartition::new(counts.name(), partition)).collect();
    let since = Instant::now();
    let ends = || patient(QUIET, || broker.end_offsets(&partitions));
    let before = ends()?;
    while ends()? == before {
        if since.elapsed() > QUIET {
            bail!("no output came for {QUIET:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Waits until nothing is lost, or until nothing more comes.
pub(crate) fn settle(broker: &dyn Broker, workload: &Workload, instances: &mut Instances) -> Result<Findings> {
    let mut before = Findings::default();
    let mut changed = Instant::now();
    loop {
        instances.are_alive()?;
        let findings = check(broker, workload)?;
        if findings.lost == 0 || changed.elapsed() > QUIET {
            return Ok(findings);
        }
        say(&format!("{} of {} outputs", findings.outputs, findings.inputs));
        if findings != before {
            changed = Instant::now();
            before = findings;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}
