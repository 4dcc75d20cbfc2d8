//! Why a check or a task failed.

/// A sentence for the terminal.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
