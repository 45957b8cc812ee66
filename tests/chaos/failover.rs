use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use rand::Rng;
use serde::Serialize;

use crate::report::{print, say};
use crate::spread::Spread;
use crate::stage::{SESSION, Scale, Stage};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    scale: Scale,
}

#[derive(Serialize)]
struct Report {
    keys: u64,
    runs: usize,
    session_timeout_ms: u128,
    demand_ms: u128,
    ok: bool,
    /// From the kill to the first new output, over all partitions that the killed instance had.
    partitions: Spread,
    /// The same, of each run the slowest partition.
    slowest_of_run: Spread,
    /// The longest gap in the output of the partitions of the others, of each run.
    others_gap: Spread,
}

/// How much longer than the session timeout it may take until there is output again.
const BEYOND_SESSION: Duration = Duration::from_secs(1);
/// Up to so long is waited before a kill: it falls anywhere between heartbeats and commits.
const PHASE_MS: u64 = 1_000;

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let scale = &arguments.scale;
    let mut stage = Stage::set(scale)?;
    let (mut all, mut slowest, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..scale.runs {
        let victim = run % scale.instances;
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(0..PHASE_MS)));
        let partitions = stage.instances.status(victim).running;
        if partitions.is_empty() {
            bail!("instance {victim} has no partition");
        }
        let killed = Instant::now();
        stage.instances.kill(victim)?;
        // What is written after the kill cannot be the killed one's output.
        stage.tail.begin(stage.clock.now_ms() + 1);
        stage.wait_for_first_new(&partitions)?;
        let seen = stage.tail.look();
        let is_victims = |partition: &usize| partitions.contains(&(*partition as i32));
        let firsts = (0..seen.len()).filter(is_victims).filter_map(|partition| seen[partition].first_new);
        let times: Vec<Duration> = firsts.map(|first| first - killed).collect();
        let gaps = (0..seen.len()).filter(|partition| !is_victims(partition)).map(|partition| seen[partition].gap());
        let (slow, gap) = (times.iter().max().copied().unwrap_or_default(), gaps.max().unwrap_or_default());
        say(&format!(
            "run {} of {}: {} ms; the others' longest gap {} ms",
            run + 1,
            scale.runs,
            slow.as_millis(),
            gap.as_millis()
        ));
        all.extend(times);
        slowest.push(slow);
        others.push(gap);
        stage.instances.start_again(victim)?;
        stage.wait_until_calm()?;
    }
    let demand = SESSION + BEYOND_SESSION;
    let ok = slowest.iter().all(|time| *time <= demand);
    stage.end(ok)?;
    let (partitions, slowest_of_run, others_gap) = (Spread::of(&all), Spread::of(&slowest), Spread::of(&others));
    let (session_timeout_ms, demand_ms) = (SESSION.as_millis(), demand.as_millis());
    let (keys, runs) = (scale.keys, scale.runs);
    let report = Report { keys, runs, session_timeout_ms, demand_ms, ok, partitions, slowest_of_run, others_gap };
    say(&format!("from the kill to the first new output, over all partitions: {partitions}"));
    say(&format!("{}: within {demand:?}, the session timeout of {SESSION:?} and {BEYOND_SESSION:?}", met(ok)));
    print(&report, scale.json)?;
    Ok(ok)
}

/// How a demand is named in the last line.
pub(crate) fn met(ok: bool) -> &'static str {
    if ok { "the demand is met" } else { "THE DEMAND IS NOT MET" }
}
