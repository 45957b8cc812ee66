//! A Millstream process: settings, metrics, HTTP, signals, command line.
