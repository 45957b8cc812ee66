//! Suites over the whole of Millstream.
