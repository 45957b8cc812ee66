//! Millstream beside other contestants on a real Kafka, one command a workload.
