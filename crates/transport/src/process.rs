//! State that a forked child does not share. After `fork()` a child has a copy of its parent's memory: sockets that both
//! would write to, and locks that a thread of the parent held and that no thread of the child releases. So each process
//! has its own state: a child makes its own, and neither touches nor drops the parent's. The PID tells processes apart, so
//! a child in a new PID namespace that gets its parent's number is not noticed.

use std::sync::OnceLock;

/// A `T` for each process, made on first use.
pub(crate) struct PerProcess<T> {
    first: OnceLock<Box<Node<T>>>,
}

struct Node<T> {
    process: u32,
    value: T,
    /// A child's value: rarely more than one.
    next: OnceLock<Box<Node<T>>>,
}

impl<T> PerProcess<T> {
    /// Without a value yet: for a static.
    pub(crate) const fn empty() -> PerProcess<T> {
        PerProcess {
            first: OnceLock::new(),
        }
    }

    /// Makes this process's value at once: a child that is forked later then finds no lock half taken.
    pub(crate) fn new(value: T) -> PerProcess<T> {
        let first = OnceLock::new();
        let node = Node {
            process: std::process::id(),
            value,
            next: OnceLock::new(),
        };
        first.get_or_init(|| Box::new(node));
        PerProcess { first }
    }

    /// This process' value.
    pub(crate) fn get(&self, make: impl Fn() -> T) -> &T {
        let process = std::process::id();
        let mut slot = &self.first;
        loop {
            if let Some(node) = slot.get() {
                if node.process == process {
                    return &node.value;
                }
                slot = &node.next;
                continue;
            }
            let node = Box::new(Node {
                process,
                value: make(),
                next: OnceLock::new(),
            });
            // made before it is set, so a fork is unlikely to find it half done; if another thread was faster, its
            // value counts
            drop(slot.set(node));
        }
    }
}

impl<T> Drop for PerProcess<T> {
    /// Drops this process' value, and leaks its parent's.
    fn drop(&mut self) {
        let process = std::process::id();
        let mut next = self.first.take();
        while let Some(mut node) = next {
            next = node.next.take();
            if node.process != process {
                Box::leak(node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_keeps_the_value_it_has() {
        let state = PerProcess::new(1);
        assert_eq!(*state.get(|| 2), 1);
    }

    #[test]
    fn what_another_process_made_is_passed_by() {
        let mut state = PerProcess::new("the parent's");
        // as a child finds it: the same memory under another number
        let mut parent = state.first.take().unwrap();
        parent.process = parent.process.wrapping_add(1);
        let state = PerProcess {
            first: OnceLock::from(parent),
        };
        assert_eq!(*state.get(|| "the child's"), "the child's");
        assert_eq!(*state.get(|| "another"), "the child's");
    }
}
