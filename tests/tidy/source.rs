//! A source of Rust as its words and signs, which is enough for what is asked of sources here.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The words and signs, except items of tests. What is joined by `::` is one word; one before a brace, as in
/// `use a::{b, c}`, ends in it. All brackets but braces are parentheses.
pub(super) fn words(source: &str) -> Vec<String> {
    let mut words = Vec::new();
    flatten(source.parse().unwrap(), &mut words);
    words
}

fn flatten(tokens: TokenStream, words: &mut Vec<String>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let next = tokens.peek().map(ToString::to_string).unwrap_or_default();
        match token {
            TokenTree::Punct(sign) if sign.as_char() == '#' && is_of_tests(&next) => {
                skip_item(&mut tokens);
            }
            TokenTree::Punct(sign)
                if sign.spacing() == Spacing::Joint
                    && (sign.as_char(), next.as_str()) == (':', ":") =>
            {
                tokens.next();
                words.last_mut().unwrap().push_str("::");
            }
            TokenTree::Ident(word) if words.last().is_some_and(|it| it.ends_with("::")) => {
                words.last_mut().unwrap().push_str(&word.to_string());
            }
            TokenTree::Group(group) => {
                let is_brace = group.delimiter() == Delimiter::Brace;
                let [open, close] = if is_brace { ["{", "}"] } else { ["(", ")"] };
                words.push(open.to_owned());
                flatten(group.stream(), words);
                words.push(close.to_owned());
            }
            other => words.push(other.to_string()),
        }
    }
}

/// True of `[cfg(test)]` and `[cfg(all(test, …))]`.
fn is_of_tests(attribute: &str) -> bool {
    ["[cfg (test)", "[cfg (all (test"]
        .iter()
        .any(|it| attribute.starts_with(it))
}

/// Skips to the end of an item or a field. A comma within `<` and `>` ends neither; the `>` of an arrow closes nothing.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>) {
    let (mut open, mut before) = (0, None);
    for token in tokens {
        let sign = token.to_string().chars().next();
        match sign {
            Some('{' | ';') => return,
            Some(',') if open == 0 => return,
            Some('<') => open += 1,
            Some('>') if before != Some('-') => open -= 1,
            _ => {}
        }
        before = sign;
    }
}

#[test]
fn an_item_or_a_field_of_tests_ends_where_it_ends() {
    let source = "struct A { #[cfg(test)] a: Map<u8, Vec<B>>, c: C } \
                  #[cfg(test)] fn f<T, U>(g: fn() -> T) -> U { T } use d::D;";
    assert_eq!(words(source).join(" "), "struct A { c : C } use d::D ;");
}
