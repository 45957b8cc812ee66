//! Kafka's meaning in memory, behind the broker ports of Millstream.
