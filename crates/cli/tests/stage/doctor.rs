//! What `imtag doctor` says of a set-up.

#![allow(dead_code)] // each test file uses a part of it

use std::process::Command;

use serde_json::Value;

use crate::stage::{Ran, Stage, run};

/// What `imtag doctor` says of a set-up.
pub(crate) struct Diagnosis {
    pub(crate) ran: Ran,
    pub(crate) report: Value,
}

impl Diagnosis {
    pub(crate) fn new(stage: &Stage, change: impl Fn(&mut Command)) -> Diagnosis {
        let mut command = stage.imtag(&["doctor", "--json"]);
        change(&mut command);
        let ran = run(command);
        let report = ran.json();
        let names: Vec<_> = checks(&report).map(|it| it["check"].clone()).collect();
        let expected = [
            "settings",
            "credentials",
            "dns",
            "proxy",
            "tcp",
            "tls",
            "clock",
            "service",
            "region",
            "app",
            "rights",
            "plan",
            "product",
            "address",
            "quota",
        ];
        assert_eq!(names, expected, "{report}");
        for check in checks(&report) {
            let is_wrong = ["failed", "warning"].contains(&check["status"].as_str().unwrap());
            assert_eq!(check["remedy"].is_string(), is_wrong, "{check}");
        }
        assert!(stage.emulator.users().is_empty());
        let reads = |path: &str| path.ends_with("/im_get_tag") || path.ends_with("/get_tag");
        assert!(stage.emulator.requests().iter().all(|it| reads(&it.path)));
        Diagnosis { ran, report }
    }

    pub(crate) fn with_status(&self, status: &str) -> Vec<&str> {
        let checks = checks(&self.report).filter(|it| it["status"] == status);
        checks.map(|it| it["check"].as_str().unwrap()).collect()
    }

    /// Holds it to one failed check, the exit code, and parts of what is said of it.
    #[track_caller]
    pub(crate) fn names(&self, check: &str, exit: i32, detail: &str, remedy: &str) {
        assert_eq!(self.with_status("failed"), [check], "{}", self.report);
        assert_eq!(self.ran.exit, Some(exit), "{}", self.report);
        assert_eq!(self.report["ok"], false);
        self.says(check, detail, remedy);
    }

    /// Holds it to one warning and no failure, exit code 0, and parts of what is said of it.
    #[track_caller]
    pub(crate) fn warns(&self, check: &str, detail: &str, remedy: &str) {
        assert_eq!(self.with_status("failed"), [""; 0], "{}", self.report);
        assert_eq!(self.with_status("warning"), [check], "{}", self.report);
        assert_eq!(self.ran.exit, Some(0), "{}", self.report);
        assert_eq!(self.report["ok"], true);
        self.says(check, detail, remedy);
    }

    #[track_caller]
    fn says(&self, check: &str, detail: &str, remedy: &str) {
        let found = self.check(check);
        for (field, part) in [("detail", detail), ("remedy", remedy)] {
            let text = found[field].as_str().unwrap();
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }

    pub(crate) fn check(&self, name: &str) -> &Value {
        checks(&self.report).find(|it| it["check"] == name).unwrap()
    }
}

fn checks(report: &Value) -> impl Iterator<Item = &Value> {
    report["checks"].as_array().unwrap().iter()
}

pub(crate) fn unchanged(_: &mut Command) {}
