//! The flags of `imtag emulator`. Latency is a flag; faults are added while it runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct EmulatorArgs {
    /// Where to listen; port 0 is a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    pub(crate) address: String,
    /// A name or IP address by which it is reached too, for its certificate; can be given several times
    #[arg(long = "name", value_name = "HOST")]
    pub(crate) names: Vec<String>,
    /// HTTPS, with an authority of its own
    #[arg(long)]
    pub(crate) tls: bool,
    /// Where to write the authority's certificate, in place of a temporary file or FOLDER/ca.pem
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) ca_out: Option<PathBuf>,
    /// How a second of the quota is counted
    #[arg(long, value_enum, default_value_t = Window::Sliding)]
    pub(crate) window: Window,
    /// Refuse a `random` in the URL that is no number of 32 bits
    #[arg(long)]
    pub(crate) strict_random: bool,
    /// How long each request is under way, there and back, such as 50ms or 0.2s
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = time)]
    pub(crate) latency: Duration,
    /// How far the latency of a request may lie below or above that
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = time)]
    pub(crate) jitter: Duration,
    /// What chance is drawn from, for the jitter and for faults with a probability [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// A folder in which users, app and key outlast the emulator; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Window {
    Sliding,
    Calendar,
}

/// Longer than any caller waits, and short enough that sums of it are no overflow.
const TIME_AT_MOST: Duration = Duration::from_secs(3600);

/// The unit is required, as some take a bare number for seconds and others for milliseconds.
fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or_default(), 1.0),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "a time with its unit, such as 50ms or 0.2s".to_owned())?;
    match Duration::try_from_secs_f64(number * unit) {
        Ok(time) if time <= TIME_AT_MOST => Ok(time),
        _ => Err(format!("from 0 to {} s", TIME_AT_MOST.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_with_its_unit() {
        for (text, ms) in [
            ("50ms", 50),
            ("0.2s", 200),
            ("1s", 1000),
            ("0ms", 0),
            ("2.5ms", 2),
        ] {
            let expected = Duration::from_millis(ms);
            let read = time(text).unwrap();
            assert_eq!(read.as_millis(), expected.as_millis(), "{text}");
        }
        for wrong in [
            "50", "", "ms", "s", "-1ms", "1m", "1 s s", "nans", "infs", "2h", "3601s",
        ] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
