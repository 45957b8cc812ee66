use std::cell::RefCell;
use std::rc::Rc;

use super::{Stream, TopologyBuilder};
use crate::processor::Tee;
use crate::topology::{NodeId, NodeKind};

/// A stream being split into branches: each record goes to the first branch whose predicate holds for it.
pub struct Split<K, V> {
    builder: TopologyBuilder,
    node: NodeId,
    branches: Branches<K, V>,
    key_changed: bool,
}

type Predicate<K, V> = Box<dyn Fn(&K, &V) -> bool>;
type Branches<K, V> = Rc<RefCell<Vec<(Predicate<K, V>, Tee<K, V>)>>>;

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Begins to split the stream. A record that no branch takes is dropped; [`Split::otherwise`] takes the rest. Each record is
    /// judged by itself, null, late and repeated ones as any other, and order stays within a branch.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, low, rest) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::new("low", Unit, Be64), Topic::new("rest", Unit, Be64));
    /// # let (i, l, r) = (input.clone(), low.clone(), rest.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let mut split = b.stream(&i).split();
    ///     split.branch(|_, v| *v < 10).to(&l);
    ///     split.otherwise().to(&r);
    /// });
    /// for value in [1, 20] {
    ///     driver.pipe(&input, (), value, 0);
    /// }
    /// assert_eq!((driver.values(&low), driver.values(&rest)), (vec![1], vec![20]));
    /// ```
    pub fn split(&self) -> Split<K, V> {
        let node = self.builder.graph.borrow_mut().node(NodeKind::Processor("split"), &[self.node]);
        let branches: Branches<K, V> = Rc::default();
        let split = Split { builder: self.builder.clone(), node, branches, key_changed: self.key_changed };
        let branches = split.branches.clone();
        self.children.add(node.0, move |context, record| {
            for (predicate, children) in branches.borrow().iter() {
                if predicate(&record.key, &record.value) {
                    return children.push(context, record);
                }
            }
            Ok(())
        });
        split
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Split<K, V> {
    /// The records for which `predicate` holds and that no branch before took; null, late and repeated ones as any other.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, low, high) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::new("low", Unit, Be64), Topic::new("high", Unit, Be64));
    /// # let (i, l, h) = (input.clone(), low.clone(), high.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let mut split = b.stream(&i).split();
    ///     split.branch(|_, v| *v < 10).to(&l);
    ///     split.branch(|_, v| *v < 99).to(&h);
    /// });
    /// for value in [1, 20, 100] {
    ///     driver.pipe(&input, (), value, 0);
    /// }
    /// assert_eq!((driver.values(&low), driver.values(&high)), (vec![1], vec![20]));
    /// ```
    pub fn branch(&mut self, predicate: impl Fn(&K, &V) -> bool + 'static) -> Stream<K, V> {
        let node = self.builder.graph.borrow_mut().node(NodeKind::Processor("branch"), &[self.node]);
        let stream = Stream::new(&self.builder, node, self.key_changed);
        self.branches.borrow_mut().push((Box::new(predicate), stream.children.clone()));
        stream
    }

    /// The records that no branch took; null, late and repeated ones as any other.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, rest) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::new("rest", Unit, Be64));
    /// # let (i, r) = (input.clone(), rest.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let mut split = b.stream(&i).split();
    ///     split.branch(|_, v| *v < 10);
    ///     split.otherwise().to(&r)
    /// });
    /// for value in [1, 20] {
    ///     driver.pipe(&input, (), value, 0);
    /// }
    /// assert_eq!(driver.values(&rest), [20]);
    /// ```
    pub fn otherwise(mut self) -> Stream<K, V> {
        self.branch(|_, _| true)
    }
}
