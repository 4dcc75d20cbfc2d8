//! A line of the log: when, how much it matters, what happened, and what is known of it. As text, or as a JSON object.

use std::fmt::{Debug, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use imtag_transport::date_and_time;
use serde::{Serialize, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::json::to_json;
use super::text::{Shown, without_secrets};

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
pub(super) struct Record {
    #[serde(serialize_with = "as_utc")]
    ts: SystemTime,
    #[serde(serialize_with = "as_word")]
    level: Level,
    message: String,
    #[serde(serialize_with = "as_object")]
    fields: Fields,
}

type Fields = Vec<(&'static str, Value)>;

impl Record {
    /// A message for people, which has no fields.
    pub(super) fn from_message(level: Level, message: &str) -> Record {
        Record {
            ts: SystemTime::now(),
            level,
            message: message.to_owned(),
            fields: Fields::new(),
        }
    }

    /// What the client has decided.
    pub(super) fn from_event(event: &Event<'_>) -> Record {
        let mut record = Record::from_message(*event.metadata().level(), "");
        event.record(&mut record);
        record
    }

    pub(super) fn line(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Json => to_json(self),
        }
    }

    /// `2026-11-30T13:18:30.000250Z INFO  session ended session=bulk taken=3`.
    fn text(&self) -> String {
        let (ts, message) = (utc(self.ts), Shown(&self.message));
        let mut line = format!("{ts} {:<5} {message}", self.level.as_str());
        for (name, value) in &self.fields {
            let value = match value {
                Value::String(word) if is_plain(word) => word.clone(),
                value => to_json(value),
            };
            write!(line, " {name}={value}").expect("a String takes all that is written to it");
        }
        line
    }

    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.fields.push((field.name(), value.into()));
    }
}

/// True for text that stands without quotes.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:.-_[]".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

impl Visit for Record {
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
        self.add(field, without_secrets(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = without_secrets(&format!("{value:?}"));
        if field.name() == "message" {
            self.message = value;
        } else {
            self.add(field, value);
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands references on
fn as_utc<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&utc(*time))
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn as_word<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&level.as_str().to_ascii_lowercase())
}

fn as_object<S: Serializer>(fields: &Fields, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|(name, value)| (name, value)))
}

/// `2026-11-30T13:18:30.000250Z`.
fn utc(time: SystemTime) -> String {
    let time: Duration = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = time.subsec_micros();
    let [date, time] = date_and_time(time);
    format!("{date}T{time}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record() -> Record {
        Record {
            ts: UNIX_EPOCH + Duration::from_micros(1_795_949_883_000_250),
            level: Level::INFO,
            message: "session ended".to_owned(),
            fields: vec![
                ("session", json!("bulk")),
                ("address", json!("[::1]:443")),
                ("detail", json!("a \"quoted\" \u{1b}[2J=word")),
                ("empty", json!("")),
                ("taken", json!(3)),
                ("wait_ms", json!(1.5)),
                ("sent", json!(true)),
            ],
        }
    }

    #[test]
    fn a_line_of_text_quotes_what_is_no_word() {
        let expected = "2026-11-29T10:58:03.000250Z INFO  session ended session=bulk address=[::1]:443 \
                        detail=\"a \\\"quoted\\\" \\u001b[2J=word\" empty=\"\" taken=3 wait_ms=1.5 sent=true";
        assert_eq!(record().line(Format::Text), expected);
    }

    #[test]
    fn a_line_of_json_is_one_object_with_its_fields_apart() {
        let expected = "{\"ts\":\"2026-11-29T10:58:03.000250Z\",\"level\":\"info\",\"message\":\"session ended\",\
                        \"fields\":{\"session\":\"bulk\",\"address\":\"[::1]:443\",\
                        \"detail\":\"a \\\"quoted\\\" \\u001b[2J=word\",\"empty\":\"\",\"taken\":3,\"wait_ms\":1.5,\
                        \"sent\":true}}";
        assert_eq!(record().line(Format::Json), expected);
    }

    #[test]
    fn a_time_is_a_date_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_798_761_600, "2027-01-01T00:00:00.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), date);
        }
    }
}
