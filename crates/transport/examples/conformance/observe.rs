//! What a case that is observed answers too: the figures, and the log's records from before its client was made until all
//! of it is gone.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use imtag_transport::Figure;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static RECORDS: Mutex<Vec<Value>> = Mutex::new(Vec::new());

fn records() -> MutexGuard<'static, Vec<Value>> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens from here on. What a case before has left is gone.
pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(Listener).expect("nothing else listens");
    });
    records().clear();
}

/// The records since it began.
pub(crate) fn events() -> Value {
    std::mem::take(&mut *records()).into()
}

/// Figures, each by its name with its labels.
pub(crate) fn stats(figures: &[Figure]) -> Value {
    let figures = figures.iter().map(|figure| {
        let labels = figure.labels();
        let name = if labels.is_empty() {
            figure.name.clone()
        } else {
            format!("{}{{{labels}}}", figure.name)
        };
        (name, Value::from(figure.value))
    });
    Value::Object(figures.collect())
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "imtag"
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let message = fields.0.remove("message");
        let level = event.metadata().level().as_str().to_lowercase();
        records().push(serde_json::json!({"level": level, "message": message, "fields": fields.0}));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }
}
