//! Kills instances while records flow, and checks what comes out.

mod eos;
mod instance;
mod process;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Kills instances while records flow, and checks what comes out")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Three instances count keyed increments on a Kafka, are killed with SIGKILL and started again, and the Kafka is
    /// restarted. Ends with 0 only when nothing was lost, doubled or out of order.
    Eos(eos::Arguments),
    /// One instance, as the other commands start them. Its standard input ends it: a line in order, its end at once.
    #[command(hide = true)]
    Instance(instance::Arguments),
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Eos(arguments) => eos::run(&arguments),
        Command::Instance(arguments) => instance::run(&arguments).map(|()| true),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eos::say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
