//! The README's example is one that is built: the file in the client's examples, to the letter.

use super::read;

#[test]
fn the_readmes_rust_example_is_the_one_that_is_built() {
    let readme = read("README.md");
    let shown = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let built = read("crates/transport/examples/tag_one_user.rs");
    let from_first_use = built.find("use ").map(|start| &built[start..]);
    assert_eq!(shown, from_first_use);
}
