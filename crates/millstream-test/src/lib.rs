//! TopologyTestDriver: a topology under test, without a broker.
