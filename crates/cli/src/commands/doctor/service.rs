//! What the service answers to reads of the identifier's own tags, and the few more reads that say what to set.
//!
//! ```text
//! read ─┬─ answered ───────────────► three more, apart: does anyone else use the quota, is any of them refused?
//!       ├─ 60007, 502, silence … ──► up to three more, as a call would be made again: the next answer is the one that counts
//!       ├─ 70107 and its like ─────► answered: the identifier is no user itself, and need not be
//!       ├─ 60026, 70016, 70020 ────► the other official hosts, at once: which of them has the app?
//!       └─ 60027, 60009 ───────────► the other generation of paths: is the app of that product?
//! ```

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use imtag_core::retry::{Retry, RetryPolicy};
use imtag_core::{Code, Generation, GetTags, Region, RetryClass, Scope};
use imtag_transport::{
    CallOptions, Cause, Client, ClientBuilder, Error, Outcome, Probe, StepWatcher,
};

use super::check::{Check, Fault, Finding};
use super::network::{Way, check_of, is_on_the_way};
use super::remedy::Remedies;
use crate::interrupt::Interrupt;
use crate::output::count;

/// The reads that look at the quota, and the time between them: far below any quota.
const READS: u32 = 4;
const BETWEEN: Duration = Duration::from_millis(200);

/// The time for a read in another place.
const ANOTHER: Duration = Duration::from_secs(3);

/// How often a pause looks for Ctrl-C.
const PAUSE: Duration = Duration::from_millis(20);

/// What a host may answer that does not have the app.
const OF_ANOTHER_HOST: [i32; 4] = [60006, 60026, 70016, 70020];

type Read = Result<Outcome, Error>;

/// Reads the identifier's tags.
pub(super) struct Reader {
    pub(super) builder: ClientBuilder,
    pub(super) client: Client,
    /// For all that goes over the network, as a call has it for all that it does.
    pub(super) time: Duration,
    /// None: so far away that no clock gets there.
    pub(super) deadline: Option<Instant>,
    pub(super) interrupt: Interrupt,
    pub(super) remedies: Arc<Remedies>,
}

/// Told what is waited for.
type WaitsFor<'w> = &'w dyn Fn(&str);

/// What the reads found.
pub(super) struct Answered {
    /// A read was answered well.
    pub(super) is_well: bool,
    /// The code of one that was refused.
    pub(super) code: Option<Code>,
    /// Why none was answered well.
    pub(super) fault: Option<Fault>,
    /// What is wrong, and does not keep tags from being changed.
    pub(super) warnings: Vec<Fault>,
    /// What is known beside that.
    pub(super) findings: Vec<Finding>,
}

impl Answered {
    /// The service answered, whatever it said.
    pub(super) fn is_of_service(&self) -> bool {
        use Check::{Dns, Proxy, Service, Tcp, Tls};
        let failed = self.fault.as_ref().map(|fault| fault.check);
        !matches!(failed, Some(Dns | Proxy | Service | Tcp | Tls))
    }
}

/// Reads that a call would make again.
#[derive(Default)]
struct Repeated {
    reads: u32,
    first: Option<Error>,
}

impl Repeated {
    fn add(&mut self, error: Error) {
        self.reads += 1;
        self.first.get_or_insert(error);
    }
}

impl Reader {
    /// The first read, step by step.
    pub(super) fn probe(&self, watcher: StepWatcher) -> Probe {
        self.read(&self.client, self.attempt_time(), watcher)
    }

    /// Judges the first read, and makes more of them where that says more.
    pub(super) fn judge(&self, first: Read, way: &Way<'_>, waits_for: WaitsFor<'_>) -> Answered {
        let began = Instant::now();
        let (mut well, mut decisive) = (None, None);
        let (mut refused, mut failed) = (Repeated::default(), Repeated::default());
        let mut turned_away = Repeated::default();
        let (mut read, mut reads) = (first, 0);
        loop {
            reads += 1;
            let is_silent = read.as_ref().is_err_and(is_of_silence);
            match read {
                Err(error) if is_of_quota(&error) => refused.add(error),
                Err(error) if is_made_again(&error) => failed.add(error),
                Err(error) if !is_of_account(&error) && well.is_none() => {
                    decisive = Some(error);
                    break;
                }
                // a call that is refused so is not made again
                Err(error) if !is_of_account(&error) && error.code().is_some() => {
                    turned_away.add(error);
                }
                Err(error) if !is_of_account(&error) => failed.add(error),
                answered => {
                    well.get_or_insert(answered);
                }
            }
            if reads == READS || !self.pause(is_silent) {
                break;
            }
            let next = reads + 1;
            waits_for(&format!("reading again ({next} of {READS})"));
            let at_most = self.attempt_time();
            read = self.read(&self.client, at_most, Arc::new(|_| {})).result;
        }
        let mut found = Answered {
            is_well: well.is_some(),
            code: decisive.as_ref().and_then(Error::code),
            fault: decisive.map(|error| self.fault(&error, way, waits_for)),
            warnings: Vec::new(),
            findings: Vec::new(),
        };
        self.add_repeated(&mut found, reads, failed, way);
        self.add_repeated(&mut found, reads, turned_away, way);
        let is_known = refused.reads == 0 && found.is_well;
        self.add_repeated(&mut found, reads, refused, way);
        if is_known {
            let reads = count(reads, "read", "reads");
            let detail =
                format!("{reads}, none too frequent; what changes tags has a quota of its own");
            let finding = Finding::ok(Check::Quota, detail).taking(began.elapsed());
            found.findings.push(finding);
        }
        if let Some(Err(error)) = well {
            let detail = format!(
                "app, identifier and credentials are accepted; the identifier itself is no user that tags can be read \
                 of, which others may be all the same: {}",
                error.reason()
            );
            found.findings.push(Finding::ok(Check::App, detail));
        }
        found
    }

    /// What reads that failed for now say: the service works if another one was answered.
    fn add_repeated(&self, found: &mut Answered, reads: u32, repeated: Repeated, way: &Way<'_>) {
        let Some(error) = repeated.first else { return };
        let is_refused = !is_of_quota(&error) && !is_made_again(&error) && error.code().is_some();
        let failed = match () {
            () if is_of_quota(&error) => "refused, so others use the quota",
            () if is_refused => "refused",
            () => "failed",
        };
        // no region and no other path is asked for these
        let mut fault = self.fault(&error, way, &|_| {});
        fault.after = None; // that of one of them
        if found.is_well && is_on_the_way(&error) {
            fault.check = Check::Service; // the way of the first is known, and shown
        }
        fault.detail = format!(
            "{} of {reads} reads {failed}: {}",
            repeated.reads, fault.detail
        );
        if found.is_well && !is_refused {
            found.warnings.push(fault);
        } else if found.fault.is_none() {
            found.code = error.code();
            found.fault = Some(fault);
        }
    }

    fn fault(&self, error: &Error, way: &Way<'_>, waits_for: WaitsFor<'_>) -> Fault {
        if is_on_the_way(error) {
            return way.fault(error);
        }
        let code = error.code();
        let check = code.map_or_else(|| check_of(error), Check::of_code);
        let mut fault = Fault {
            after: way.time_of_answer().filter(|_| check == Check::Service),
            ..Fault::new(check, said(error), self.remedy(check, error)).of_call(error)
        };
        match code {
            Some(Code(60026 | 70016 | 70020)) => self.find_region(&mut fault, waits_for),
            Some(Code(60009 | 60027)) => self.try_other_generation(&mut fault, waits_for),
            _ => {}
        }
        fault
    }

    fn remedy(&self, check: Check, error: &Error) -> String {
        match error.code() {
            Some(code) if check != Check::Service => {
                self.remedies.of_code(check, code, error.remedy())
            }
            _ => self.remedies.of_service(error),
        }
    }

    /// Asks the hosts of the other regions. The UserSig goes to no other host than the service's own.
    fn find_region(&self, fault: &mut Fault, waits_for: WaitsFor<'_>) {
        let host = self.client.endpoint().host();
        let is_here = |region: &Region| [region.host(), region.spare_host()].contains(&host);
        let mut others = Region::ALL.to_vec();
        others.retain(|region| !is_here(region));
        if others.len() == Region::ALL.len() {
            fault.detail += "; the hosts of the regions are not asked, as the endpoint is another";
            return;
        }
        let ask = |region| {
            let builder = self.builder.clone().region(region);
            self.read_with(builder.spare_endpoint("none"))
        };
        waits_for("asking the hosts of the other regions");
        let answers: Vec<(Region, Option<Read>)> = thread::scope(|scope| {
            let asked = others.into_iter().map(|region| {
                let thread = thread::Builder::new().spawn_scoped(scope, move || ask(region));
                (region, thread)
            });
            let asked: Vec<_> = asked.collect();
            let answers = asked.into_iter().map(|(region, thread)| {
                let answer = thread.ok().and_then(|it| it.join().ok()).flatten();
                (region, answer)
            });
            answers.collect()
        });
        let has_app = |answer: &Option<Read>| match answer {
            Some(Ok(_)) => true,
            Some(Err(error)) => error.code().is_some_and(|code| {
                Check::of_code(code) != Check::Service && !OF_ANOTHER_HOST.contains(&code.0)
            }),
            None => false,
        };
        if let Some((region, _)) = answers.iter().find(|it| has_app(&it.1)) {
            fault.check = Check::Region;
            fault.detail += &format!("; the host of {region} has the app");
            fault.remedy = self.remedies.to_set("region", region.name());
            return;
        }
        let is_silent = |answer: &Option<Read>| match answer {
            Some(Err(error)) => error.code().is_none(),
            Some(Ok(_)) => false,
            None => true,
        };
        let silent = answers.iter().filter(|it| is_silent(&it.1)).count();
        fault.detail += &format!("; of the {} other regions none has the app", answers.len());
        if silent > 0 {
            fault.detail += &format!(", and {silent} gave no answer");
        }
        if silent == 0 {
            let sentence = "use the SDKAppID that the console shows: no region has this one";
            fault.remedy = self.remedies.with_places(sentence, &["sdkappid"]);
        }
    }

    fn try_other_generation(&self, fault: &mut Fault, waits_for: WaitsFor<'_>) {
        let other = match self.client.rules().generation {
            Generation::AllMemberPush => Generation::Timpush,
            Generation::Timpush => Generation::AllMemberPush,
        };
        waits_for(&format!("trying the paths of {other}"));
        match self.read_with(self.builder.clone().generation(other)) {
            Some(Ok(_)) => {
                fault.detail += &format!("; the paths of {other} answer well");
                fault.remedy = self.remedies.to_set("generation", other.name());
            }
            Some(Err(error)) => {
                fault.detail += &format!("; the paths of {other}: {}", error.reason());
                if error.code().map(Check::of_code) == Some(Check::Product) {
                    fault.remedy = self.remedies.of_no_product();
                }
            }
            None => {}
        }
    }

    fn read_with(&self, builder: ClientBuilder) -> Option<Read> {
        let client = builder.build().ok()?;
        Some(self.read(&client, ANOTHER, Arc::new(|_| {})).result)
    }

    fn read(&self, client: &Client, at_most: Duration, watcher: StepWatcher) -> Probe {
        let account = [client.identifier().as_str()];
        let request = GetTags::with_rules(client.rules(), account);
        let request = request.expect("an identifier keeps the limits of an account");
        let (left, attempt) = (self.left(), at_most.min(self.left()));
        let options = CallOptions::new().timeout(left).attempt_timeout(attempt);
        client.probe(&request, &options.cancel(self.interrupt.token()), watcher)
    }

    /// The time that a call's first attempt has, of a call with this much time.
    fn attempt_time(&self) -> Duration {
        let attempt = Retry::new(RetryPolicy::default(), false).attempt_time(self.time);
        attempt.unwrap_or(self.time)
    }

    /// Waits until the next read. False: there is less time for it than a call has, so that its end would say nothing, or
    /// Ctrl-C has come. After silence a call has what is left.
    fn pause(&self, was_silent: bool) -> bool {
        let until = Instant::now() + BETWEEN;
        while Instant::now() < until && !self.interrupt.came() {
            thread::sleep(PAUSE);
        }
        let left = self.left();
        let is_enough = left >= self.attempt_time() || was_silent;
        !self.interrupt.came() && !left.is_zero() && is_enough
    }

    fn left(&self) -> Duration {
        self.deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        })
    }
}

fn is_of_quota(error: &Error) -> bool {
    let code = error.code();
    code.is_some_and(|code| Check::of_code(code) == Check::Quota)
}

/// A call that fails so is made again, and so may succeed.
fn is_made_again(error: &Error) -> bool {
    match (error.code(), error.cause()) {
        (Some(code), _) => matches!(code.retry(), RetryClass::Backoff | RetryClass::OnceLater),
        (None, Cause::Network { .. } | Cause::HttpStatus { .. } | Cause::NotUnderstood(_)) => {
            error.retryable() && check_of(error) == Check::Service
        }
        _ => is_of_silence(error),
    }
}

/// The service had a read for as long as a call waits, and gave no answer.
fn is_of_silence(error: &Error) -> bool {
    matches!(error.cause(), Cause::Timeout { .. }) && check_of(error) == Check::Service
}

/// The service refuses an account, and took all that stands before it: app, identifier, UserSig and plan.
fn is_of_account(error: &Error) -> bool {
    let code = error.code().filter(|code| code.0 != 70398);
    code.is_some_and(|code| code.scope() == Scope::Account)
}

/// Why, and the service's number for the request.
fn said(error: &Error) -> String {
    let number = error.request_id().map(|id| format!(" (request {id})"));
    error.reason() + &number.unwrap_or_default()
}
