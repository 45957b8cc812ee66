//! Compares Millstream's operators with Apache Kafka Streams itself, record by record.
//!
//! To see what Kafka Streams does, by hand (jars once, then a script a line; keys and values in hex):
//!
//! ```text
//! mkdir -p target/ks && cp tests/kafka_streams/java/pom.xml target/ks
//! (cd target/ks && mvn -q -B dependency:copy-dependencies -DoutputDirectory=.)
//! javac -d target/ks/classes -cp 'target/ks/*' tests/kafka_streams/java/*.java
//! java -cp 'target/ks/classes:target/ks/*' millstream.Main topologies
//! echo '{"name":"try","topology":"table_join","steps":[{"topic":"left","key":"61","value":"78","timestamp":1},
//!   {"topic":"right","key":"61","value":"79","timestamp":2},{"advance_wall_clock_ms":100}]}' | tr -d '\n' |
//!   java -cp 'target/ks/classes:target/ks/*' millstream.Main
//! ```
