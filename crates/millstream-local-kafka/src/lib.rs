//! A real Apache Kafka as a child process, for tests and measurements.
