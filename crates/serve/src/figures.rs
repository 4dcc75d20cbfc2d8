//! How a figure is written for Prometheus.

use std::fmt::Write;

/// What Prometheus reads before the values of a figure.
pub(crate) fn head(text: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n")
}
