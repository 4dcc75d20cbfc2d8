//! Lists that claim to be in order: the lines after a comment `keep sorted`, up to one that closes a bracket.

const CLAIM: &str = "// keep sorted";

/// The number of the first line of a text that breaks the order which its list claims.
pub(super) fn out_of_order(text: &str) -> Option<usize> {
    let mut previous: Option<&str> = None;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line == CLAIM {
            previous = Some("");
        } else if line.starts_with([']', '}', ')']) {
            previous = None;
        } else if let Some(before) = previous {
            if line < before {
                return Some(number);
            }
            previous = Some(line);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{CLAIM, out_of_order};

    #[test]
    fn a_list_out_of_order_is_found_where_it_claims_an_order() {
        let list = |claim: &str, first: &str, second: &str| {
            out_of_order(&format!("[\n{claim}\n{first},\n{second},\n]\na,\n"))
        };
        assert_eq!(list(CLAIM, "b", "c"), None);
        assert_eq!(list(CLAIM, "c", "b"), Some(4));
        assert_eq!(list("// as they come", "c", "b"), None);
    }
}
