//! The figures of a client: counted always, where things are decided, and read as a snapshot. To count is to add to a number
//! that all threads share: no lock, no clock.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicU64};
use std::time::Duration;

use imtag_core::{Code, Operation};

/// How a call ends: done, in part, or by the [cause](crate::Cause::name) of its failure.
const OUTCOMES: [&str; 11] = [
    "done",
    "partial",
    "invalid",
    "credentials",
    "service",
    "http_status",
    "timeout",
    "cancelled",
    "network",
    "tls",
    "not_understood",
];

/// The figures of a client in this process, since it was made; in a forked child since its first use there. A call is one
/// request of the API with its attempts, also of a batcher or a bulk run. The counts only grow.
///
/// ```no_run
/// # fn print(client: &imtag_transport::Client) {
/// use imtag_transport::{Operation, Stats};
///
/// let stats = client.stats();
/// let add = stats.operation(Operation::Add);
/// println!("{} done, {} timed out", add.ended("done"), add.ended("timeout"));
/// print!("{}", Stats::text(&stats.figures())); // for Prometheus
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Those of each operation, in the order of [`Operation::ALL`].
    pub operations: [OperationStats; Operation::ALL.len()],
    /// Connections that were opened.
    pub connections_opened: u64,
    /// Attempts over a connection that an earlier one had left.
    pub connections_reused: u64,
    /// Idle connections that were found closed, or did not answer.
    pub connections_dead: u64,
    /// UserSigs that were made, or that a callback supplied.
    pub usersigs: u64,
    /// How often the service became unavailable.
    pub outages: u64,
    /// It is unavailable now, as far as is known.
    pub in_outage: bool,
}

/// The figures of the calls of one operation.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct OperationStats {
    /// Calls that have ended, by how: `done`, `partial`, or the cause of the failure ([`Cause::name`](crate::Cause::name)).
    pub ended: Vec<(&'static str, u64)>,
    /// Calls that have begun and not ended.
    pub in_flight: u64,
    /// Attempts, also those that did not reach the service.
    pub attempts: u64,
    /// Attempts of which any byte left this machine: what the app's quota may have been charged.
    pub attempts_sent: u64,
    /// Attempts that the service rejected as too frequent.
    pub quota_rejections: u64,
    /// Waits for a turn in the quota, of attempts that had none at once.
    pub quota_waits: u64,
    /// How long these were together.
    pub quota_wait: Duration,
    /// The longest of them.
    pub longest_quota_wait: Duration,
    /// The code by which the service refused the app itself, its credentials or its plan in its last answer, if it did: so it
    /// refuses all such calls.
    pub app_refused: Option<i32>,
}

impl Stats {
    /// The figures of the calls of one operation.
    #[must_use]
    pub fn operation(&self, operation: Operation) -> &OperationStats {
        &self.operations[operation as usize]
    }

    /// All figures, for a monitoring system. The names stay; new ones may come.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for operation in Operation::ALL {
            for figure in self.operation(operation).figures() {
                figures.push(figure.labelled("operation", operation.name()));
            }
        }
        figures.extend([
            counter(
                "imtag_connections_opened_total",
                "Connections that were opened.",
                self.connections_opened,
            ),
            counter(
                "imtag_connections_reused_total",
                "Attempts over a connection that an earlier one had left.",
                self.connections_reused,
            ),
            counter(
                "imtag_connections_dead_total",
                "Idle connections that were found closed, or did not answer.",
                self.connections_dead,
            ),
            counter(
                "imtag_usersigs_total",
                "UserSigs that were made or supplied.",
                self.usersigs,
            ),
            counter(
                "imtag_outages_total",
                "How often the service became unavailable.",
                self.outages,
            ),
            gauge(
                "imtag_in_outage",
                "1 while the service is unavailable.",
                f64::from(self.in_outage),
            ),
        ]);
        figures.sort_by(|one, other| one.name.cmp(&other.name));
        figures
    }

    /// Figures as text, in the form that Prometheus reads: by their names, each with its help once. Those of many clients
    /// go in one text where a label tells them apart ([`Figure::labelled`]).
    #[must_use]
    pub fn text(figures: &[Figure]) -> String {
        let mut by_name: Vec<&Figure> = figures.iter().collect();
        by_name.sort_by(|one, other| one.name.cmp(&other.name));
        let mut text = String::new();
        let mut before = "";
        for figure in by_name {
            let Figure {
                name, help, value, ..
            } = figure;
            if name != before {
                let kind = if figure.is_counter {
                    "counter"
                } else {
                    "gauge"
                };
                write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n").expect(TAKES_ALL);
                before = name;
            }
            let labels = figure.labels();
            let labels = if labels.is_empty() {
                labels
            } else {
                format!("{{{labels}}}")
            };
            writeln!(text, "{name}{labels} {value}").expect(TAKES_ALL);
        }
        text
    }
}

const TAKES_ALL: &str = "a String takes all";

impl OperationStats {
    /// How many calls have ended so; 0 for another word than those of [`ended`](OperationStats::ended).
    #[must_use]
    pub fn ended(&self, outcome: &str) -> u64 {
        let its = self.ended.iter().find(|(name, _)| *name == outcome);
        its.map_or(0, |(_, calls)| *calls)
    }

    fn figures(&self) -> Vec<Figure> {
        let ended = self.ended.iter().map(|(outcome, calls)| {
            counter("imtag_calls_total", "Calls that have ended.", *calls)
                .labelled("outcome", *outcome)
        });
        let mut figures: Vec<Figure> = ended.collect();
        figures.extend([
            gauge(
                "imtag_calls_in_flight",
                "Calls that have begun and not ended.",
                self.in_flight as f64,
            ),
            counter(
                "imtag_attempts_total",
                "Attempts, also those that did not reach the service.",
                self.attempts,
            ),
            counter(
                "imtag_attempts_sent_total",
                "Attempts of which any byte left this machine.",
                self.attempts_sent,
            ),
            counter(
                "imtag_quota_rejections_total",
                "Attempts that the service rejected as too frequent.",
                self.quota_rejections,
            ),
            counter(
                "imtag_quota_waits_total",
                "Waits for a turn in the quota.",
                self.quota_waits,
            ),
            Figure {
                value: self.quota_wait.as_secs_f64(),
                ..counter(
                    "imtag_quota_wait_seconds_total",
                    "The waits for the quota together.",
                    0,
                )
            },
            gauge(
                "imtag_longest_quota_wait_seconds",
                "The longest wait for the quota.",
                self.longest_quota_wait.as_secs_f64(),
            ),
            gauge(
                "imtag_app_refused",
                "1 while the service refuses the app, its credentials or its plan.",
                f64::from(u8::from(self.app_refused.is_some())),
            ),
        ]);
        figures
    }
}

/// One number of a snapshot, as a monitoring system takes it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Figure {
    /// Its name as Prometheus has it: `imtag_calls_total`. Figures of one name stand together.
    pub name: String,
    /// What it counts, in a sentence.
    pub help: &'static str,
    /// It only grows; else it is a gauge.
    pub is_counter: bool,
    /// What tells it from others of its name: names and values of small letters and `_`, and what
    /// [`labelled`](Figure::labelled) added.
    pub labels: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The number.
    pub value: f64,
}

impl Figure {
    /// The same with a label before the others, such as which client of the process it is of. The name is of small letters
    /// and `_`, and no label of the figure has it; the value is any text.
    ///
    /// ```
    /// # fn print(china: &imtag_transport::Client, singapore: &imtag_transport::Client) {
    /// use imtag_transport::Stats;
    ///
    /// let clients = [("china", china), ("singapore", singapore)];
    /// let figures = clients.into_iter().flat_map(|(name, client)| {
    ///     let figures = client.stats().figures().into_iter();
    ///     figures.map(move |figure| figure.labelled("client", name))
    /// });
    /// print!("{}", Stats::text(&figures.collect::<Vec<_>>()));
    /// # }
    /// ```
    #[must_use]
    pub fn labelled(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Figure {
        self.labels.insert(0, (name.into(), value.into()));
        self
    }

    /// The labels as Prometheus has them: `operation="add",outcome="done"`; empty if it has none. Within a value a quotation
    /// mark, a backslash and the end of a line have a backslash before them.
    #[must_use]
    pub fn labels(&self) -> String {
        let labels = self.labels.iter().map(|(name, value)| {
            let value = value.replace('\\', r"\\").replace('"', "\\\"");
            format!("{name}=\"{}\"", value.replace('\n', r"\n"))
        });
        labels.collect::<Vec<_>>().join(",")
    }
}

pub(crate) fn counter(name: impl Into<String>, help: &'static str, count: u64) -> Figure {
    Figure {
        is_counter: true,
        ..gauge(name, help, count as f64)
    }
}

pub(crate) fn gauge(name: impl Into<String>, help: &'static str, value: f64) -> Figure {
    Figure {
        name: name.into(),
        help,
        is_counter: false,
        labels: Vec::new(),
        value,
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What is counted of a client's calls.
#[derive(Debug, Default)]
pub(crate) struct Counters([Counted; Operation::ALL.len()]);

/// What is counted of the calls of one operation.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    begun: Count,
    outcomes: [Count; OUTCOMES.len()],
    /// Calls that the host's panic has ended.
    lost: Count,
    pub(crate) attempts: Count,
    pub(crate) sent: Count,
    pub(crate) rejections: Count,
    waits: Count,
    waited_nanos: Count,
    longest_nanos: AtomicU64,
    /// The code of the last answer, if that refused the app; else 0.
    app_refused: AtomicI32,
}

/// A call under way, until it is dropped.
pub(crate) struct InFlight<'c> {
    counted: &'c Counted,
    outcome: Option<&'static str>,
}

impl Counters {
    pub(crate) fn operation(&self, operation: Operation) -> &Counted {
        &self.0[operation as usize]
    }

    /// The figures of all operations.
    pub(crate) fn snapshot(&self) -> [OperationStats; Operation::ALL.len()] {
        Operation::ALL.map(|operation| self.operation(operation).snapshot())
    }
}

impl Counted {
    /// A call begins.
    pub(crate) fn begin(&self) -> InFlight<'_> {
        self.begun.add(1);
        InFlight {
            counted: self,
            outcome: None,
        }
    }

    /// An attempt has waited for its turn in the quota.
    pub(crate) fn waited(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.waits.add(1);
        self.waited_nanos.add(nanos);
        self.longest_nanos.fetch_max(nanos, Relaxed);
    }

    /// The service has answered: by `code`, it refused the app itself. Returns true if the answer before was another.
    pub(crate) fn answered(&self, code: Option<Code>) -> bool {
        let code = code.map_or(0, |code| code.0);
        // a call that is answered, as nearly all are, writes to no memory that others read
        self.app_refused.load(Relaxed) != code && self.app_refused.swap(code, Relaxed) != code
    }

    fn snapshot(&self) -> OperationStats {
        let counts = OUTCOMES.iter().zip(&self.outcomes);
        let ended: Vec<_> = counts.map(|(name, count)| (*name, count.get())).collect();
        let over = self.lost.get() + ended.iter().map(|(_, calls)| calls).sum::<u64>();
        OperationStats {
            ended,
            in_flight: self.begun.get().saturating_sub(over),
            attempts: self.attempts.get(),
            attempts_sent: self.sent.get(),
            quota_rejections: self.rejections.get(),
            quota_waits: self.waits.get(),
            quota_wait: Duration::from_nanos(self.waited_nanos.get()),
            longest_quota_wait: Duration::from_nanos(self.longest_nanos.load(Relaxed)),
            app_refused: Some(self.app_refused.load(Relaxed)).filter(|code| *code != 0),
        }
    }
}

impl InFlight<'_> {
    /// The call ends: `done`, or by the cause of its failure.
    pub(crate) fn ended(mut self, outcome: &'static str) {
        self.outcome = Some(outcome);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let outcome = OUTCOMES.iter().position(|name| Some(*name) == self.outcome);
        let count = outcome.map_or(&self.counted.lost, |at| &self.counted.outcomes[at]);
        count.add(1);
    }
}
