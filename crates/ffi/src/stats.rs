//! Figures of a client, a bulk run or a batcher: a snapshot, as a list that new figures can join.

use std::ffi::{CString, c_char};
use std::sync::OnceLock;

use imtag_transport::{Figure, Stats};

use crate::boundary::status;
use crate::error::im_error;
use crate::handle::{Misuse, Out, borrow, free, read, slice};
use crate::status::im_status;
use crate::str::{c_string, im_str};

/// Figures, as they were when they were asked for. Made by `im_client_stats`, `im_bulk_stats`, `im_batcher_stats` or, of
/// several, `im_stats_join`; freed by `im_stats_free`; read by any thread, also when what they are of is freed. Every
/// function that reads them takes NULL.
///
/// A figure has a name, labels that tell it from others of its name, and a number; a list of them says all. Names and
/// labels stay, and new figures may come with any version.
pub struct im_stats {
    figures: Vec<Shown>,
    text: OnceLock<CString>,
}

/// A figure with its texts as C reads them.
struct Shown {
    figure: Figure,
    name: CString,
    help: CString,
    labels: CString,
}

impl im_stats {
    pub(crate) fn new(figures: Vec<Figure>) -> im_stats {
        let shown = figures.into_iter().map(|figure| Shown {
            name: c_string(figure.name.as_str()),
            help: c_string(figure.help),
            labels: c_string(figure.labels()),
            figure,
        });
        im_stats {
            figures: shown.collect(),
            text: OnceLock::new(),
        }
    }

    fn sum(&self, name: &[u8], labels: &[u8]) -> Option<f64> {
        let named = |it: &&Shown| it.name.to_bytes() == name;
        let labelled = |it: &&Shown| labels.is_empty() || it.labels.to_bytes() == labels;
        let its = self.figures.iter().filter(named).filter(labelled);
        its.map(|it| it.figure.value)
            .reduce(|sum, value| sum + value)
    }
}

/// How many figures these are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_stats_count(stats: *const im_stats) -> usize {
    read!(stats, 0, stats.figures.len())
}

/// The name of a figure, as Prometheus has it: "imtag_calls_total". Figures of one name stand together. "" for an index out
/// of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_stats_name(stats: *const im_stats, index: usize) -> *const c_char {
    read!(stats, c"".as_ptr(), stats.figures.get(index)?.name.as_ptr())
}

/// The labels of a figure, as Prometheus has them: "operation=\"add\",outcome=\"done\"". Names and values are of small
/// letters and _, so splitting at commas reads them; only a value that im_stats_join was given is any text, with a backslash
/// before a quotation mark and a backslash, and \n for the end of a line. "" if it has none, and for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_stats_labels(stats: *const im_stats, index: usize) -> *const c_char {
    read!(
        stats,
        c"".as_ptr(),
        stats.figures.get(index)?.labels.as_ptr()
    )
}

/// What a figure counts, in a sentence; "" for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_stats_help(stats: *const im_stats, index: usize) -> *const c_char {
    read!(stats, c"".as_ptr(), stats.figures.get(index)?.help.as_ptr())
}

/// Whether a figure only grows; else it is a gauge. False for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_stats_is_counter(stats: *const im_stats, index: usize) -> bool {
    read!(stats, false, stats.figures.get(index)?.figure.is_counter)
}

/// The number of a figure; times are in seconds. 0 for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_stats_value(stats: *const im_stats, index: usize) -> f64 {
    read!(stats, 0.0, stats.figures.get(index)?.figure.value)
}

/// The number of the figure with this name and these labels: im_stats_get(stats, IM_STR("imtag_calls_total"),
/// IM_STR("operation=\"add\",outcome=\"done\"")). With empty labels it is the sum of all with this name. Not a number (NAN)
/// if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_stats_get(stats: *const im_stats, name: im_str, labels: im_str) -> f64 {
    read!(stats, f64::NAN, {
        // SAFETY: readable until the function returns.
        let [name, labels] = unsafe { [name.bytes(&"name"), labels.bytes(&"labels")] };
        stats.sum(name.ok()?, labels.ok()?)?
    })
}

/// All figures as text, in the form that Prometheus reads from a page. It belongs to the stats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_stats_text(stats: *const im_stats) -> *const c_char {
    read!(stats, c"".as_ptr(), {
        let text = || {
            let figures: Vec<Figure> = stats.figures.iter().map(|it| it.figure.clone()).collect();
            c_string(Stats::text(&figures))
        };
        stats.text.get_or_init(text).as_ptr()
    })
}

/// Makes figures of those of several clients, batchers or bulk runs of the process: each gets a label that says whose it is,
/// so that one page for Prometheus has them all. What they are made of stays as it is.
///
///     const im_stats *each[] = {china, singapore};
///     im_str names[] = {IM_STR("china"), IM_STR("singapore")};
///     im_stats_join(IM_STR("client"), names, each, 2, &all, NULL);
///     im_stats_text(all); // imtag_calls_total{client="china",operation="add",outcome="done"} 5 ...
///
/// label   borrowed: the label's name, of small letters and _; not operation or outcome
/// values  borrowed: what it says of each, any text
/// each    borrowed: the figures, none of them NULL
/// count   how many
/// joined  not NULL. NULL on entry; set on IM_OK. Free: im_stats_free
/// error   may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_stats_join(
    label: im_str,
    values: *const im_str,
    each: *const *const im_stats,
    count: usize,
    joined: *mut *mut im_stats,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, || {
        // SAFETY: NULL or writable until the function returns, as it documents.
        let joined = unsafe { Out::cleared(joined) }.needed("joined")?;
        // SAFETY: readable until the function returns, as it documents.
        let (label, values, each) = unsafe {
            (
                label.setting("label")?,
                slice(values, count, &"values")?,
                slice(each, count, &"each")?,
            )
        };
        let is_name = |label: &str| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if label.is_empty() || !is_name(label) {
            return Err(Misuse::new("label: not a name of small letters and _").into());
        }
        let mut figures = Vec::new();
        for (at, (value, its)) in values.iter().zip(each).enumerate() {
            // SAFETY: readable until the function returns, as it documents.
            let value = unsafe { value.setting(&format!("values[{at}]")) }?;
            // SAFETY: NULL, or made by this library and not freed before the function returns, as it documents.
            let its = unsafe { borrow(*its, &format!("each[{at}]")) }?;
            for Shown { figure, .. } in &its.figures {
                if figure.labels.iter().any(|(name, _)| name == label) {
                    let taken = format!("label: the figures have a label {label:?} already");
                    return Err(Misuse::new(taken).into());
                }
                let labelled = figure.clone().labelled(label.to_owned(), value.to_owned());
                figures.push(labelled);
            }
        }
        figures.sort_by(|one, other| one.name.cmp(&other.name));
        joined.give(|| im_stats::new(figures));
        Ok(())
    })
}

/// Frees figures; NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_stats_free(stats: *mut im_stats) {
    free!(stats);
}
