use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use super::{Place, ProcessError};

/// A panic of user code, as an error.
#[derive(Debug)]
struct Panicked {
    message: String,
    /// File, line and column.
    location: Option<String>,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("panicked")?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Panicked {}

/// What the hook saw of a panic, before the stack was unwound.
struct Noted {
    location: Option<String>,
    stack: Option<String>,
}

thread_local! {
    /// Whether a panic of this thread is caught.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// From now on a panic that is caught is noted with its place, and not printed: it is told with its record. Others go to the
/// hook that was there before.
pub(crate) fn note_panics() {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| if IS_GUARDED.get() { note(info) } else { before(info) }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let stack = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let noted = Noted { location: info.location().map(ToString::to_string), stack };
    NOTED.set(Some(noted));
}

/// Runs user code: a panic of it is an error at the node where `at` is by then.
#[inline]
pub(crate) fn guarded<R>(at: &Place, work: impl FnOnce() -> Result<R, ProcessError>) -> Result<R, ProcessError> {
    let outer = IS_GUARDED.replace(true);
    // State that was half changed is rolled back, or thrown away.
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(outer);
    match result {
        Ok(result) => result,
        Err(payload) => Err(of_panic(&*payload, at)),
    }
}

/// The same where no node is known.
pub(crate) fn guarded_anywhere<R>(work: impl FnOnce() -> R) -> Result<R, ProcessError> {
    guarded(&Place::default(), || Ok(work()))
}

#[cold]
fn of_panic(payload: &(dyn Any + Send), at: &Place) -> ProcessError {
    let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(message), _) => (*message).to_owned(),
        (None, Some(message)) => message.clone(),
        (None, None) => "with something that is no text".to_owned(),
    };
    let noted = NOTED.take();
    let (location, stack) = noted.map_or((None, None), |noted| (noted.location, noted.stack));
    let error = ProcessError::panicked(Panicked { message, location }, stack);
    match at.node() {
        Some(node) => error.at(node),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::{guarded, note_panics};
    use crate::processor::{Place, ProcessError};

    #[test]
    fn a_panic_is_an_error_with_its_place() {
        note_panics();
        let place = Place::default();
        let error = guarded(&place, || -> Result<(), ProcessError> {
            place.go_to(7);
            panic!("no {}", "good")
        });
        let error = error.unwrap_err();
        assert!(error.to_string().starts_with("panicked at "), "{error}");
        assert!(error.to_string().contains("guard.rs:") && error.to_string().ends_with(": no good"), "{error}");
        assert_eq!(error.into_parts().0, Some(7));
        assert_eq!(guarded(&place, || Ok(3)).unwrap(), 3);
    }
}
