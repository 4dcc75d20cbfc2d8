//! The store against a simple model, under random commands, with reopens in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use imtag_core::{ChangeOperation, ChangeRequest, Effect, Rules};
use imtag_local_server::KeptFiles;
use imtag_rows::FailureLine;

use super::database::Store;
use super::purge::PurgeJob;
use super::settle::{Open, Settling};
use crate::change::{ChangeState, Failure, Filter, Outcome};
use crate::error::Refused;
use crate::id::{ChangeId, PostId};
use crate::post::NewPost;
use crate::settings::Settings;

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waits,
    Done,
    Failed,
    FailureDeleted,
    Deleted,
}

#[derive(Default)]
struct Model {
    posts: BTreeMap<PostId, Vec<(ChangeRequest, State)>>,
    keys: BTreeMap<(u64, u64), PostId>,
    open: BTreeMap<i64, Open>,
    sending: BTreeSet<ChangeId>,
}

impl Model {
    fn all(&self) -> impl Iterator<Item = (ChangeId, &ChangeRequest, &State)> {
        let posts = self.posts.iter();
        posts.flat_map(|(post, changes)| {
            (0..)
                .zip(changes)
                .map(|(nth, (change, state))| (post.change(nth), change, state))
        })
    }

    fn count(&self, wanted: &State) -> i64 {
        i64::try_from(self.all().filter(|(_, _, state)| *state == wanted).count()).unwrap()
    }

    fn put(&mut self, id: ChangeId, state: State) {
        let post = self.posts.get_mut(&id.post).unwrap();
        post[id.index as usize].1 = state;
        self.sending.remove(&id);
    }

    /// What the store says is what the model says. A post may be forgotten, once nothing of it waits or is kept.
    fn compare(&self, store: &Store, is_open: bool) {
        assert_eq!(store.facts().changes, self.count(&State::Waits));
        assert_eq!(store.facts().failures, self.count(&State::Failed));
        let mut forgotten = 0;
        for (post, changes) in &self.posts {
            let said = store.outcomes(*post, |block| is_open && self.open.contains_key(&block));
            let Some(said) = said.unwrap() else {
                let is_kept = |state: &State| matches!(state, State::Waits | State::Failed);
                assert!(!changes.iter().any(|(_, state)| is_kept(state)), "{post}");
                forgotten += 1;
                continue;
            };
            assert_eq!(said.len(), changes.len());
            for (nth, (said, (_, state))) in (0..).zip(said.iter().zip(changes)) {
                let id = post.change(nth);
                let is_right = match said {
                    ChangeState::Queued => {
                        *state == State::Waits && !(is_open && self.sending.contains(&id))
                    }
                    ChangeState::Sending => {
                        *state == State::Waits && is_open && self.sending.contains(&id)
                    }
                    ChangeState::Done => *state == State::Done,
                    ChangeState::Failed(_) => *state == State::Failed,
                    ChangeState::FailureDeleted => *state == State::FailureDeleted,
                    ChangeState::Deleted => *state == State::Deleted,
                };
                assert!(is_right, "{id}: {said:?}, and the model says {state:?}");
                if nth % 17 == 0 {
                    let alone = store.change(id, |block| is_open && self.open.contains_key(&block));
                    assert_eq!(alone.unwrap().as_ref(), Some(said), "{id}");
                }
            }
        }
        let kept = store.facts().kept.iter().sum::<i64>();
        let settled = self.posts.values().filter(|changes| {
            !changes
                .iter()
                .any(|(_, state)| matches!(state, State::Waits | State::Failed))
        });
        assert_eq!(kept, i64::try_from(settled.count()).unwrap() - forgotten);
        if store.facts().changes + store.facts().failures == 0 {
            assert_eq!(store.facts().bytes, 0);
        }
    }
}

fn change(numbers: &mut Numbers) -> ChangeRequest {
    let user = format!("u{}", numbers.below(9));
    match numbers.below(4) {
        0 => ChangeRequest::clear(user),
        1 => ChangeRequest::remove(user, ["a", "b"]),
        _ => ChangeRequest::add(user, [format!("t{}", numbers.below(3))]),
    }
}

fn failure(id: ChangeId, change: &ChangeRequest) -> Failure {
    let line = FailureLine {
        account: change.account().to_owned(),
        op: ChangeOperation::Add,
        tags: Vec::new(),
        code: Some(70_107),
        reason: "no such account".to_owned(),
        remedy: "import it".into(),
        effect: Effect::NotApplied,
    };
    let at = SystemTime::UNIX_EPOCH;
    Failure { id, at, line }
}

fn post(numbers: &mut Numbers, model: &mut Model, store: &mut Store, settings: &Settings) {
    let count = [1, 3, 99, 100, 101, 250][numbers.below(6) as usize];
    let changes: Vec<ChangeRequest> = (0..count).map(|_| change(numbers)).collect();
    let mut new = NewPost::new();
    for change in &changes {
        assert!(new.push(&change.clone().check(&Rules::default()).unwrap()));
    }
    let key = (numbers.below(3) == 0).then(|| (numbers.below(10), numbers.below(2)));
    if let Some((key, body)) = key {
        new.set_key("uid 33", &key.to_string(), body.to_string().as_bytes());
    }
    let new = new.encoded();
    let answer = store.commit(|it| it.post(&new, settings, None)).unwrap();
    let known = key.and_then(|(key, _)| {
        let mut of_key = model.keys.iter().filter(|((its, _), _)| *its == key);
        of_key.next_back().map(|((_, body), post)| (*body, *post))
    });
    let known = known.filter(|(_, post)| store.outcomes(*post, |_| false).unwrap().is_some());
    match (answer, known) {
        (Ok(accepted), None) => {
            assert!(!accepted.repeated);
            assert!(
                model
                    .posts
                    .last_key_value()
                    .is_none_or(|(last, _)| accepted.post > *last)
            );
            if let Some((key, _)) = key {
                model.keys.retain(|(its, _), _| *its != key);
            }
            model.keys.extend(key.map(|key| (key, accepted.post)));
            let waits = changes.into_iter().map(|it| (it, State::Waits));
            model.posts.insert(accepted.post, waits.collect());
        }
        (Ok(accepted), Some((body, first))) => {
            assert!(accepted.repeated && accepted.post == first);
            assert_eq!(key.map(|it| it.1), Some(body));
        }
        (Err(refused), known) => {
            assert_eq!(refused, Refused::KeyReused);
            assert_ne!(key.map(|it| it.1), known.map(|it| it.0));
        }
    }
}

fn hand_out(numbers: &mut Numbers, model: &mut Model, store: &Store) {
    let last = model.open.last_key_value().map_or(-1, |(last, _)| *last);
    let wanted = u32::try_from(numbers.below(400) + 1).unwrap();
    for block in store.blocks_after(last, wanted).unwrap() {
        let first = ChangeId::from_key(block.id);
        let (count, settled) = (block.count, block.settled);
        for place in (0..count).filter(|place| !settled.contains(*place)) {
            model.sending.insert(first.post.change(first.index + place));
        }
        model.open.insert(block.id, Open { count, settled });
    }
}

fn settle(numbers: &mut Numbers, model: &mut Model, store: &mut Store) {
    let mut settling = Settling::default();
    let some: Vec<ChangeId> = model.sending.iter().copied().collect();
    for id in some {
        if numbers.below(3) == 0 {
            continue;
        }
        let block = *model.open.range(..=id.key()).next_back().unwrap().0;
        if numbers.below(5) == 0 {
            let change = &model.posts[&id.post][id.index as usize].0;
            settling.add(block, id, 0, Outcome::Failed(Box::new(failure(id, change))));
            model.put(id, State::Failed);
        } else {
            settling.add(block, id, 0, Outcome::Done);
            model.put(id, State::Done);
        }
    }
    let settled = store
        .commit(|it| it.settle(&settling.part(usize::MAX), &model.open))
        .unwrap();
    for (block, bits) in settled.blocks {
        let open = model.open.get_mut(&block).unwrap();
        open.settled = bits;
        if bits.len() == open.count {
            model.open.remove(&block);
        }
    }
}

fn run_to_end(job: &mut PurgeJob, open: &BTreeMap<i64, Open>, store: &mut Store) {
    loop {
        let limits = (Instant::now(), 2);
        let span = job.look(store, open, limits).unwrap();
        store.commit(|it| it.purge(&span)).unwrap();
        if job.has_done(&span) {
            break;
        }
    }
}

fn purge(numbers: &mut Numbers, model: &mut Model, store: &mut Store) {
    let mut filter = Filter::default();
    match numbers.below(5) {
        0 => {}
        1 => filter.tag = Some("b".to_owned()),
        _ => filter.account = Some(format!("u{}", numbers.below(9))),
    }
    let mut job = PurgeJob::new(filter.clone(), store);
    run_to_end(&mut job, &model.open, store);
    let means = |change: &ChangeRequest| {
        let tags: Vec<&str> = change.tags().collect();
        filter.means(change.account(), &tags)
    };
    let meant = model
        .all()
        .filter(|(_, change, state)| **state == State::Waits && means(change));
    let is_open = |id: &ChangeId| model.sending.contains(id);
    let (open, meant): (Vec<_>, Vec<_>) = meant.map(|it| it.0).partition(is_open);
    assert_eq!(job.purged.deleted, meant.len() as u64);
    assert_eq!(job.purged.under_way, open.len() as u64);
    meant
        .into_iter()
        .for_each(|id| model.put(id, State::Deleted));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn run(seed: u64) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data");
    let files = KeptFiles::open(&path, "daemon").unwrap();
    let settings = Settings {
        kept_posts: 5,
        kept_keys: 4,
        ..Settings::default()
    };
    let (mut numbers, mut model) = (Numbers(seed), Model::default());
    let mut store = Store::open(&files, true).unwrap();
    for step in 0..150 {
        match numbers.below(12) {
            0..=2 => post(&mut numbers, &mut model, &mut store, &settings),
            3 | 4 => hand_out(&mut numbers, &mut model, &store),
            5..=7 => settle(&mut numbers, &mut model, &mut store),
            8 => purge(&mut numbers, &mut model, &mut store),
            9 => {
                let failed = model.all().filter(|(_, _, state)| **state == State::Failed);
                let failed: Vec<ChangeId> = failed.map(|it| it.0).collect();
                let some: Vec<ChangeId> = failed
                    .into_iter()
                    .filter(|_| numbers.below(2) == 0)
                    .collect();
                let deleted = store.commit(|it| it.delete_failures(&some)).unwrap();
                assert_eq!(deleted, some.len() as u64);
                some.into_iter()
                    .for_each(|id| model.put(id, State::FailureDeleted));
            }
            10 => drop(store.commit(|it| it.forget_posts(&settings, 3)).unwrap()),
            _ => {
                // what was in the pipeline waits again
                (model.open, model.sending) = (BTreeMap::new(), BTreeSet::new());
                if numbers.below(2) == 0 {
                    store.close().unwrap();
                } else {
                    drop(store);
                }
                store = Store::open(&files, true).unwrap();
            }
        }
        model.compare(&store, true);
        if step % 10 == 0 {
            // as a kill -9 leaves it
            let killed = home.path().join(format!("{step}"));
            copy(&path, &killed);
            let files = KeptFiles::open(&killed, "daemon").unwrap();
            model.compare(&Store::open(&files, false).unwrap(), false);
            fs::remove_dir_all(killed).unwrap();
        }
    }
    // in the end nothing is left
    (model.open, model.sending) = (BTreeMap::new(), BTreeSet::new());
    let mut job = PurgeJob::new(Filter::default(), &store);
    run_to_end(&mut job, &model.open, &mut store);
    let all = store.failures(None, usize::MAX).unwrap();
    let all: Vec<ChangeId> = all.into_iter().map(|it| it.id).collect();
    store.commit(|it| it.delete_failures(&all)).unwrap();
    let facts = store.facts();
    assert_eq!((facts.changes, facts.failures, facts.bytes), (0, 0, 0));
}

#[test]
fn under_random_commands_and_reopens_every_change_has_the_state_of_a_simple_model() {
    for seed in 0..4 {
        run(seed);
    }
}

#[test]
fn a_post_is_remembered_for_a_time_in_which_the_queue_is_open_whatever_the_clock_says() {
    let home = tempfile::tempdir().unwrap();
    let files = KeptFiles::open(&home.path().join("data"), "daemon").unwrap();
    let settings = Settings {
        kept_for: Duration::from_millis(300),
        ..Settings::default()
    };
    let mut store = Store::open(&files, true).unwrap();
    let empty = NewPost::new().encoded();
    let accepted = store.commit(|it| it.post(&empty, &settings, None));
    let accepted = accepted.unwrap().unwrap();
    let forget = |store: &mut Store| store.commit(|it| it.forget_posts(&settings, 9)).unwrap();
    assert_eq!(forget(&mut store), 0);
    drop(store);
    // the night that the daemon was off, or a step of the clock
    thread::sleep(settings.kept_for * 2);
    let mut store = Store::open(&files, true).unwrap();
    assert_eq!(forget(&mut store), 0);
    thread::sleep(settings.kept_for * 2);
    assert_eq!(forget(&mut store), 1);
    assert_eq!(store.outcomes(accepted.post, |_| false).unwrap(), None);
}

#[test]
fn posts_are_in_the_order_of_their_times_and_none_grows_old_by_a_step_back_or_is_from_tomorrow() {
    const DAY: i64 = 24 * 3_600 * 1_000;
    let home = tempfile::tempdir().unwrap();
    let files = KeptFiles::open(&home.path().join("data"), "daemon").unwrap();
    let now = super::clock::now();
    let purge = |store: &mut Store, older_than| {
        let filter = Filter {
            older_than: Some(Duration::from_secs(older_than)),
            ..Filter::default()
        };
        let mut job = PurgeJob::new(filter, store);
        run_to_end(&mut job, &BTreeMap::new(), store);
        job.purged.deleted
    };
    let (mut numbers, mut model) = (Numbers(7), Model::default());
    // the clock was a day ahead, and is put right while the queue is closed
    for machine in [now + DAY, now, now - DAY] {
        let mut store = Store::open_at(&files, true, machine).unwrap();
        for _ in 0..3 {
            post(&mut numbers, &mut model, &mut store, &Settings::default());
        }
        assert!(store.oldest().unwrap().unwrap() < Duration::from_secs(60));
        assert_eq!(purge(&mut store, 60), 0);
    }
    // a day passes while it is closed
    let mut store = Store::open_at(&files, true, now + 2 * DAY).unwrap();
    assert!(store.oldest().unwrap().unwrap() >= Duration::from_secs(24 * 3_600));
    let all = store.facts().changes;
    post(&mut numbers, &mut model, &mut store, &Settings::default());
    assert_eq!(i64::try_from(purge(&mut store, 3_600)).unwrap(), all);
    assert!(store.facts().changes > 0, "the new one stays");
}

/// Whatever the posts are like, the bytes that count are those that the file has, give or take a quarter.
#[test]
fn the_bytes_of_a_queue_are_those_of_its_file() {
    for (changes, tag, has_key) in [
        (1, "t", false),
        (1, "t", true),
        (100, "t", false),
        (100, "one of twenty letters", false),
        (100, "of the forty letters and more that it may", false),
        (1_000, "t", true),
    ] {
        let home = tempfile::tempdir().unwrap();
        let files = KeptFiles::open(&home.path().join("data"), "daemon").unwrap();
        let (mut store, settings) = (Store::open(&files, true).unwrap(), Settings::default());
        let pages = |store: &Store| -> i64 {
            let sql = "PRAGMA page_count";
            store
                .file
                .connection
                .query_row(sql, [], |row| row.get(0))
                .unwrap()
        };
        let (empty, mut numbers) = (pages(&store), Numbers(3));
        for part in 0..40_000 / changes / 50 {
            let posts = (0..50).map(|nth| {
                let mut post = NewPost::new();
                for _ in 0..changes {
                    let user = format!("u{}", numbers.below(1_000_000));
                    let change = ChangeRequest::add(user, [tag]);
                    post.push(&change.check(&Rules::default()).unwrap());
                }
                if has_key {
                    post.set_key("uid 33", &format!("{part} {nth}"), b"");
                }
                post.encoded()
            });
            let posts: Vec<_> = posts.collect();
            let stored = store.commit(|it| {
                for post in &posts {
                    it.post(post, &settings, None)?.unwrap();
                }
                Ok(())
            });
            stored.unwrap();
        }
        let file = (pages(&store) - empty) * 4_096;
        let counted = store.facts().bytes;
        let range = file * 3 / 4..=file * 5 / 4;
        assert!(
            range.contains(&counted),
            "{changes} {tag}: {counted} of {file}"
        );
    }
}
