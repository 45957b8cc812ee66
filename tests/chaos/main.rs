//! Kills, stops and cuts off instances and brokers while records flow, and checks what comes out, and when.

mod cluster;
mod disturb;
mod eos;
mod failover;
mod instance;
mod instances;
mod process;
mod report;
mod rolling;
mod settle;
mod spread;
mod stage;
mod status;
mod steady;
mod tail;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Kills instances and brokers while records flow, and checks what comes out, and when")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Three instances count keyed increments on a Kafka, are killed with SIGKILL and started again, and the Kafka is
    /// restarted. Ends with 0 only when nothing was lost, doubled or out of order.
    Eos(eos::Arguments),
    /// Three instances count keyed increments on a Kafka of three brokers. Instances and brokers are killed or stand still, and
    /// connections are cut, refused, slow, or lose requests or answers. Ends with 0 only when nothing was lost, doubled or out
    /// of order.
    Cluster(cluster::Arguments),
    /// Kills an instance under steady input, again and again, and measures how long its partitions have no output. Ends with 0
    /// only when that is never longer than the session timeout and 1 s.
    Failover(failover::Arguments),
    /// Restarts each instance in turn, in order, under steady input, and measures the gaps in the output and what is restored.
    /// Ends with 0 only when no gap is longer than 500 ms, and no more is restored than was written meanwhile.
    Rolling(rolling::Arguments),
    /// One instance, as the other commands start them. Its standard input ends it: a line in order, its end at once.
    #[command(hide = true)]
    Instance(instance::Arguments),
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Eos(arguments) => eos::run(&arguments),
        Command::Cluster(arguments) => cluster::run(&arguments),
        Command::Failover(arguments) => failover::run(&arguments),
        Command::Rolling(arguments) => rolling::run(&arguments),
        Command::Instance(arguments) => match instance::run(&arguments) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
