//! `cargo xtask bench marshal`: a full batch (100 users with 10 tags each) on its way to the library, in Python and Go,
//! against JSON of the same request in that language, which is what a client without the library makes.

use std::collections::BTreeMap;

use crate::Error;
use crate::test::{go, python};

/// A row: what was measured, its microseconds, and its peer's.
struct Row {
    what: String,
    ours: f64,
    peers: f64,
}

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let mut rows = of_python(&python::marshalling()?)?;
    rows.push(of_go(&go::marshalling()?)?);
    println!(
        "a full batch, from the caller's own form to what is sent or handed over; the least of 2,000 times"
    );
    println!(
        "{:<22} {:>10} {:>10} {:>7}",
        "", "libimtag", "JSON", "ratio"
    );
    for Row { what, ours, peers } in rows {
        let ratio = ours / peers;
        println!("{what:<22} {ours:>7.1} us {peers:>7.1} us {ratio:>7.2}");
    }
    Ok(())
}

/// An object of names, each with the two figures.
fn of_python(printed: &str) -> Result<Vec<Row>, Error> {
    let figures: BTreeMap<String, [f64; 2]> = serde_json::from_str(printed)?;
    let rows = figures.into_iter().map(|(name, [ours, peers])| Row {
        what: format!("Python, {name}"),
        ours,
        peers,
    });
    Ok(rows.collect())
}

/// The line of Go's benchmark, where each figure stands before its unit.
fn of_go(printed: &str) -> Result<Row, Error> {
    let words: Vec<&str> = printed.split_whitespace().collect();
    let figure = |unit: &str| -> Result<f64, Error> {
        let at = words.iter().position(|word| *word == unit);
        let before = at.and_then(|at| words.get(at.checked_sub(1)?));
        Ok(before
            .ok_or_else(|| format!("Go printed no {unit}"))?
            .parse()?)
    };
    Ok(Row {
        what: "Go, add, ASCII".to_owned(),
        ours: figure("flat-us")?,
        peers: figure("json-us")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_languages_print_becomes_rows() {
        let python = of_python(r#"{"get": [5.0, 20.5]}"#).unwrap();
        assert_eq!((python[0].ours, python[0].peers), (5.0, 20.5));
        assert_eq!(python[0].what, "Python, get");
        let printed =
            "pkg: x\nBenchmarkMarshal-2\t2000\t 45000 ns/op\t 10.5 flat-us\t 34.0 json-us\nPASS";
        let go = of_go(printed).unwrap();
        assert_eq!((go.ours, go.peers), (10.5, 34.0));
        assert!(of_go("PASS").is_err());
    }
}
