//! Rows whose tags look joined by another separator than the header says: `vip,beijing` or `vip|beijing` under `tags`,
//! which `;` separates, or `vip;beijing` under `tag`. Such a field may really be one tag, so it is taken for one, and the
//! import warns of it.

use std::fmt;

use imtag_rows::Tags;
use memchr::memchr2;
use serde::Serialize;

use crate::output::count;

/// Separators that others use.
const OTHERS: [char; 7] = [',', '，', '、', '|', '/', '\t', '；'];

/// Separators of a field with several tags, where a field should hold one.
const OURS: [char; 2] = [Tags::SEPARATOR, '；'];

/// The first byte of `；`, and of other characters.
const FULL_WIDTH: u8 = 0xef;

/// How many rows there are, and where. The names of the fields are a promise to programs: see the README.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct JoinedTags {
    rows: u64,
    first_line: u64,
    separators: Vec<char>,
    #[serde(skip)]
    one_a_row: bool,
}

impl JoinedTags {
    /// Examines the tags of a row, and counts it in `found` if they look joined.
    #[inline]
    pub(crate) fn look(found: &mut Option<JoinedTags>, line: u64, tags: Tags<'_>) {
        let (one_a_row, separator) = match tags {
            Tags::One(tag) => match memchr2(Tags::SEPARATOR as u8, FULL_WIDTH, tag.as_bytes()) {
                Some(_) => (true, tag.chars().find(|c| OURS.contains(c))),
                None => return,
            },
            // beside the right separator another one is meant as it stands
            Tags::Separated(tags) if !tags.contains(Tags::SEPARATOR) => {
                (false, tags.chars().find(|c| OTHERS.contains(c)))
            }
            _ => return,
        };
        if let Some(separator) = separator {
            JoinedTags::add(found, line, separator, one_a_row);
        }
    }

    #[cold]
    fn add(found: &mut Option<JoinedTags>, line: u64, separator: char, one_a_row: bool) {
        let found = found.get_or_insert(JoinedTags {
            rows: 0,
            first_line: line,
            separators: Vec::new(),
            one_a_row,
        });
        found.rows += 1;
        if !found.separators.contains(&separator) {
            found.separators.push(separator);
        }
    }
}

/// The warning.
impl fmt::Display for JoinedTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separators: Vec<_> = self.separators.iter().map(|c| format!("{c:?}")).collect();
        let (separators, line) = (separators.join(", "), self.first_line);
        let rows = count(self.rows, "row", "rows");
        let (field, remedy) = if self.one_a_row {
            ("tag", "for several tags a row, name the column tags")
        } else {
            ("tags", "tags are separated by ;")
        };
        write!(
            f,
            "{rows} (the first in line {line}) with {separators} in the {field} were taken for one tag each: {remedy}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(rows: &[Tags<'_>]) -> Option<String> {
        let mut found = None;
        for (tags, line) in rows.iter().zip(2..) {
            JoinedTags::look(&mut found, line, *tags);
        }
        found.map(|it| it.to_string())
    }

    #[test]
    fn another_separator_is_counted_with_the_first_line_and_named() {
        let rows = [
            Tags::Separated("vip"),
            Tags::Separated("vip,beijing"),
            Tags::Separated("vip|beijing"),
            Tags::Separated("iOS/macOS;vip"),
            Tags::List(&[]),
            Tags::Separated("vip,ios"),
        ];
        assert_eq!(
            looked(&rows).unwrap(),
            "3 rows (the first in line 3) with ',', '|' in the tags were taken for one tag each: tags are separated by ;"
        );
        for separator in ["、", "，", "；", "\t", "/"] {
            let tags = format!("贵宾{separator}北京");
            assert!(looked(&[Tags::Separated(&tags)]).is_some(), "{separator}");
        }
        for whole in ["贵宾", "ｖｉｐ", "。", "a b", "a-b"] {
            assert_eq!(looked(&[Tags::Separated(whole), Tags::One(whole)]), None);
        }
    }

    #[test]
    fn a_semicolon_where_there_is_a_tag_a_row_is_one_too_and_a_comma_is_not() {
        assert_eq!(
            looked(&[Tags::One("vip;beijing")]).unwrap(),
            "1 row (the first in line 2) with ';' in the tag were taken for one tag each: for several tags a row, name \
             the column tags"
        );
        assert!(looked(&[Tags::One("贵宾；北京")]).is_some());
        assert_eq!(looked(&[Tags::One("games, sports")]), None);
    }
}
