//! The quota rule.
