//! What the tests of a queue have in common.

#![allow(dead_code)] // each test file has its own copy, and uses a part of it

use std::fs;
use std::path::{Path, PathBuf};

use imtag_core::{ChangeRequest, Rules};
use imtag_local_server::KeptFiles;
use imtag_queue::{NewPost, OpenError, Queue, Settings};

/// A folder with a queue in it.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    pub(crate) settings: Settings,
}

impl Home {
    pub(crate) fn new() -> Home {
        let mut settings = Settings::default();
        settings.min_free = 0; // whatever the disk of the tests has
        Home {
            folder: tempfile::tempdir().unwrap(),
            settings,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// As a daemon opens it. The folder is free again once both are dropped.
    pub(crate) fn open(&self) -> Open {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Open, OpenError> {
        let files = KeptFiles::open(&self.path(), "daemon")?;
        let queue = Queue::open(&files, self.settings.clone())?;
        Ok(Open { queue, files })
    }

    /// The files as they are now, as a `kill -9` would leave them, in a folder of their own.
    pub(crate) fn killed(&self) -> Home {
        let home = Home {
            settings: self.settings.clone(),
            ..Home::new()
        };
        copy(&self.path(), &home.path());
        home
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

pub(crate) struct Open {
    pub(crate) queue: Queue,
    files: KeptFiles,
}

impl std::ops::Deref for Open {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.queue
    }
}

pub(crate) fn add(account: &str, tag: &str) -> ChangeRequest {
    ChangeRequest::add(account, [tag])
}

pub(crate) fn post(changes: impl IntoIterator<Item = ChangeRequest>) -> NewPost {
    let mut post = NewPost::new();
    for change in changes {
        assert!(post.push(&change.check(&Rules::default()).unwrap()));
    }
    post
}

/// A post of so many changes of users `0` and so on.
pub(crate) fn many(changes: u32) -> NewPost {
    post((0..changes).map(|nth| add(&nth.to_string(), "vip")))
}

pub(crate) fn keyed(mut post: NewPost, key: &str, body: &str) -> NewPost {
    post.set_key("uid 33", key, body.as_bytes());
    post
}
