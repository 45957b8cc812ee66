use std::rc::Rc;
use std::sync::Arc;

use super::Stream;
use crate::processor::{Context, Processor, ProcessorContext};
use crate::record::{Record, Timestamp};
use crate::state::Connect;
use crate::topology::{NodeKind, Punctuator};

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Processes each record with a processor written by hand, which may use `stores`. Name and stores are given, for
    /// the topology to show; a grouping or join after it needs a repartition topic, as the key may be another.
    ///
    /// Records come in the order of their partition, late, null and repeated ones as any other: what becomes of them is the
    /// processor's to say. After an abort they come again, with the stores as they were.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// /// Passes on a key's first record only, and says every 100 ms of stream time how many keys there were.
    /// struct FirstOfKey(KeyValueStore<String, i64>);
    ///
    /// impl Processor for FirstOfKey {
    ///     type KeyIn = String;
    ///     type ValueIn = i64;
    ///     type KeyOut = String;
    ///     type ValueOut = i64;
    ///
    ///     fn process(
    ///         &self,
    ///         context: &mut ProcessorContext<'_, '_, String, i64>,
    ///         record: Record<String, i64>,
    ///     ) -> Result<(), ProcessError> {
    ///         if self.0.get(&record.key).is_some() {
    ///             return Ok(());
    ///         }
    ///         self.0.put(record.key.clone(), record.value, record.timestamp);
    ///         context.forward(record)
    ///     }
    ///
    ///     fn schedule(&self) -> Vec<Punctuation> {
    ///         vec![Punctuation { kind: PunctuationType::StreamTime, interval: Duration::from_millis(100) }]
    ///     }
    ///
    ///     fn punctuate(
    ///         &self,
    ///         context: &mut ProcessorContext<'_, '_, String, i64>,
    ///         _: Punctuation,
    ///         time: Timestamp,
    ///     ) -> Result<(), ProcessError> {
    ///         let mut keys = 0;
    ///         self.0.for_each(|_, _, _| keys += 1);
    ///         context.forward(Record::new("keys".to_string(), keys, time))
    ///     }
    /// }
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::new("out", Utf8, Be64));
    /// let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let seen = b.store(Store::new("seen", Utf8, Be64));
    ///     b.stream(&i).process("first-of-key", FirstOfKey(seen.clone()), &[&seen]).to(&o)
    /// });
    /// for (key, value, timestamp) in [("a", 1, 0), ("a", 2, 10), ("b", 3, 120)] {
    ///     driver.pipe(&input, key.to_string(), value, timestamp);
    /// }
    /// let expected = [("a", 1), ("b", 3), ("keys", 2)].map(|(k, v)| (k.to_string(), Some(v)));
    /// assert_eq!(driver.entries(&output), expected);
    /// ```
    pub fn process<P>(
        &self,
        name: impl Into<Arc<str>>,
        processor: P,
        stores: &[&dyn Connect],
    ) -> Stream<P::KeyOut, P::ValueOut>
    where
        P: Processor<KeyIn = K, ValueIn = V>,
    {
        self.add_processor(name.into(), Rc::new(processor), stores)
    }

    pub(super) fn add_processor<P>(
        &self,
        name: Arc<str>,
        processor: Rc<P>,
        stores: &[&dyn Connect],
    ) -> Stream<P::KeyOut, P::ValueOut>
    where
        P: Processor<KeyIn = K, ValueIn = V>,
    {
        let mut graph = self.builder.graph.borrow_mut();
        let node = graph.named_node(name, NodeKind::Processor("process"), &[self.node]);
        for store in stores {
            graph.connect(store.store_id(), node);
            if store.uses_time() {
                graph.uses_time(node, 0);
            }
        }
        let stream: Stream<P::KeyOut, P::ValueOut> = Stream::new(&self.builder, node, true);
        for punctuation in processor.schedule() {
            let (processor, children) = (processor.clone(), stream.children.clone());
            let call = move |context: &mut Context<'_>, time: Timestamp| {
                let mut context = ProcessorContext { context, children: &children };
                processor.punctuate(&mut context, punctuation, time)
            };
            graph.punctuators.push(Punctuator { node, punctuation, call: Box::new(call) });
        }
        let children = stream.children.clone();
        self.children.add(node.0, move |context, record: Record<K, V>| {
            let mut context = ProcessorContext { context, children: &children };
            processor.process(&mut context, record)
        });
        drop(graph);
        stream
    }
}
