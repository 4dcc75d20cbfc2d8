//! A round: what is written in one commit, then the answers, and what is handed out to the session.

use std::mem;
use std::time::{Duration, Instant};

use super::session::Session;
use super::work::{Committed, Round, Step};
use super::{Job, LOOKS_EVERY, Writer};
use crate::change::Purged;
use crate::command::Command;
use crate::error::Refused;
use crate::store::refused;

/// Changes that one commit of a purge looks at.
const PURGED_AT_ONCE: u32 = 5_000;
/// Failures that one commit of a deletion takes.
const DELETED_AT_ONCE: u32 = 2_000;
/// Posts that a commit forgets beside as many as it settles.
const FORGOTTEN_AT_ONCE: usize = 200;
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
        let step = self.step();
        let mut tried = self.commit(&round, &step, true);
        if let Err(error) = &tried {
            self.note_refusal(error);
            if !round.posts.is_empty() {
                let refused = refused(error);
                for (_, reply) in mem::take(&mut round.posts) {
                    reply.give(Err(refused.clone()));
                }
                tried = self.commit(&round, &step, true);
            }
        }
        if tried.is_err() {
            // outcomes may need more room than there is, where a deletion makes some
            tried = self.commit(&round, &step, false);
        }
        match tried {
            Ok(None) => {}
            Ok(Some(committed)) => {
                self.disk = None;
                self.counters.commits += 1;
                self.note_pace(committed.posts.len());
                self.answer(&mut round, &step, committed, was_clean);
            }
            Err(error) => {
                self.note_refusal(&error);
                round.refuse(&refused(&error));
            }
        }
        self.end_session();
        for read in mem::take(&mut round.reads) {
            self.read(read);
        }
        self.hand_out();
        next
    }

    /// The next part of the first job.
    fn step(&mut self) -> Step {
        let read = match self.jobs.first() {
            None => return Step::None,
            Some(Job::Purge(job, _)) => job.next(&self.store, PURGED_AT_ONCE).map(Step::Purge),
            Some(Job::Delete(last, _, _)) => {
                let ids = self.store.failures_through(*last, DELETED_AT_ONCE);
                ids.map(Step::Delete)
            }
        };
        read.unwrap_or_else(|error| {
            self.note_refusal(&error);
            match self.jobs.remove(0) {
                Job::Purge(_, reply) => reply.give(Err(refused(&error))),
                Job::Delete(_, _, reply) => reply.give(Err(refused(&error))),
            }
            Step::None
        })
    }

    fn commit(
        &mut self,
        round: &Round,
        step: &Step,
        with_outcomes: bool,
    ) -> rusqlite::Result<Option<Committed>> {
        let now = Instant::now();
        let due = self.session.settle_due();
        let tries = self.disk.as_ref().is_some_and(|(_, again)| *again <= now);
        let writes = round.writes() || !matches!(step, Step::None) || tries;
        let settles = due.is_some_and(|due| writes || due <= now || self.end.is_some());
        let settles = settles && with_outcomes;
        let has_ended = self.session.ended.filter(|_| settles || due.is_none());
        let looks = now >= self.looked_at + LOOKS_EVERY;
        if looks {
            self.looked_at = now;
        }
        if !writes && !settles && has_ended.is_none() && !looks {
            return Ok(None);
        }
        let (settings, session, jobs) = (&self.settings, &self.session, &self.jobs);
        let free = (!round.posts.is_empty())
            .then(|| self.store.free_bytes())
            .flatten();
        let committed = self.store.commit(|transaction| {
            let mut done = Committed::default();
            if settles {
                done.settled = Some(transaction.settle(&session.settling, &session.open)?);
            }
            match (step, jobs.first()) {
                (Step::Purge(span), Some(Job::Purge(job, _))) => {
                    let purged = transaction.purge(job, span, &session.open)?;
                    (done.purged, done.purged_posts) = purged;
                }
                (Step::Delete(ids), _) => done.deleted = transaction.delete_failures(ids)?,
                _ => {}
            }
            for (ids, _) in &round.deletions {
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
            let at_most = FORGOTTEN_AT_ONCE + settled + done.purged_posts.posts.len();
            let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
            done.forgotten = transaction.forget_posts(settings, at_most)?;
            Ok(done)
        })?;
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
        counters.deleted += committed.purged.deleted;
        let mut over = committed.purged_posts.posts;
        if let Some(settled) = &committed.settled {
            let settling = &self.session.settling;
            let failures = settling.failures();
            counters.done += settling.len() - failures.len() as u64;
            failures.iter().for_each(|it| counters.count_failure(it));
            self.session.settled(&settled.blocks);
            over.extend(&settled.posts);
        }
        if round.pauses.last().is_some_and(|(pauses, _)| !pauses) {
            self.damage = None;
        }
        let is_freed = committed.forgotten > 0
            || committed.settled.is_some()
            || !committed.deletions.is_empty()
            || !matches!(step, Step::None);
        if is_freed {
            self.space_at
                .get_or_insert_with(|| Instant::now() + SPACE_AFTER);
        }
        self.publish();
        for ((_, reply), post) in round.posts.drain(..).zip(committed.posts) {
            reply.give(post);
        }
        for ((_, reply), deleted) in round.deletions.drain(..).zip(committed.deletions) {
            reply.give(Ok(deleted));
        }
        for (_, reply) in round.pauses.drain(..) {
            reply.give(Ok(()));
        }
        for reply in round.begins.drain(..) {
            reply.give(Ok(!was_clean));
        }
        for post in over {
            for reply in self.waiting.remove(&post).into_iter().flatten() {
                reply.give(Ok(()));
            }
        }
        self.step_is_done(step, committed.purged, committed.deleted);
    }

    /// Answers a job that is done.
    fn step_is_done(&mut self, step: &Step, purged: Purged, deleted: u64) {
        let is_over = match (step, self.jobs.first_mut()) {
            (Step::Purge(span), Some(Job::Purge(job, _))) => {
                job.has_done(span, purged);
                span.is_empty()
            }
            (Step::Delete(ids), Some(Job::Delete(_, count, _))) => {
                *count += deleted;
                ids.is_empty()
            }
            _ => false,
        };
        if is_over {
            match self.jobs.remove(0) {
                Job::Purge(job, reply) => reply.give(Ok(job.purged)),
                Job::Delete(_, count, reply) => reply.give(Ok(count)),
            }
        }
    }

    /// What the session had waits again, once all that is known of it is on the disk.
    fn end_session(&mut self) {
        if self.session.ended.is_some() && self.session.settling.is_empty() {
            self.session = Session::new();
        }
    }

    fn read(&mut self, read: Command) {
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
                Ok(true) => {
                    let waiting = self.waiting.entry(post).or_default();
                    waiting.retain(|it| !it.is_forgotten());
                    waiting.push(reply);
                }
                other => reply.give(heard(other.map(drop))),
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
                self.note_refusal(&error);
                self.session.fetch = Some((changes, reply));
            }
        }
    }
}

fn heard<T>(read: rusqlite::Result<T>) -> Result<T, Refused> {
    read.map_err(|error| refused(&error))
}
