use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::failover::met;
use crate::report::{print, say};
use crate::spread::Spread;
use crate::stage::{Scale, Stage};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    scale: Scale,
}

#[derive(Serialize)]
struct Report {
    keys: u64,
    runs: usize,
    demand_ms: u128,
    ok: bool,
    /// The longest time between two outputs of a partition while one instance is restarted, of each restart.
    gap_of_restart: Spread,
    /// The same of each run, in which every instance is restarted.
    gap_of_run: Spread,
    /// How many records were read from changelogs in a run, for tasks and for standbys, at most.
    restored_max: u64,
    /// How many were written to the input in that run: so much is a tail, for each copy of the state.
    written_meanwhile: u64,
    /// How many rows of state went from one instance's memory to another's, in all runs.
    transferred: u64,
}

/// The longest gap that there may be.
const GAP_MAX: Duration = Duration::from_millis(500);

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let scale = &arguments.scale;
    let mut stage = Stage::set(scale)?;
    let (mut of_restarts, mut of_runs) = (Vec::new(), Vec::new());
    let (mut restored_max, mut written_meanwhile, mut transferred) = (0, 0, 0);
    let mut tails_only = true;
    for run in 0..scale.runs {
        let (mut longest, mut restored, written) = (Duration::ZERO, 0, stage.input.written());
        for restarted in 0..scale.instances {
            let before: Vec<u64> = (0..scale.instances).map(|index| stage.restored(index)).collect();
            stage.tail.begin(stage.clock.now_ms());
            stage.instances.stop_one(restarted)?;
            stage.instances.start_again(restarted)?;
            let gap = stage.gap_until_calm()?;
            restored += (0..scale.instances)
                .map(|index| stage.restored(index).saturating_sub(if index == restarted { 0 } else { before[index] }))
                .sum::<u64>();
            transferred += stage.instances.status(restarted).transferred;
            longest = longest.max(gap);
            of_restarts.push(gap);
        }
        let written = stage.input.written() - written;
        say(&format!(
            "run {} of {}: longest gap {} ms; {restored} records restored, {written} written meanwhile",
            run + 1,
            scale.runs,
            longest.as_millis()
        ));
        tails_only &= restored <= written * (1 + scale.standby_replicas as u64);
        if restored >= restored_max {
            (restored_max, written_meanwhile) = (restored, written);
        }
        of_runs.push(longest);
    }
    let no_gap = of_runs.iter().all(|gap| *gap <= GAP_MAX);
    stage.end(no_gap && tails_only)?;
    let (gap_of_restart, gap_of_run) = (Spread::of(&of_restarts), Spread::of(&of_runs));
    say(&format!("longest gap in a partition's output, of each restart: {gap_of_restart}"));
    say(&format!("{}: no gap over {GAP_MAX:?}", met(no_gap)));
    say(&format!("{}: no more is read from changelogs than was written meanwhile", met(tails_only)));
    let (keys, runs, demand_ms, ok) = (scale.keys, scale.runs, GAP_MAX.as_millis(), no_gap && tails_only);
    let report =
        Report { keys, runs, demand_ms, ok, gap_of_restart, gap_of_run, restored_max, written_meanwhile, transferred };
    print(&report, scale.json)?;
    Ok(ok)
}
