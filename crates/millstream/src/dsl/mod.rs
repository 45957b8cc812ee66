//! The DSL: streams and tables, in Kafka Streams' words.
//!
//! Each operator is short: it adds a node to the graph and a closure to its parent's children. Closures of the user
//! are `Fn`: what they must remember lives in stores, or it would escape the changelog and the rollback.
//!
//! Windows, a join of streams, and time:
//!
//! ```
//! use std::time::Duration;
//!
//! use millstream::prelude::*;
//!
//! /// Counts by ad and hour the views that led to a click within ten minutes. Both topics have the session as key, the ad as value.
//! fn ads(b: &TopologyBuilder) {
//!     let (minute, topic) = (Duration::from_secs(60), |name: &str| Topic::new(name.to_owned(), Utf8, Utf8));
//!     let (views, clicks) = (b.stream(&topic("views")), b.stream(&topic("clicks")));
//!
//!     let within = JoinWindows::of_time_difference(Duration::ZERO).after(10 * minute).grace(minute);
//!     let clicked = views.join_windowed(&clicks, within, JoinStores::new("clicked", Utf8, Utf8, Utf8), |ad, _| ad.clone());
//!     clicked.late().to(&topic("late-views"));
//!
//!     let hours = TimeWindows::tumbling(60 * minute).grace(5 * minute);
//!     let by_hour = clicked.group_by(topic("by-ad"), |_, ad| ad.clone()).windowed_by(hours).emit(Emit::OnWindowClose);
//!     by_hour.late().to(&topic("late-clicks"));
//!     by_hour
//!         .count(Store::new("clicks-by-hour", Utf8, Be64))
//!         .to_stream()
//!         .to(&Topic::<_, i64>::new("clicks-by-hour", TimeWindowed::new(Utf8, 3_600_000), Be64));
//! }
//! #
//! # use millstream_test::TopologyTestDriver;
//! # let mut driver = TopologyTestDriver::new(ads);
//! # let (views, clicks) = (Topic::new("views", Utf8, Utf8), Topic::new("clicks", Utf8, Utf8));
//! # let mut at = |topic: &Topic<String, String>, session: &str, minute: i64| {
//! #     driver.pipe(topic, session.to_string(), "hats".to_string(), minute * 60_000)
//! # };
//! # at(&views, "s", 1);
//! # at(&clicks, "s", 11);
//! # at(&views, "t", 20);
//! # at(&clicks, "t", 31); // too late after its view
//! # at(&views, "u", 58);
//! # at(&clicks, "u", 59);
//! # at(&views, "v", 90);
//! # at(&clicks, "w", 90);
//! # driver.advance(Duration::from_secs(1)); // the next watermark
//! # let counts = Topic::<_, i64>::new("clicks-by-hour", TimeWindowed::new(Utf8, 3_600_000), Be64);
//! # let counts: Vec<_> = driver.entries(&counts).into_iter().map(|(key, count)| (key.key, key.window.start, count)).collect();
//! # assert_eq!(counts, [("hats".to_string(), 0, Some(2))]);
//! ```
//!
//! What Kafka Streams has, and where it is here:
//!
//! | Streams: Kafka Streams | Millstream |
//! |---|---|
//! | `StreamsBuilder.stream` | [`TopologyBuilder::stream`] |
//! | `filter`, `filterNot` | [`Stream::filter`], [`Stream::filter_not`] |
//! | `map`, `selectKey` | [`Stream::map`] |
//! | `mapValues` | [`Stream::map_values`] |
//! | `flatMap` | [`Stream::flat_map`] |
//! | `flatMapValues` | [`Stream::flat_map_values`] |
//! | `peek`, `foreach`, `print` | [`Stream::inspect`] |
//! | `merge` | [`Stream::merge`] |
//! | `split().branch`, `defaultBranch` | [`Stream::split`], [`Split::branch`], [`Split::otherwise`] |
//! | `Consumed.withTimestampExtractor` | [`Topic::timestamp_extractor`](crate::topic::Topic::timestamp_extractor) |
//! | none | [`Stream::deduplicate`] |
//!
//! | Grouping: Kafka Streams | Millstream |
//! |---|---|
//! | `groupBy` | [`Stream::group_by`] |
//! | `groupByKey` | [`Stream::group_by_key`] |
//! | `repartition` | [`Stream::repartition`], [`Stream::repartition_by`] with a partitioner |
//! | `count`, `reduce`, `aggregate` | [`GroupedStream::count`], [`GroupedStream::reduce`], [`GroupedStream::aggregate`] |
//! | `cogroup` | [`GroupedStream::cogroup`], [`CogroupedStream::cogroup`], [`CogroupedStream::aggregate`] |
//! | none | [`GroupedStream::count_distinct`] |
//! | none (Storm's groupings) | [`Stream::shuffle`], [`Stream::broadcast`], [`Stream::global`], [`Stream::direct`] |
//! | none (Storm's partial keys) | [`Stream::partial_key`], [`PartialAggregates::merge`] |
//!
//! | Windows: Kafka Streams | Millstream |
//! |---|---|
//! | `windowedBy` | [`GroupedStream::windowed_by`], [`CogroupedStream::windowed_by`] |
//! | `TimeWindows` (tumbling, hopping) | [`TimeWindows`](crate::window::TimeWindows) |
//! | `SlidingWindows` | [`SlidingWindows`](crate::window::SlidingWindows) |
//! | `SessionWindows` | [`SessionWindows`](crate::window::SessionWindows) |
//! | `count`, `reduce`, `aggregate` | [`WindowedStream::count`], [`WindowedStream::reduce`], [`WindowedStream::aggregate`] |
//! | none: late records are dropped | [`WindowedStream::late`], [`WindowedJoin::late`], [`WindowedJoin::other_late`] |
//!
//! | Joins: Kafka Streams | Millstream |
//! |---|---|
//! | `KStream.join`, `leftJoin` with a `KTable` | [`Stream::join`], [`Stream::left_join`] |
//! | `KStream.join`, `leftJoin` with a `GlobalKTable` | [`Stream::join_global`], [`Stream::left_join_global`] |
//! | `KStream.join`, `leftJoin`, `outerJoin` with a `KStream` | [`Stream::join_windowed`], [`Stream::left_join_windowed`], [`Stream::outer_join_windowed`] |
//! | `KTable.join`, `leftJoin`, `outerJoin` | [`Table::join`], [`Table::left_join`], [`Table::outer_join`] |
//! | `KTable.join`, `leftJoin` by a foreign key | [`Table::join_foreign`], [`Table::left_join_foreign`] |
//!
//! | Tables: Kafka Streams | Millstream |
//! |---|---|
//! | `StreamsBuilder.table` | [`TopologyBuilder::table`] |
//! | `table` with `topology.optimization` | [`TopologyBuilder::table_from_changelog`] |
//! | `globalTable` | [`TopologyBuilder::global_table`] |
//! | `table` with a versioned store | [`TopologyBuilder::versioned_table`] |
//! | `KStream.toTable` | [`Stream::to_table`] |
//! | `KTable.toStream` | [`Table::to_stream`] |
//! | `filter`, `filterNot` | [`Table::filter`], [`Table::filter_not`] |
//! | `mapValues` | [`Table::map_values`], [`Table::map_values_with_key`] |
//! | `Materialized.as` | [`Table::materialize`] |
//! | `Materialized.with` | [`Table::with_serdes`] |
//! | `groupBy` | [`Table::group_by`] |
//! | `count`, `reduce`, `aggregate` | [`GroupedTable::count`], [`GroupedTable::reduce`], [`GroupedTable::aggregate`] |
//! | none | [`GroupedTable::count_distinct`], [`GroupedTable::top_k`] |
//!
//! | Time and emission: Kafka Streams | Millstream |
//! |---|---|
//! | `emitStrategy` | [`WindowedStream::emit`], [`WindowedCogroupedStream::emit`] |
//! | the record cache (`statestore.cache.max.bytes`) | [`GroupedStream::emit`] with [`Emit::OnCommit`] |
//! | `suppress` | [`Table::suppress`] |
//! | none: time is what records say | [`Topic::watermark`](crate::topic::Topic::watermark) |
//!
//! | Processors and timers: Kafka Streams | Millstream |
//! |---|---|
//! | `process`, `processValues`, `transform` | [`Stream::process`] |
//! | `schedule`, `Punctuator` | [`Processor::schedule`](crate::processor::Processor::schedule) |
//! | none | [`TopologyBuilder::timers`], [`Stream::process_with_timers`] |
//! | `Stores.keyValueStoreBuilder` | [`TopologyBuilder::store`]; with ranges and prefixes [`TopologyBuilder::ordered_store`] |
//! | `Stores.windowStoreBuilder` | [`TopologyBuilder::window_store`] |
//! | `Stores.sessionStoreBuilder` | [`TopologyBuilder::session_store`] |
//! | `Stores.versionedKeyValueStoreBuilder` | [`TopologyBuilder::versioned_store`] |
//! | `withLoggingDisabled` | [`Store::without_changelog`](crate::state::Store::without_changelog) |
//! | none | [`Store::time_to_live`](crate::state::Store::time_to_live), [`Store::upgrade`](crate::state::Store::upgrade) |
//!
//! | Asynchronous calls: Kafka Streams | Millstream |
//! |---|---|
//! | none | [`Stream::map_async`], [`Stream::flat_map_async`], [`Stream::process_async`] |
//!
//! | Sinks: Kafka Streams | Millstream |
//! |---|---|
//! | `to` | [`Stream::to`] |
//! | `to` with a `StreamPartitioner` | [`Stream::to_partition`] |
//! | `to` with a `TopicNameExtractor` | [`Stream::to_chosen`] |

mod async_map;
mod builder;
mod change;
mod cogroup;
mod deduplicate;
mod distinct;
mod emit;
mod errors;
mod fold;
mod global;
mod group;
mod grouping;
mod join;
mod join_windowed;
mod late;
mod partial;
mod process;
mod sink;
mod split;
mod stores;
mod stream;
mod suppress;
mod table;
mod timers;
mod top;
mod versioned;
mod window_stores;
mod windowed;

pub use crate::topology::TopologyBuilder;
pub use change::Change;
pub use cogroup::CogroupedStream;
pub use emit::Emit;
pub use global::GlobalTable;
pub use group::GroupedStream;
pub use join_windowed::{JoinStores, WindowedJoin};
pub use partial::{PartialAggregates, PartialGroupedStream};
pub use sink::SinkValue;
pub use split::Split;
pub use stream::Stream;
pub use suppress::{Bound, Suppressed};
pub use table::{GroupedTable, Table};
pub use windowed::{AlignedWindows, WindowedCogroupedStream, WindowedStream, Windows};
