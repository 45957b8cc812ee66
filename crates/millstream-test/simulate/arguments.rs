/// How it is called.
pub(crate) const USAGE: &str = "\
usage: cargo simulate [--seeds N] [--from S] [--stop-at-failure] [--json]
       cargo simulate --seed S [--trace]
       cargo simulate --mutations

  --seeds N          how many seeds are run (1000)
  --from S           the first of them (0)
  --seed S           runs this one alone
  --trace            prints what happens in it, a line each
  --mutations        breaks the engine on purpose, in ways that must be noticed
  --stop-at-failure  runs no more seeds once one has failed
  --json             ends with a line of JSON";

/// What to run.
pub(crate) struct Arguments {
    pub(crate) from: u64,
    pub(crate) seeds: u64,
    pub(crate) trace: bool,
    pub(crate) json: bool,
    pub(crate) mutations: bool,
    pub(crate) stop_at_failure: bool,
}

impl Arguments {
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let mut arguments =
            Arguments { from: 0, seeds: 1_000, trace: false, json: false, mutations: false, stop_at_failure: false };
        while let Some(word) = words.next() {
            let mut number = || {
                let value = words.next().ok_or_else(|| format!("{word} takes a number"))?;
                value.parse().map_err(|_| format!("{word} takes a number, and not {value:?}"))
            };
            match word.as_str() {
                "--seeds" => arguments.seeds = number()?,
                "--from" => arguments.from = number()?,
                "--seed" => (arguments.from, arguments.seeds) = (number()?, 1),
                "--trace" => arguments.trace = true,
                "--mutations" => arguments.mutations = true,
                "--json" => arguments.json = true,
                "--stop-at-failure" => arguments.stop_at_failure = true,
                _ => return Err(format!("{word:?} is not an option")),
            }
        }
        match arguments.trace && arguments.seeds != 1 {
            true => Err("--trace goes with --seed".to_owned()),
            false => Ok(arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn parse(words: &str) -> Result<Arguments, String> {
        Arguments::parse(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn one_seed_is_run_alone() {
        let arguments = parse("--seed 7 --trace").unwrap();
        assert_eq!((arguments.from, arguments.seeds, arguments.trace), (7, 1, true));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (words, error) in [
            ("--seeds", "--seeds takes a number"),
            ("--seeds x", "--seeds takes a number, and not \"x\""),
            ("--trace", "--trace goes with --seed"),
            ("--other", "\"--other\" is not an option"),
        ] {
            assert_eq!(parse(words).err().as_deref(), Some(error));
        }
    }
}
