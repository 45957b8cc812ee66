//! `cargo simulate`: runs seeds of the project's own simulation, and says which fail.

mod arguments;
mod mutations;
mod report;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use millstream_test::simulation::suite::run_seed;

use self::arguments::{Arguments, USAGE};
use self::report::Report;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            println!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if arguments.mutations {
        return match mutations::run() {
            Ok(all_noticed) => ExitCode::from(u8::from(!all_noticed)),
            Err(error) => {
                println!("{error}");
                ExitCode::from(2)
            }
        };
    }
    // A panic is a failure of its seed, and told with it.
    std::panic::set_hook(Box::new(|_| ()));
    let report = run(&arguments);
    report.print(&arguments);
    ExitCode::from(u8::from(!report.is_good(&arguments)))
}

/// Runs the seeds on all processors.
fn run(arguments: &Arguments) -> Report {
    let started = Instant::now();
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let stopped = AtomicBool::new(false);
    let report = Mutex::new(Report::default());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(arguments.seeds as usize);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    let outcome = run_seed(seed, arguments.trace);
                    let failed = outcome.failure.is_some();
                    report.lock().expect("no thread panics while it holds the lock").add(seed, outcome, arguments);
                    if failed && arguments.stop_at_failure {
                        stopped.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut report = report.into_inner().expect("no thread panics while it holds the lock");
    report.elapsed = started.elapsed();
    report
}
