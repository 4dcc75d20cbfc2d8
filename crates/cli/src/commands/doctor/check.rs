//! The checks, in their order, and what each can find. Which of them a code of the service fails is decided here alone.

use std::time::Duration;

use imtag_core::Code;
use imtag_transport::Error;
use serde::{Serialize, Serializer};

use crate::exit::Exit;
use crate::output::without_secrets;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Settings,
    Credentials,
    Dns,
    Proxy,
    Tcp,
    Tls,
    Clock,
    Service,
    Region,
    App,
    Rights,
    Plan,
    Product,
    Address,
    Quota,
}

use Check::{
    Address, App, Clock, Credentials, Dns, Plan, Product, Proxy, Quota, Region, Rights, Service,
    Settings, Tcp, Tls,
};

impl Check {
    pub(super) const ALL: [Check; 15] = [
        Settings,
        Credentials,
        Dns,
        Proxy,
        Tcp,
        Tls,
        Clock,
        Service,
        Region,
        App,
        Rights,
        Plan,
        Product,
        Address,
        Quota,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Settings => "settings",
            Credentials => "credentials",
            Dns => "dns",
            Proxy => "proxy",
            Tcp => "tcp",
            Tls => "tls",
            Clock => "clock",
            Service => "service",
            Region => "region",
            App => "app",
            Rights => "rights",
            Plan => "plan",
            Product => "product",
            Address => "address",
            Quota => "quota",
        }
    }

    /// What an answer that refuses nothing says of it.
    pub(super) fn when_answered(self) -> Option<&'static str> {
        Some(match self {
            Region => "the app is of this data centre",
            App => "app, identifier and credentials are accepted",
            Rights => "the identifier may call",
            Plan => "the app's plan has tags",
            Product => "the paths are of the app's product",
            Address => "this machine's address may call",
            _ => return None,
        })
    }

    /// The codes of the service that it fails by. A code that is nowhere here fails `service`, whose answer it is.
    fn codes(self) -> &'static [i32] {
        match self {
            Region => &[60026],
            App => &[
                60004, 60005, 60006, 60012, 60025, 70001, 70003, 70009, 70013, 70014, 70016, 70020,
                70050, 70107, 90003, 90012, 90048,
            ],
            Rights => &[60010, 70051, 90009],
            Plan => &[
                60016, 60017, 60020, 60028, 70398, 72000, 72002, 80005, 90045,
            ],
            Product => &[60009, 60027],
            Address => &[60021],
            Quota => &[60007, 60011, 60018, 60019],
            Service => &[
                60002, 60003, 60008, 60013, 60014, 60015, 70169, 70402, 70500, 90001, 90018, 90020,
                90032, 90033, 90034, 90035, 90040, 90994, 90995, 91000, 93000,
            ],
            Settings | Credentials | Dns | Proxy | Tcp | Tls | Clock => &[],
        }
    }

    /// How the command ends that finds it failed, where no call says so.
    fn exit(self) -> Exit {
        match self {
            Settings | Credentials | Tls | Clock | Region | App | Rights | Plan | Product
            | Address => Exit::Settings,
            Dns | Proxy | Tcp | Service | Quota => Exit::Unavailable,
        }
    }

    pub(super) fn of_code(code: Code) -> Check {
        let found = Check::ALL
            .into_iter()
            .find(|it| it.codes().contains(&code.0));
        found.unwrap_or(Service)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// Tags can be changed all the same.
    Warning,
    Failed,
    Skipped,
}

/// What a check found. The names of the fields are a promise to programs: see the README.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    #[serde(serialize_with = "as_name")]
    pub(super) check: Check,
    pub(super) status: Status,
    pub(super) detail: String,
    pub(super) remedy: Option<String>,
    pub(super) seconds: Option<f64>,
    /// How the command ends if it is the first that failed.
    #[serde(skip)]
    pub(super) exit: Exit,
}

/// Why a check fails.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) check: Check,
    pub(super) detail: String,
    pub(super) remedy: String,
    /// As the command ends whose call fails so.
    pub(super) exit: Exit,
    /// When it showed, of a step on the way to the service.
    pub(super) after: Option<Duration>,
}

impl Fault {
    pub(super) fn new(check: Check, detail: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault {
            check,
            detail: detail.into(),
            remedy: remedy.into(),
            exit: check.exit(),
            after: None,
        }
    }

    /// With the exit code of a call that fails so. What some accounts only are refused for is here the service's, and a
    /// code in no list is a refusal as others are.
    pub(super) fn of_call(self, error: &Error) -> Fault {
        let exit = Exit::from_call(error);
        Fault {
            exit: match error.code() {
                _ if exit != Exit::SomeFailed => exit,
                Some(code) if code.entry().is_none() => Exit::Settings,
                _ => self.exit,
            },
            ..self
        }
    }
}

impl Finding {
    pub(super) fn ok(check: Check, detail: impl Into<String>) -> Finding {
        Finding::new(check, Status::Ok, detail.into())
    }

    pub(super) fn skipped(check: Check, why: impl Into<String>) -> Finding {
        Finding::new(check, Status::Skipped, why.into())
    }

    /// It cannot be looked at, as another one failed.
    pub(super) fn hidden(check: Check, by: Check) -> Finding {
        Finding::skipped(check, format!("not known, as {} failed", by.name()))
    }

    pub(super) fn failed(fault: Fault) -> Finding {
        Finding::of_fault(fault, Status::Failed)
    }

    /// What is wrong, and does not keep tags from being changed.
    pub(super) fn warning(fault: Fault) -> Finding {
        Finding::of_fault(fault, Status::Warning)
    }

    fn of_fault(fault: Fault, status: Status) -> Finding {
        let finding = Finding {
            remedy: Some(without_secrets(&fault.remedy)),
            exit: fault.exit,
            ..Finding::new(fault.check, status, fault.detail)
        };
        match fault.after {
            Some(time) => finding.taking(time),
            None => finding,
        }
    }

    pub(super) fn taking(self, time: Duration) -> Finding {
        Finding {
            // microseconds say enough
            seconds: Some((time.as_secs_f64() * 1e6).round() / 1e6),
            ..self
        }
    }

    fn new(check: Check, status: Status, detail: String) -> Finding {
        Finding {
            check,
            status,
            detail: without_secrets(&detail),
            remedy: None,
            seconds: None,
            exit: Exit::Done,
        }
    }
}

/// A time as people say it: `90 s`, `5 minutes`, `3 hours`, `8 days`.
pub(super) fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn as_name<S: Serializer>(check: &Check, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(check.name())
}

#[cfg(test)]
mod tests {
    use imtag_core::catalogue::CATALOGUE;

    use super::*;

    #[test]
    fn every_code_of_the_catalogue_fails_one_check_and_no_other_code_stands_here() {
        let mut codes: Vec<i32> = Check::ALL
            .iter()
            .flat_map(|it| it.codes())
            .copied()
            .collect();
        codes.sort_unstable();
        let catalogue: Vec<i32> = CATALOGUE.iter().map(|entry| entry.code.0).collect();
        assert_eq!(codes, catalogue);
        assert_eq!(Check::of_code(Code(12345)), Service);
    }

    #[test]
    fn the_readme_says_what_each_check_means() {
        let readme = include_str!("../../../README.md");
        let rows = readme.split("| check | ").nth(1).unwrap().lines().skip(2);
        let names = rows.map_while(|row| row.strip_prefix("| `")?.split('`').next());
        assert_eq!(
            names.collect::<Vec<_>>(),
            Check::ALL.map(Check::name).to_vec()
        );
    }
}
