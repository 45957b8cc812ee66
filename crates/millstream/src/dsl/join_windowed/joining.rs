use std::hash::Hash;
use std::rc::Rc;

use crate::dsl::TopologyBuilder;
use crate::dsl::late::Late;
use crate::processor::{Context, ProcessError, PunctuationType, Tee};
use crate::record::{Headers, Record, Timestamp};
use crate::state::{Bounds, JoinSide, JoinWindowStore, Unjoined, UnjoinedStore};
use crate::topology::NodeId;
use crate::window::JoinWindows;

/// Which unjoined records of a join yield a result.
#[derive(Clone, Copy)]
pub(super) struct Outer {
    pub(super) left: bool,
    pub(super) right: bool,
}

/// What a join says of its records' times.
pub(super) struct JoinBounds<K, V, W> {
    pub(super) windows: JoinWindows,
    pub(super) left: Rc<JoinWindowStore<K, V>>,
    pub(super) right: Rc<JoinWindowStore<K, W>>,
}

impl<K: Hash + Eq + 'static, V: 'static, W: 'static> Bounds for JoinBounds<K, V, W> {
    fn over_at(&self, side: JoinSide, timestamp: Timestamp) -> Timestamp {
        match side {
            JoinSide::Left => self.windows.over_at(timestamp),
            JoinSide::Right => self.windows.mirrored().over_at(timestamp),
        }
    }

    fn expired_before(&self, side: JoinSide, stream_time: Timestamp) -> Timestamp {
        match side {
            JoinSide::Left => self.left.expired_before(stream_time),
            JoinSide::Right => self.right.expired_before(stream_time),
        }
    }
}

/// A windowed join at work.
pub(super) struct Join<K, V, W, R, J> {
    pub(super) left: Rc<JoinWindowStore<K, V>>,
    pub(super) right: Rc<JoinWindowStore<K, W>>,
    /// Of a left or outer join.
    pub(super) unjoined: Option<Rc<UnjoinedStore<K>>>,
    pub(super) windows: JoinWindows,
    pub(super) outer: Outer,
    pub(super) joiner: J,
    pub(super) children: Tee<K, R>,
}

impl<K, V, W, R, J> Join<K, V, W, R, J>
where
    K: Hash + Eq + Clone + 'static,
    V: Clone + 'static,
    W: Clone + 'static,
    R: Clone + 'static,
    J: Fn(Option<&V>, Option<&W>) -> Option<R> + 'static,
{
    pub(super) fn take_left(
        &self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        late: &Late<K, V>,
    ) -> Result<(), ProcessError> {
        let side = Side {
            this: &*self.left,
            other: &*self.right,
            side: JoinSide::Left,
            windows: self.windows,
            outer: self.outer.left,
            other_side: JoinSide::Right,
            other_outer: self.outer.right,
        };
        self.take(context, record, side, late, |this, other| (self.joiner)(Some(this), other))
    }

    pub(super) fn take_right(
        &self,
        context: &mut Context<'_>,
        record: Record<K, W>,
        late: &Late<K, W>,
    ) -> Result<(), ProcessError> {
        let side = Side {
            this: &*self.right,
            other: &*self.left,
            side: JoinSide::Right,
            windows: self.windows.mirrored(),
            outer: self.outer.right,
            other_side: JoinSide::Left,
            other_outer: self.outer.left,
        };
        self.take(context, record, side, late, |this, other| (self.joiner)(other, Some(this)))
    }

    /// Takes a record of one stream: tells of unjoined ones whose windows are over, joins it with what is here of the other
    /// stream, and keeps it.
    fn take<T: Clone + 'static, U: Clone + 'static>(
        &self,
        context: &mut Context<'_>,
        record: Record<K, T>,
        side: Side<'_, K, T, U>,
        late: &Late<K, T>,
        join: impl Fn(&T, Option<&U>) -> Option<R>,
    ) -> Result<(), ProcessError> {
        let now = context.stream_time();
        let Record { key, value, timestamp, headers } = record;
        let result =
            |value, key: &K, timestamp| Record { key: key.clone(), value, timestamp, headers: headers.clone() };
        match side.this.is_null(&key, &value) {
            (false, false) => {}
            (true, false) if side.outer => {
                return match join(&value, None) {
                    Some(value) => self.children.push(context, Record { key, value, timestamp, headers }),
                    None => Ok(()),
                };
            }
            _ => return Ok(()),
        }
        self.tell_unjoined(context, now)?;
        let mut is_joined = false;
        side.other.fetch(&key, side.windows.around(timestamp), |other_key, other_time, number, other| {
            if side.other_outer
                && let Some(unjoined) = &self.unjoined
            {
                let met = Unjoined { timestamp: other_time, side: side.other_side, key: other_key.clone() };
                if !unjoined.join(met, number) {
                    return Ok(());
                }
            }
            is_joined = true;
            match join(&value, Some(other)) {
                Some(value) => self.children.push(context, result(value, &key, timestamp.max(other_time))),
                None => Ok(()),
            }
        })?;
        let is_late = side.this.is_late(timestamp);
        let waiting = self.unjoined.as_ref().filter(|_| side.outer && !is_joined);
        let over = waiting.filter(|unjoined| is_late || unjoined.over_at(side.side, timestamp) <= now);
        if over.is_some()
            && let Some(value) = join(&value, None)
        {
            self.children.push(context, result(value, &key, timestamp))?;
        }
        if is_late {
            return late.push(context, Record { key, value, timestamp, headers });
        }
        let (key, number) = side.this.put(key, value, timestamp);
        let unjoined = Unjoined { timestamp, side: side.side, key };
        match (waiting, over) {
            (_, Some(store)) => store.told(unjoined, number),
            (Some(store), None) => store.wait(unjoined, number),
            (None, None) => {}
        }
        Ok(())
    }

    /// Pushes the results of unjoined records whose windows are over.
    fn tell_unjoined(&self, context: &mut Context<'_>, now: Timestamp) -> Result<(), ProcessError> {
        let Some(unjoined) = self.unjoined.as_ref().filter(|unjoined| unjoined.due() <= now) else {
            return Ok(());
        };
        for (Unjoined { timestamp, side, key }, number) in unjoined.take_due(now)? {
            let mut push = |value: Option<R>| {
                let Some(value) = value else { return Ok(()) };
                self.children
                    .push(context, Record { key: (*key).clone(), value, timestamp, headers: Headers::default() })
            };
            match side {
                JoinSide::Left => {
                    self.left.duplicates(&key, timestamp, number, |left| push((self.joiner)(Some(left), None)))?;
                }
                JoinSide::Right => {
                    self.right.duplicates(&key, timestamp, number, |right| push((self.joiner)(None, Some(right))))?;
                }
            }
        }
        Ok(())
    }

    /// Has the task call when time has come for unjoined records, whether a record of these streams comes or not.
    pub(super) fn tell_unjoined_in_time(self: &Rc<Self>, builder: &TopologyBuilder, node: NodeId) {
        let mut graph = builder.graph.borrow_mut();
        let Some(unjoined) = self.unjoined.clone() else {
            graph.uses_time(node, 0);
            return;
        };
        let (before, after) = (self.windows.before_ms(), self.windows.after_ms());
        graph.uses_time(node, before.max(after).saturating_add(self.windows.grace_ms()));
        let join = self.clone();
        let call = move |context: &mut Context<'_>, time| join.tell_unjoined(context, time);
        graph.alarm(node, PunctuationType::StreamTime, move || unjoined.due(), call);
    }
}

/// One stream of a join, as the record that comes from it sees it.
struct Side<'a, K, T, U> {
    this: &'a JoinWindowStore<K, T>,
    other: &'a JoinWindowStore<K, U>,
    side: JoinSide,
    windows: JoinWindows,
    /// Whether unjoined records of this stream yield a result.
    outer: bool,
    other_side: JoinSide,
    other_outer: bool,
}
