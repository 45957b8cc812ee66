//! Delays of the US flights of 2001 by airport, hour and day.
fn main() {}
