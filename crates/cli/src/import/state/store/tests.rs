//! How much room a journal takes, and that it is read as it was written.

use super::*;
use crate::import::input::Fingerprint;

#[test]
fn the_progress_of_a_million_users_takes_four_megabytes_at_most_and_is_read_as_it_was_written() {
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let path = folder.path().join("journal");
    let input = Fingerprint {
        digest: 1,
        bytes: 1,
    };
    let identity = || Identity::new(input, 1_000_000, Vec::new());
    let open = || Store::open(&path, identity()).unwrap();
    let mut store = open().begin().unwrap();
    let mut most = 0;
    for user in 0..900_000 {
        store.done(user * 1_009 % 1_000_000);
        if user % 3_000 == 0 {
            store.commit().unwrap();
            let files = std::fs::read_dir(folder.path()).unwrap();
            most = most.max(files.map(|it| it.unwrap().metadata().unwrap().len()).sum());
        }
    }
    assert!(most <= 4_000_000, "{most}");
    assert!(store.close(false).unwrap());
    let store = open();
    assert_eq!((store.users.done(), store.users_in_doubt()), (900_000, 0));
}
