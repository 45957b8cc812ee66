//! Child processes that end with this process, whichever way this process ends.
//!
//! A process that is killed with `SIGKILL` runs nothing any more, so something else has to notice. That is a shell
//! which reads from a pipe that this process alone holds open: the pipe's end is this process's end. A child does
//! not start before the shell knows of it, so no moment is left in which a child could be forgotten.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};

/// Keeps the last process id that it was told. When its input ends, it kills that process and removes the folder.
const GUARD: &str = r#"
trap '' HUP INT TERM
pid=
while read -r line; do pid=$line; done
[ -z "$pid" ] || kill -9 "$pid"
[ -z "$1" ] || for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" && break; sleep 0.2; done
"#;

/// Waits for one line, then becomes the program. The rest of the input is the program's.
const GATE: &str = r#"read -r _ && exec "$@""#;

/// A command that runs `program` once [`Guard::spawn`] opens the gate. Its arguments are the program's.
pub(crate) fn gated(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", GATE, "gate"]).arg(program);
    command
}

/// A shell that ends one child, and removes one folder, when this process ends. Dropped, it leaves both alone.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    pipe: ChildStdin,
}

impl Guard {
    /// Starts a guard; `folder` is what it removes when this process ends.
    pub(crate) fn start(folder: Option<&Path>) -> io::Result<Guard> {
        let mut shell = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pipe = input_of(&mut shell)?;
        Ok(Guard { shell, pipe })
    }

    /// Starts a [`gated`] command as the guarded child, and gives its input. The child gets a process group of its
    /// own: a Ctrl-C in the terminal is for this process, which decides what becomes of its children.
    pub(crate) fn spawn(&mut self, mut gated: Command) -> io::Result<(Child, ChildStdin)> {
        let mut child = gated.stdin(Stdio::piped()).process_group(0).spawn()?;
        let mut input = input_of(&mut child)?;
        writeln!(self.pipe, "{}", child.id())?;
        writeln!(input)?;
        Ok((child, input))
    }

    /// The child has ended and was waited for: its process id may soon be another process's.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        writeln!(self.pipe)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // An error says that the shell has ended already, which is what is wanted.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Runs a [`gated`] command to its end under a guard of its own, with `input` to read.
pub(crate) fn run(mut gated: Command, input: &str) -> io::Result<Output> {
    let mut guard = Guard::start(None)?;
    gated.stdout(Stdio::piped()).stderr(Stdio::piped());
    let (child, mut pipe) = guard.spawn(gated)?;
    std::thread::scope(|scope| {
        // A program that writes before it has read all would wait for this process for ever, were this one thread.
        let writer = scope.spawn(move || pipe.write_all(input.as_bytes()));
        let output = child.wait_with_output();
        match writer.join() {
            // A program may end without reading all of its input; its status tells whether that was right.
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => output,
        }
    })
}

/// Sends `child` the signal of that name: `TERM`, `STOP`, `CONT`.
pub(crate) fn signal(child: &Child, name: &str) -> io::Result<ExitStatus> {
    Command::new("sh").args(["-c", r#"kill "-$1" "$2""#, "signal", name, &child.id().to_string()]).status()
}

fn input_of(child: &mut Child) -> io::Result<ChildStdin> {
    child.stdin.take().ok_or_else(|| io::Error::other("a child process has no input pipe"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// How a child that takes `seconds` ends when its guard's pipe closes, as it does when this process ends.
    fn end_of_child(seconds: &str, forgotten: bool) -> ExitStatus {
        let folder = tempfile::tempdir().unwrap();
        let mut guard = Guard::start(Some(folder.path())).unwrap();
        let mut sleep = gated(Path::new("sleep"));
        sleep.arg(seconds);
        let (mut child, input) = guard.spawn(sleep).unwrap();
        if forgotten {
            guard.forget().unwrap();
        }
        drop(std::mem::replace(&mut guard.pipe, input));
        let status = child.wait().unwrap();
        guard.shell.wait().unwrap();
        assert!(!folder.path().exists());
        status
    }

    #[test]
    fn a_guard_kills_its_child_and_no_forgotten_one() {
        assert_eq!(end_of_child("20", false).signal(), Some(9));
        assert_eq!(end_of_child("1", true).code(), Some(0));
    }

    #[test]
    fn a_program_may_write_before_it_reads_and_end_before_it_has_read_all() {
        let long = "a line\n".repeat(100_000);
        let output = run(gated(Path::new("cat")), &long).unwrap();
        assert!(output.stdout == long.as_bytes());

        let mut head = gated(Path::new("head"));
        head.args(["-n", "1"]);
        assert_eq!(run(head, &long).unwrap().stdout, b"a line\n");
    }
}
