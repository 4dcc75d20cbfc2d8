//! Requests of other SDKs of the service, as they were recorded on the wire: the files `*.http` here. The emulator's tests
//! and the daemon's replay them, and each knows what the right answer to a step is.
//!
//! A file is of one SDK, whose version stands at its top, unless it says that it is of none. Each request follows the
//! line `### STEP (REMARK)`, which says what was asked for. The UserSig is replaced by SIG (ESCAPED where `*` was `%2A`,
//! ALL_ESCAPED where `-` and `_` were escaped too; OTHER_KEY where it was made with another key, OTHER_APP where it was
//! made for another app), and lines of the head end in a line feed alone. Nothing else is changed, but the number of the
//! system that one SDK names.
//!
//! To record an SDK, start `imtag emulator --tls --data emulator`, and in front of it a proxy that answers CONNECT,
//! ends TLS with a certificate signed by `emulator/ca-key.pem`, and keeps what it hands on. Lead the SDK to the proxy
//! as docs/other-sdks.md leads it to the emulator, and let it add the tags `a` and `标签` to `u`, read `u` and `v`, and
//! so on. Where its host can be set, `imtag serve --tls --data daemon` takes the emulator's place, and no CONNECT is
//! needed.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};

/// A request of an SDK.
pub(crate) struct Case {
    /// The file and the step, with the remark.
    pub(crate) name: String,
    pub(crate) step: String,
    request: String,
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/recorded");
    let files = fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut cases = Vec::new();
    for path in files.filter(|path| path.extension().is_some_and(|it| it == "http")) {
        read(&path, &mut cases);
    }
    assert_eq!(cases.len(), 69);
    cases
}

fn read(path: &Path, cases: &mut Vec<Case>) {
    let text = fs::read_to_string(path).unwrap().replace('\r', "");
    for part in text.split("\n### ").skip(1) {
        let (step, request) = part.split_once('\n').unwrap();
        cases.push(Case {
            name: format!("{}: {step}", path.display()),
            step: step.split(" (").next().unwrap().to_owned(),
            request: request.trim_end().to_owned(),
        });
    }
}

impl Case {
    /// What goes over the wire, with a UserSig of this app's.
    pub(crate) fn bytes(&self, app: SdkAppId, identifier: &str, key: &SecretKey) -> String {
        let signed = |app, key: &SecretKey| {
            let identifier = Identifier::new(identifier).unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let day = Duration::from_secs(86_400);
            let usersig = UserSig::sign(key, app, &identifier, day, now);
            usersig.expose().to_owned()
        };
        let usersig = signed(app, key);
        let other_app = signed(SdkAppId::new(app.get() + 1).unwrap(), key);
        let other_key = signed(app, &SecretKey::new("of-another-app").unwrap());
        let all_escaped = usersig.replace('-', "%2D").replace('_', "%5F");
        let (head, body) = self.request.split_once("\n\n").unwrap();
        let head = head
            .replace("ALL_ESCAPED", &all_escaped.replace('*', "%2A"))
            .replace("=SIG", &format!("={usersig}"))
            .replace("ESCAPED", &usersig.replace('*', "%2A"))
            .replace("OTHER_APP", &other_app)
            .replace("OTHER_KEY", &other_key)
            .replace('\n', "\r\n");
        format!("{head}\r\n\r\n{body}")
    }

    /// The host that the SDK was led to, without a port; of a request by HTTP/1.0 there may be none.
    pub(crate) fn host(&self) -> Option<&str> {
        let mut lines = self.request.lines();
        let host = lines.find_map(|line| line.split_once(": ").filter(|it| is_host(it.0)));
        host.map(|(_, host)| host.split(':').next().unwrap())
    }

    /// True where it is a call of the newer paths.
    pub(crate) fn is_timpush(&self) -> bool {
        self.request.starts_with("POST /v4/timpush/")
    }
}

fn is_host(field: &str) -> bool {
    field.eq_ignore_ascii_case("host")
}
