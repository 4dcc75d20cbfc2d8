//! What the setters leave for the client's builder.

use super::*;
use crate::status::IM_OK;

#[test]
fn a_fresh_start_is_unknown_until_it_is_set_and_then_on_or_off() {
    let config = im_config_new();
    let shown = |expected: &str| {
        // SAFETY: made above, and freed at the end.
        let builder = format!("{:?}", unsafe { &*config }.builder());
        assert!(builder.contains(expected), "{builder}");
    };
    shown("fresh_start: None");
    for (number, expected) in [(1, "Some(true)"), (0, "Some(false)"), (-1, "Some(true)")] {
        // SAFETY: as above.
        assert_eq!(unsafe { im_config_set_fresh_start(config, number) }, IM_OK);
        shown(&format!("fresh_start: {expected}"));
    }
    // SAFETY: used no more.
    unsafe { im_config_free(config) };
}
