//! A round: what is written in one commit, then the answers, and what is handed out to the session.

use std::mem;
use std::time::{Duration, Instant};

use super::Writer;
use super::jobs::Step;
use super::session::Session;
use super::work::{Committed, Round};
use crate::answer::Reply;
use crate::command::Command;
use crate::error::Refused;
use crate::id::PostId;
use crate::store::{refused, unreadable};

/// What a disk does that refuses, as a pause says it.
const WRITES: &str = "takes nothing that is to be kept";
const READS: &str = "cannot be read";

/// Posts that a commit forgets beside as many as it settles, and one that is for that alone.
const FORGOTTEN_AT_ONCE: usize = 200;
const FORGOTTEN_BY_A_LOOK: usize = 2_000;
/// Failures that one commit writes, with what came behind them.
const FAILURES_AT_ONCE: usize = 2_000;
/// When space that came free is given back, at the earliest.
const SPACE_AFTER: Duration = Duration::from_millis(20);

impl Writer {
    /// Writes what there is to write, answers, and hands blocks out. Returns what waits for the next round.
    pub(super) fn write(&mut self, mut round: Round) -> Round {
        let mut next = Round::default();
        if self.session.ended.is_some() {
            // what the session before has left comes first
            next.begins = mem::take(&mut round.begins);
        }
        let was_clean = self.store.facts().is_clean;
        let (step, failed) = self.jobs.step(&self.store, &self.session);
        if let Some(error) = failed {
            self.note_refusal(READS, &error);
        }
        let mut failures = self.failures_at_once();
        let mut tried = self.commit(&round, &step, Some(failures));
        if let Err(error) = &tried {
            self.note_refusal(WRITES, error);
            if !round.posts.is_empty() {
                let refused = refused(error);
                for (_, reply) in mem::take(&mut round.posts) {
                    reply.give(Err(refused.clone()));
                }
                tried = self.commit(&round, &step, Some(failures));
            }
        }
        while tried.is_err() && failures > 0 && self.session.settling.has_failed() {
            // what is done needs no room, and makes some
            failures /= 8;
            tried = self.commit(&round, &step, Some(failures));
        }
        if tried.is_err() {
            // a deletion makes some, too
            tried = self.commit(&round, &step, None);
        }
        match tried {
            // a part of a job in which nothing was to be written
            Ok(None) => {
                let finished = self.jobs.done(&step, &[]);
                self.publish();
                finished.answer();
            }
            Ok(Some(committed)) => {
                let settled = committed.settled.as_ref();
                let fits = settled.is_some_and(|it| it.failed > 0 || failures > 0);
                if fits || !self.session.settling.has_failed() {
                    self.disk = None;
                }
                self.counters.commits += 1;
                self.note_pace(committed.posts.len());
                self.answer(&mut round, &step, committed, was_clean);
            }
            Err(error) => {
                self.note_refusal(WRITES, &error);
                let refused = refused(&error);
                round.refuse(&refused);
                self.jobs.refuse_deletions(&refused);
            }
        }
        self.end_session();
        for read in mem::take(&mut round.reads) {
            self.read(read);
        }
        self.hand_out();
        next
    }

    /// How many failures are tried to be written: none while the disk has just refused them.
    fn failures_at_once(&self) -> usize {
        let waits = |again: Instant| self.end.is_none() && again > Instant::now();
        let waits = self.disk.as_ref().is_some_and(|(_, again)| waits(*again));
        if waits { 0 } else { FAILURES_AT_ONCE }
    }

    /// `failures`: so many of them are written beside what is done; `None`: neither.
    fn commit(
        &mut self,
        round: &Round,
        step: &Step,
        failures: Option<usize>,
    ) -> rusqlite::Result<Option<Committed>> {
        let now = Instant::now();
        let due = self.session.settle_due();
        let tries = self.disk.as_ref().is_some_and(|(_, again)| *again <= now);
        let writes = round.writes() || step.writes() || tries;
        let settles = due.is_some_and(|due| writes || due <= now || self.end.is_some());
        let settles = failures.filter(|it| settles && self.session.settling.has_part(*it));
        let has_ended = self
            .session
            .ended
            .filter(|_| settles.is_some() || due.is_none());
        let looks = self.disk.is_none() && self.looks.are_due(now);
        if !writes && settles.is_none() && has_ended.is_none() && !looks {
            return Ok(None);
        }
        let (settings, session) = (&self.settings, &self.session);
        let free = (!round.posts.is_empty())
            .then(|| self.store.free_bytes())
            .flatten();
        let committed = self.store.commit(|transaction| {
            let mut done = Committed::default();
            if let Some(failures) = settles {
                let part = session.settling.part(failures);
                done.settled = Some(transaction.settle(&part, &session.open)?);
            }
            if let Some(span) = &step.purge {
                done.purged = transaction.purge(span)?;
            }
            for ids in &step.deletions {
                done.deletions.push(transaction.delete_failures(ids)?);
            }
            for (post, _) in &round.posts {
                done.posts.push(transaction.post(post, settings, free)?);
            }
            for (pauses, _) in &round.pauses {
                let facts = &mut transaction.facts;
                facts.paused = pauses.then(|| facts.paused.unwrap_or_else(crate::store::now));
            }
            if let Some(is_clean) = has_ended {
                transaction.facts.is_clean = is_clean;
            }
            if !round.begins.is_empty() {
                transaction.facts.is_clean = false;
            }
            let settled = done.settled.as_ref().map_or(0, |it| it.posts.len());
            let at_least = if looks {
                FORGOTTEN_BY_A_LOOK
            } else {
                FORGOTTEN_AT_ONCE
            };
            let at_most = at_least + settled + done.purged.posts.len();
            let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
            done.forgotten = transaction.forget_posts(settings, at_most)?;
            Ok(done)
        })?;
        if looks {
            self.looks
                .looked(now, committed.forgotten >= FORGOTTEN_BY_A_LOOK as u64);
        }
        self.sync = now.elapsed();
        Ok(Some(committed))
    }

    /// Counts who waits by now: they will post again, as those will who are answered next.
    fn note_pace(&mut self, posts: usize) {
        self.arrived.extend(self.commands.try_iter());
        let waits = self
            .arrived
            .iter()
            .filter(|it| matches!(it, Command::Post(..)));
        self.pace.note(posts + waits.count(), self.sync);
    }

    /// Notes what was written, and answers then: who has an answer finds it in the status.
    fn answer(&mut self, round: &mut Round, step: &Step, committed: Committed, was_clean: bool) {
        let counters = &mut self.counters;
        for accepted in committed.posts.iter().flatten() {
            counters.repeated += u64::from(accepted.repeated);
            if !accepted.repeated {
                counters.posts += 1;
                counters.accepted += u64::from(accepted.changes);
            }
        }
        counters.deleted += step.purged();
        let mut over = committed.purged.posts;
        if let Some(settled) = &committed.settled {
            let (failures, done) = self.session.settled(settled);
            counters.done += done;
            failures.iter().for_each(|it| counters.count_failure(it));
            over.extend(&settled.posts);
        }
        if round.pauses.last().is_some_and(|(pauses, _)| !pauses) {
            self.damage = None;
        }
        let is_freed = committed.forgotten > 0 || committed.settled.is_some() || step.writes();
        if is_freed {
            self.space_at
                .get_or_insert_with(|| Instant::now() + SPACE_AFTER);
        }
        let finished = self.jobs.done(step, &committed.deletions);
        self.publish();
        finished.answer();
        for ((_, reply), post) in round.posts.drain(..).zip(committed.posts) {
            reply.give(post);
        }
        self.answer_pauses(&mut round.pauses);
        for reply in round.begins.drain(..) {
            let before = PostId::from_row(self.store.facts().next_post);
            reply.give(Ok((!was_clean).then_some(before)));
        }
        for post in over {
            for reply in self.waiting.take(post) {
                // what is known now: the post may be forgotten soon
                reply.give(heard(self.store.outcomes(post, |_| false)));
            }
        }
    }

    /// A pause is answered once nothing of the session is sent any more.
    fn answer_pauses(&mut self, pauses: &mut Vec<(bool, Reply<()>)>) {
        let may_send = self.session.under_way > 0 && self.session.ended.is_none();
        let (mut is_resumed, mut has_begun) = (false, false);
        for (pauses, reply) in pauses.drain(..) {
            is_resumed |= !pauses;
            if pauses && may_send {
                has_begun = true;
                self.pausing.push(reply);
            } else {
                reply.give(Ok(()));
            }
        }
        if has_begun {
            self.shared.end_session();
        }
        if is_resumed {
            self.shared.wake_session();
        }
    }

    /// What the session had waits again, once all that is known of it is on the disk.
    fn end_session(&mut self) {
        if self.session.ended.is_none() {
            return;
        }
        if self.session.settling.is_empty() {
            self.session = Session::new();
        }
        if !self.pausing.is_empty() {
            self.publish();
        }
        for reply in self.pausing.drain(..) {
            reply.give(Ok(()));
        }
    }

    fn read(&mut self, read: Command) {
        if read.is_forgotten() {
            return;
        }
        let open = &self.session.open;
        let is_open = |block| open.contains_key(&block);
        let store = &self.store;
        match read {
            Command::Change(id, reply) => reply.give(heard(store.change(id, is_open))),
            Command::Outcomes(post, reply) => reply.give(heard(store.outcomes(post, is_open))),
            Command::Failures(after, limit, reply) => {
                reply.give(heard(store.failures(after, limit)));
            }
            Command::Settled(post, reply) => match store.is_unsettled(post) {
                Ok(true) => self.waiting.add(post, reply),
                Ok(false) => reply.give(heard(store.outcomes(post, |_| false))),
                Err(error) => reply.give(Err(unreadable(&error))),
            },
            _ => {}
        }
    }

    /// Hands the next blocks out, if the session asks and nothing is in the way.
    fn hand_out(&mut self) {
        let is_held = self.store.facts().paused.is_some()
            || self.disk.is_some()
            || self.damage.is_some()
            || self.end.is_some();
        if is_held {
            return;
        }
        let Some((changes, reply)) = self.session.fetch.take() else {
            return;
        };
        match self.store.blocks_after(self.session.last, changes) {
            Ok(blocks) if blocks.is_empty() => self.session.fetch = Some((changes, reply)),
            Ok(blocks) => {
                self.session.opened(&blocks);
                reply.give(Ok(blocks));
            }
            Err(error) => {
                self.note_refusal(READS, &error);
                self.session.fetch = Some((changes, reply));
            }
        }
    }
}

fn heard<T>(read: rusqlite::Result<T>) -> Result<T, Refused> {
    read.map_err(|error| unreadable(&error))
}
