use std::collections::BTreeMap;
use std::time::Duration;

use millstream_test::simulation::suite::Outcome;
use millstream_test::simulation::{Fault, FaultCounts};

use crate::arguments::Arguments;

/// What came of all seeds.
#[derive(Default)]
pub(crate) struct Report {
    seeds: u64,
    /// By seed, why it failed.
    failures: BTreeMap<u64, String>,
    faults: FaultCounts,
    pub(crate) elapsed: Duration,
}

/// So many seeds show every class of fault.
const SEEDS_FOR_ALL_FAULTS: u64 = 500;

impl Report {
    pub(crate) fn add(&mut self, seed: u64, outcome: Outcome, arguments: &Arguments) {
        self.seeds += 1;
        self.faults.add_all(&outcome.faults);
        print!("{}", outcome.trace);
        if arguments.seeds == 1 {
            println!("seed {seed}: {}", outcome.about);
        }
        if let Some(failure) = outcome.failure {
            println!("seed {seed} failed: {failure}\n  again: cargo simulate --seed {seed} --trace");
            self.failures.insert(seed, failure);
        }
    }

    /// The classes of faults that did not occur although there were seeds enough.
    fn missing(&self) -> Vec<Fault> {
        let enough = self.seeds >= SEEDS_FOR_ALL_FAULTS;
        self.faults.iter().filter(|(_, count)| enough && *count == 0).map(|(fault, _)| fault).collect()
    }

    pub(crate) fn is_good(&self, arguments: &Arguments) -> bool {
        self.failures.is_empty() && (arguments.stop_at_failure || self.missing().is_empty())
    }

    pub(crate) fn print(&self, arguments: &Arguments) {
        for (fault, count) in self.faults.iter() {
            println!("{count:>12} {fault}");
        }
        for fault in self.missing() {
            println!("{fault} never occurred");
        }
        let Report { seeds, failures, elapsed, .. } = self;
        let (failed, seconds) = (failures.len(), elapsed.as_secs_f64());
        println!("{seeds} seeds from {} on in {seconds:.1} s, {failed} failed", arguments.from);
        if arguments.json {
            println!("{}", self.json(arguments.from));
        }
    }

    fn json(&self, from: u64) -> String {
        let faults: Vec<String> = self.faults.iter().map(|(fault, count)| format!("\"{fault}\":{count}")).collect();
        let failed: Vec<String> = self.failures.keys().map(u64::to_string).collect();
        format!(
            "{{\"from\":{from},\"seeds\":{},\"failures\":{},\"failed_seeds\":[{}],\"seconds\":{:.1},\"faults\":{{{}}}}}",
            self.seeds,
            failed.len(),
            failed.join(","),
            self.elapsed.as_secs_f64(),
            faults.join(",")
        )
    }
}
