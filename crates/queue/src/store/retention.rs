//! What is forgotten: posts that were settled long ago, with their keys. And space is given back.

use std::time::Duration;

use rusqlite::{Result, params};

use super::clock::millis;
use super::database::{Store, Transaction};
use super::facts::count;
use crate::settings::Settings;

/// Free space that stays in the file, for what comes next.
const SPARE_BYTES: i64 = 16 << 20;

impl Transaction<'_> {
    /// Forgets posts, as many as the limits say and at most so many. Returns how many.
    pub(crate) fn forget_posts(&mut self, settings: &Settings, at_most: i64) -> Result<u64> {
        let mut forgotten = 0;
        for (class, (most, time)) in (0_u8..).zip(limits(settings)) {
            let kept = self.facts.kept[usize::from(class)];
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let too_many = kept.saturating_sub(most).clamp(0, at_most);
            let before = self.facts.age.saturating_sub(millis(time));
            // those beyond the number, or else those that are old
            let (limit, before) = if too_many > 0 {
                (too_many, i64::MAX)
            } else {
                (at_most, before)
            };
            let sql = "SELECT id, key FROM post INDEXED BY kept_post WHERE kept = ?1 AND settled < ?2 \
                       ORDER BY settled LIMIT ?3";
            let mut old = self.connection.prepare_cached(sql)?;
            let rows = old.query_map(params![class, before, limit], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            let old: Vec<(i64, Option<Vec<u8>>)> = rows.collect::<Result<_>>()?;
            for (post, key) in old {
                if let Some(key) = key {
                    let mut delete = self
                        .connection
                        .prepare_cached("DELETE FROM key WHERE key = ?1")?;
                    delete.execute([key])?;
                }
                let mut delete = self
                    .connection
                    .prepare_cached("DELETE FROM post WHERE id = ?1")?;
                delete.execute([post])?;
                self.facts.kept[usize::from(class)] -= 1;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }
}

/// How many posts are kept, and for how long: those without a key, and with one.
fn limits(settings: &Settings) -> [(u64, Duration); 2] {
    [
        (settings.kept_posts, settings.kept_for),
        (settings.kept_keys, settings.keys_kept_for),
    ]
}

impl Store {
    /// How long until the first post is to be forgotten; `None` if none is kept.
    pub(crate) fn forgets_in(&self, settings: &Settings) -> Result<Option<Duration>> {
        let mut first: Option<Duration> = None;
        for (class, (most, time)) in (0_u8..).zip(limits(settings)) {
            let kept = count(self.facts().kept[usize::from(class)]);
            if kept == 0 {
                continue;
            }
            let sql = "SELECT settled FROM post INDEXED BY kept_post WHERE kept = ?1 ORDER BY settled LIMIT 1";
            let mut oldest = self.file.connection.prepare_cached(sql)?;
            let settled: i64 = oldest.query_row([class], |row| row.get(0))?;
            let until = settled.saturating_add(millis(time)).saturating_add(1);
            let left = Duration::from_millis(count(until.saturating_sub(self.age())));
            let left = if kept > most { Duration::ZERO } else { left };
            first = Some(first.map_or(left, |first| first.min(left)));
        }
        Ok(first)
    }

    /// Gives a part of the file's free space back, where much of the file is free. Returns true if there is more.
    pub(crate) fn give_space_back(&self, pages: u32) -> Result<bool> {
        let number = |sql| {
            self.file
                .connection
                .query_row(sql, [], |row| row.get::<_, i64>(0))
        };
        let free = || number("PRAGMA freelist_count");
        let (all, page) = (number("PRAGMA page_count")?, number("PRAGMA page_size")?);
        let most = (SPARE_BYTES / page.max(1)).max(all / 2);
        if free()? <= most {
            return Ok(false);
        }
        let step = format!("PRAGMA incremental_vacuum({pages})");
        let mut step = self.file.connection.prepare(&step)?;
        let mut pages = step.query([])?;
        // each is given back when its row is asked for
        while pages.next()?.is_some() {}
        Ok(free()? > most)
    }
}
