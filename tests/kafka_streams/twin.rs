//! The same script on Millstream.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use millstream::prelude::*;
use millstream_test::TopologyTestDriver;

use crate::reference::Outcome;
use crate::script::{Hex, Input, Output, Script, Step};

/// Runs a script on Millstream's topology of that name, and reads `sinks` after each step.
pub(crate) fn run(script: &Script, define: fn(&TopologyBuilder), sinks: &[&str]) -> Outcome {
    let mut outputs = Vec::new();
    let run = catch_unwind(AssertUnwindSafe(|| {
        let mut driver = TopologyTestDriver::new(define);
        for (number, step) in script.steps.iter().enumerate() {
            match step {
                Step::Wait { advance_wall_clock_ms } => {
                    driver.advance(Duration::from_millis(advance_wall_clock_ms.unsigned_abs()))
                }
                Step::Record(input) => pipe(&mut driver, input),
            }
            for sink in sinks {
                outputs.extend(read(&mut driver, sink, number));
            }
        }
    }));
    let error = run.err().map(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned()));
    Outcome { name: script.name.clone(), outputs, error }
}

fn topic(name: &str) -> Topic<Option<Vec<u8>>, Vec<u8>> {
    Topic::new(name, Nullable(Bytes), Bytes)
}

fn pipe(driver: &mut TopologyTestDriver, input: &Input) {
    let Input { topic: name, key, value, timestamp, headers } = input.clone();
    let headers = headers.into_iter().map(|(name, value)| (name, value.map(|Hex(bytes)| bytes))).collect();
    let (key, value) = (key.map(|Hex(bytes)| bytes), value.map(|Hex(bytes)| bytes));
    driver.pipe_record(&topic(&name), Record { key, value, timestamp, headers });
}

fn read(driver: &mut TopologyTestDriver, sink: &str, step: usize) -> Vec<Output> {
    let output = |record: Record<Option<Vec<u8>>, Option<Vec<u8>>>| {
        let Record { key, value, timestamp, headers } = record;
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.clone().map(Hex))).collect();
        Output { step, topic: sink.to_owned(), key: key.map(Hex), value: value.map(Hex), timestamp, headers }
    };
    driver.records(&topic(sink)).into_iter().map(output).collect()
}
