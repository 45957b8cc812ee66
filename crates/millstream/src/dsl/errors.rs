use std::rc::Rc;

use crate::processor::{ErrorPolicy, FailedRecord};
use crate::topology::TopologyBuilder;

impl TopologyBuilder {
    /// Has `decide` say what becomes of each record that failed in all its attempts, in place of the application's policies.
    ///
    /// It is asked once all effects of the record are taken back, and again if its answer could not be committed: it should
    /// give the same answer for the same record. What no record caused, as a punctuation, does not come to it; nor do rows of
    /// global tables. If there is such a function, there is a dead letter topic. The last one given holds.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.on_error(|failed: &FailedRecord<'_>| match failed.key {
    ///         Some(b"a") => ErrorPolicy::Skip,
    ///         _ => ErrorPolicy::DeadLetter,
    ///     });
    ///     b.stream(&i).map_values(|v: i64| 10 / v).to(&o)
    /// });
    /// for (key, value) in [("a", 0), ("b", 0), ("a", 5)] {
    ///     driver.pipe(&input, key.to_string(), value, 0);
    /// }
    /// assert_eq!(driver.values(&output), [2]);
    /// assert_eq!(driver.dead_letters()[0].key.as_deref(), Some("b".as_bytes()));
    /// ```
    pub fn on_error(&self, decide: impl Fn(&FailedRecord<'_>) -> ErrorPolicy + 'static) {
        self.graph.borrow_mut().on_error = Some(Rc::new(decide));
    }
}
