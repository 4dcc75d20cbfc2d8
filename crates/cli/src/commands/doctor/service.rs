//! What the service answers to reads of the identifier's own tags, and the few more reads that say what to set.
//!
//! ```text
//! read ─┬─ answered ───────────────► three more, apart: does anyone else use the quota?
//!       ├─ 60007 and its like ─────► up to three more: the next answer is the one that counts
//!       ├─ 60026, 70016, 70020 ────► the other official hosts, at once: which of them has the app?
//!       └─ 60027, 60009 ───────────► the other generation of paths: is the app of that product?
//! ```

use std::thread;
use std::time::{Duration, Instant};

use imtag_core::{Code, Generation, GetTags, Region};
use imtag_transport::{CallOptions, Client, ClientBuilder, Error, Outcome, Probe, SettingsError};

use super::check::{Check, Fault, Finding};
use super::network::check_of;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::count;

/// The reads that look at the quota, and the time between them: far below any quota.
const READS: u32 = 4;
const BETWEEN: Duration = Duration::from_millis(200);

/// The time for a read that comes after the first.
const ANOTHER: Duration = Duration::from_secs(3);

/// How often a pause looks for Ctrl-C.
const PAUSE: Duration = Duration::from_millis(20);

/// What a host may answer that does not have the app.
const OF_ANOTHER_HOST: [i32; 4] = [60006, 60026, 70016, 70020];

type Read = Result<Outcome, Error>;

/// Reads the identifier's tags.
pub(super) struct Reader<'r> {
    builder: ClientBuilder,
    pub(super) client: Client,
    /// None: so far away that no clock gets there.
    deadline: Option<Instant>,
    interrupt: &'r Interrupt,
}

/// What the reads found.
pub(super) struct Answered {
    /// The first read that the quota let through was answered well.
    pub(super) is_well: bool,
    /// Why it was not.
    pub(super) fault: Option<Fault>,
    /// That is a UserSig which the service does not take.
    pub(super) is_of_usersig: bool,
    /// None if a fault ended the reads.
    pub(super) quota: Option<Result<Finding, Fault>>,
}

impl<'r> Reader<'r> {
    /// All reads together take no more than `time`.
    pub(super) fn new(
        builder: ClientBuilder,
        time: Duration,
        interrupt: &'r Interrupt,
    ) -> Result<Reader<'r>, SettingsError> {
        // so few reads need not wait for what another process may have sent
        let builder = builder.fresh_start(true);
        Ok(Reader {
            client: builder.clone().build()?,
            builder,
            deadline: Instant::now().checked_add(time),
            interrupt,
        })
    }

    /// The first read, step by step.
    pub(super) fn probe(&self) -> Probe {
        self.read(&self.client, Duration::MAX)
    }

    /// Judges the first read, and makes more of them where that says more.
    pub(super) fn judge(&self, first: Read) -> Answered {
        let (decisive, quota) = self.look_at_quota(first);
        let is_well = matches!(decisive, Some(Ok(_)));
        let error = decisive.and_then(Result::err);
        Answered {
            is_well,
            is_of_usersig: error.as_ref().is_some_and(is_of_usersig),
            fault: error.map(|error| self.fault(&error)),
            quota,
        }
    }

    /// The first read that is not refused by the quota, if there is one; and whether any was.
    fn look_at_quota(&self, first: Read) -> (Option<Read>, Option<Result<Finding, Fault>>) {
        let began = Instant::now();
        let (mut decisive, mut refusal) = (None, None);
        let (mut answered, mut refused) = (0_u32, 0);
        let mut read = first;
        loop {
            match read {
                Err(error) if is_of_quota(&error) => {
                    refused += 1;
                    refusal.get_or_insert(error);
                }
                Err(error) => {
                    // a later one that fails otherwise says nothing of the quota
                    decisive.get_or_insert(Err(error));
                    break;
                }
                well => {
                    decisive.get_or_insert(well);
                }
            }
            answered += 1;
            if answered == READS || !self.pause() {
                break;
            }
            read = self.read(&self.client, ANOTHER).result;
        }
        let quota = match (refusal, &decisive) {
            (Some(error), _) => Some(Err(Fault {
                check: Check::Quota,
                detail: format!(
                    "{refused} of {answered} reads refused, so others use the quota: {}",
                    error.reason()
                ),
                remedy: error.remedy().to_owned(),
                exit: Exit::from_call(&error),
                after: None,
            })),
            (None, Some(Ok(_))) => {
                let detail = format!("{}, none refused", count(answered, "read", "reads"));
                Some(Ok(Finding::ok(Check::Quota, detail).taking(began.elapsed())))
            }
            (None, _) => None,
        };
        (decisive, quota)
    }

    fn fault(&self, error: &Error) -> Fault {
        let code = error.code();
        let number = error.request_id().map(|id| format!(" (request {id})"));
        let mut fault = Fault {
            check: code.map_or_else(|| check_of(error), Check::of_code),
            detail: error.reason() + &number.unwrap_or_default(),
            remedy: error.remedy().to_owned(),
            exit: Exit::from_call(error),
            after: None,
        };
        match code {
            Some(Code(60026 | 70016 | 70020)) => self.find_region(&mut fault),
            Some(Code(60009 | 60027)) => self.try_other_generation(&mut fault),
            _ => {}
        }
        fault
    }

    /// Asks the hosts of the other regions. The UserSig goes to no other host than the service's own.
    fn find_region(&self, fault: &mut Fault) {
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
            fault.remedy = to_set("region", region.name());
            return;
        }
        let is_silent = |answer: &Option<Read>| match answer {
            Some(Err(error)) => error.code().is_none(),
            Some(Ok(_)) => false,
            None => true,
        };
        let silent = answers.iter().filter(|it| is_silent(&it.1)).count();
        fault.detail += &format!(
            "; of the {} other regions none has the app, and {silent} gave no answer",
            answers.len()
        );
    }

    fn try_other_generation(&self, fault: &mut Fault) {
        let other = match self.client.rules().generation {
            Generation::AllMemberPush => Generation::Timpush,
            Generation::Timpush => Generation::AllMemberPush,
        };
        match self.read_with(self.builder.clone().generation(other)) {
            Some(Ok(_)) => {
                fault.detail += &format!("; the paths of {other} answer well");
                fault.remedy = to_set("generation", other.name());
            }
            Some(Err(error)) => {
                fault.detail += &format!("; the paths of {other}: {}", error.reason());
            }
            None => {}
        }
    }

    fn read_with(&self, builder: ClientBuilder) -> Option<Read> {
        let client = builder.build().ok()?;
        Some(self.read(&client, ANOTHER).result)
    }

    fn read(&self, client: &Client, at_most: Duration) -> Probe {
        let account = [client.identifier().as_str()];
        let request = GetTags::with_rules(client.rules(), account);
        let request = request.expect("an identifier keeps the limits of an account");
        let time = self.left().min(at_most);
        let options = CallOptions::new().timeout(time).attempt_timeout(time);
        client.probe(&request, &options.cancel(self.interrupt.token()))
    }

    /// Waits until the next read. False: there is no time for it, or Ctrl-C has come.
    fn pause(&self) -> bool {
        let until = Instant::now() + BETWEEN;
        while Instant::now() < until && !self.interrupt.came() {
            thread::sleep(PAUSE);
        }
        !self.interrupt.came() && !self.left().is_zero()
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

fn is_of_usersig(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| code.usersig_fault().is_some())
}

/// `set the region tokyo: IMTAG_REGION, --region, or region in the settings file`.
fn to_set(key: &str, value: &str) -> String {
    format!(
        "set the {key} {value}: IMTAG_{}, --{key}, or {key} in the settings file",
        key.to_uppercase()
    )
}
